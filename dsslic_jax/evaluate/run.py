"""Measure codecs on a folder of pictures.

    pictures x codecs x settings ──what is not stored yet──► workers ──► RUN/measurements.jsonl ──► tables and plots

A run that is stopped goes on where it was when it is given again; one that is complete is read back and costs nothing.
"""

import contextlib
import functools
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from dsslic_jax.bundle import known as known_models
from dsslic_jax.errors import CoderFailed, ConfigError
from dsslic_jax.evaluate.codecs.codec import FileCodec
from dsslic_jax.evaluate.codecs.dsslic import Dsslic
from dsslic_jax.evaluate.codecs.registry import Sources
from dsslic_jax.evaluate.measuring import conditions
from dsslic_jax.evaluate.measuring.measure import Measurer
from dsslic_jax.evaluate.measuring.points import (
    Point,
    find_label_maps,
    find_pictures,
    picture_files,
    points,
)
from dsslic_jax.evaluate.measuring.quality import load_metrics
from dsslic_jax.evaluate.measuring.store import Measurement, Store
from dsslic_jax.evaluate.measuring.workers import measured
from dsslic_jax.evaluate.protocols import PROTOCOLS, Protocol, protocol
from dsslic_jax.evaluate.request import Request, anchors_of, curves_of, open_codecs
from dsslic_jax.evaluate.tables.differences import CurveDifference, differences, differences_csv
from dsslic_jax.evaluate.tables.means import Mean, means, means_csv, measurements_csv
from dsslic_jax.evaluate.tables.plot import rate_distortion_png
from dsslic_jax.system.files import require_text, write_atomically
from dsslic_jax.system.locks import alone_in
from dsslic_jax.system.outputs import check_folder
from dsslic_jax.system.printable import printable
from dsslic_jax.system.signals import stop_signals

_FAILURES_TOLD = 20
_PLOT = "rate_distortion_{}.png"  # of a protocol


@dataclass(frozen=True)
class Report:
    """Everything an evaluation found."""

    # By picture, curve, setting and layer, in the order asked for.
    measurements: tuple[Measurement, ...]
    means: tuple[Mean, ...]  # over the pictures
    # To the anchor, by protocol; none for a protocol whose anchor is not measured.
    differences: Mapping[str, tuple[CurveDifference, ...]]
    left_out: Mapping[str, str]  # codecs that are missing, with the reason


def evaluate(request: Request) -> Report:
    """Measures what is not measured yet, and writes tables and plots into `request.out`.

    Writes conditions.json, measurements.jsonl and streams/ as it goes, and at the end per_picture.csv, mean.csv, bd.csv
    and rate_distortion_<protocol>.png. The tables are of what this request asks for, whatever else is stored.

    Raises:
        ConfigError: an unknown name or an impossible setting, source or number.
        OutputRefused: `request.out` holds other files than a run's.
        DataError: a picture or label map is missing, unreadable or of the wrong size, the store is no file, or another
            process writes into it.
        ModelError: the model cannot be used, or has no SegNet where one is asked for.
        CoderUnavailable: codecs are missing.
        CoderFailed: some files could not be measured; all others are.
        KeyboardInterrupt: stopped by Ctrl-C or SIGTERM, once the points at work are stored.
    """
    if request.workers < 1:
        raise ConfigError(f"workers is the number of processes, not {request.workers}")
    require_text(request.out)
    check_folder(request.out, "a run", overwrite=True, mark=conditions.FILE_NAME)
    protocols = [protocol(name) for name in request.protocols]
    make_measurer = functools.partial(
        Measurer, request.out, Sources(request.model, dict(request.programs)), request.lpips_weights
    )
    codecs, left_out = open_codecs(request, protocols, make_measurer())
    curves = [curve for codec in codecs.values() for curve in curves_of(codec, request)]
    anchors = anchors_of(request, protocols, curves)
    layered = [codec for codec in codecs.values() if isinstance(codec, Dsslic)]
    classes = layered[0].classes if layered else None
    paths = find_pictures(request.images, request.limit, request.allow_lossy)
    label_paths = None if request.labels is None else find_label_maps(paths, request.labels)
    pictures = picture_files(paths, label_paths, classes)
    found = conditions.conditions(
        protocols, pictures, curves, left_out, classes.name if classes else None, request.workers
    )
    text = json.dumps(found, indent=1, allow_nan=False) + "\n"
    with alone_in(request.out, "evaluation"):
        store = Store(request.out)
        for problem in store.damaged:
            print(printable(f"note: {problem}"), file=sys.stderr)
        planned = [*points(pictures, curves)]
        left = [*_left(planned, store, request, codecs)]
        write_atomically(request.out / conditions.FILE_NAME, text.encode())
        for codec in layered:
            # So that `dsslic decode` reads the streams.
            known_models.remember(codec.fingerprints, codec.directory)
        if left:
            _write(request.out, {})  # no tables but of everything that conditions.json names
        _measure(left, len(planned), make_measurer, request.workers, store)
    lines = tuple(
        replace(line, picture=point.picture.path.stem)  # equal pictures may have two names
        for point in planned
        for line in store.find(point.key, ())
    )
    by_protocol = {
        p.name: tuple(differences(lines, p, anchors[p.name]))
        for p in protocols
        if p.name in anchors
    }
    report = Report(lines, tuple(means(lines)), by_protocol, left_out)
    _write(request.out, _tables(report, protocols))
    return report


def _left(
    planned: Sequence[Point],
    store: Store,
    request: Request,
    codecs: Mapping[str, FileCodec | Dsslic],
) -> Iterator[Point]:
    """The points that are not stored, or whose file no longer lies in RUN: another model's may have taken its place."""
    metrics = [*load_metrics(request.lpips_weights)]
    for point in planned:
        lines = store.find(point.key, metrics)
        framing_bytes = codecs[point.curve.codec].framing_bytes
        file = request.out / lines[-1].stream if lines else None
        size = file.stat().st_size if file and file.exists() else None
        if size is None or size != lines[-1].prefix_bytes + framing_bytes:
            yield point


def _measure(
    left: Sequence[Point],
    planned: int,
    make_measurer: functools.partial[Measurer],
    workers: int,
    store: Store,
) -> None:
    """Measures and stores the points that are left, with a bar on terminals."""
    from tqdm import tqdm

    failed: list[str] = []
    done = planned - len(left)
    # None: on terminals only. The time that remains is estimated from what this run has done itself.
    bar = tqdm(total=planned, initial=done, desc="evaluate", unit="file", disable=None)
    with bar, stop_signals() as stopping:
        with contextlib.closing(measured(left, make_measurer, workers, stopping)) as outcomes:
            for point, outcome in outcomes:
                bar.update()
                if isinstance(outcome, str):
                    failed.append(f"{point}: {outcome}")
                else:
                    store.append(outcome)
                    done += 1
        if stopping.is_set() and done < planned:
            print(
                f"stopped: {done} of {planned} files are measured; the same command goes on from there",
                file=sys.stderr,
            )
            raise KeyboardInterrupt
    if failed:
        print(*failed[:_FAILURES_TOLD], sep="\n", file=sys.stderr)
        raise CoderFailed(
            f"{len(failed)} of {planned} files could not be measured, the first: {failed[0]}; the others are kept, "
            "and the same command tries again"
        )


def _tables(report: Report, protocols: Sequence[Protocol]) -> dict[str, bytes]:
    """Tables and plots by file name."""
    tables = {_PLOT.format(p.name): rate_distortion_png(report.means, p) for p in protocols}
    tables["per_picture.csv"] = measurements_csv(report.measurements)
    tables["mean.csv"] = means_csv(report.means)
    if found := [row for rows in report.differences.values() for row in rows]:
        tables["bd.csv"] = differences_csv(found)
    return tables


def _write(run: Path, tables: Mapping[str, bytes]) -> None:
    """Writes tables, and removes those that an earlier request has left."""
    for name in ("per_picture.csv", "mean.csv", "bd.csv", *map(_PLOT.format, PROTOCOLS)):
        if name in tables:
            write_atomically(run / name, tables[name])
        else:
            (run / name).unlink(missing_ok=True)
