"""Measure codecs on a folder of pictures.

    pictures x codecs x settings ──what is not stored yet──► workers ──► RUN/measurements.jsonl ──► tables and plots

A run that is stopped goes on where it was when it is given again; one that is complete is read back and costs nothing.
"""

from __future__ import annotations

import contextlib
import functools
import json
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from dsslic_jax import known_models
from dsslic_jax.batch.jobs import _stop_signals as stop_signals
from dsslic_jax.errors import CoderFailed, CoderUnavailable, ConfigError
from dsslic_jax.evaluate import conditions
from dsslic_jax.evaluate.codecs.codec import FileCodec
from dsslic_jax.evaluate.codecs.dsslic import Dsslic
from dsslic_jax.evaluate.codecs.registry import Sources
from dsslic_jax.evaluate.differences import (
    CurveDifference,
    differences,
    differences_csv,
    find_anchor,
)
from dsslic_jax.evaluate.means import Mean, means, means_csv, measurements_csv
from dsslic_jax.evaluate.measure import Workshop
from dsslic_jax.evaluate.pictures import find_label_maps, find_pictures
from dsslic_jax.evaluate.plan import Curve, Task, picture_files, tasks
from dsslic_jax.evaluate.plot import rate_distortion_png
from dsslic_jax.evaluate.protocols import PROTOCOLS, Protocol, protocol
from dsslic_jax.evaluate.quality import load_metrics
from dsslic_jax.evaluate.store import Measurement, Store
from dsslic_jax.evaluate.workers import measured
from dsslic_jax.files import write_atomically

_FAILURES_TOLD = 20


@dataclass(frozen=True)
class Request:
    """What to measure.

    Attributes:
        images: folder of lossless pictures (PNG), taken in the order of their names.
        out: RUN, the folder for measurements, streams and tables; one that was stopped is continued.
        protocols: names of `protocols.PROTOCOLS`.
        codecs: names of `codecs.registry`; none for those of the protocols.
        settings: by codec, where the codec's own are not wanted.
        model: the model directory of dsslic and dsslic_flif.
        labels: folder of label maps, `<stem>.png`, ids as the data set's files have them.
        label_sources: of dsslic, each a curve of its own: "segnet", "files" (needs `labels`), "none"; none given is
            "files" where there are labels, else "segnet".
        programs: paths of flif, bpgenc and bpgdec.
        lpips_weights: measure LPIPS too, with this file of weights.
        anchor: what Bjøntegaard differences are taken against; None for the protocol's own, if it is measured.
        workers: processes; 1 leaves times undisturbed.
        limit: only this many pictures; None for all.
        allow_lossy: accept JPEG pictures too; conditions.json names them.
        skip_missing: leave out codecs that are not installed, instead of refusing.
    """

    images: Path
    out: Path
    protocols: Sequence[str] = ("fair",)
    codecs: Sequence[str] = ()
    settings: Mapping[str, Sequence[float]] = field(default_factory=dict)
    model: Path | None = None
    labels: Path | None = None
    label_sources: Sequence[str] = ()
    programs: Mapping[str, str] = field(default_factory=dict)
    lpips_weights: Path | None = None
    anchor: str | None = None
    workers: int = 1
    limit: int | None = None
    allow_lossy: bool = False
    skip_missing: bool = False


@dataclass(frozen=True)
class Report:
    """Everything an evaluation found.

    Attributes:
        measurements: by picture, curve, setting and layer, in the order asked for.
        means: over the pictures.
        differences: to the anchor, by protocol; none for a protocol whose anchor is not measured.
        left_out: codecs that are missing, with the reason.
    """

    measurements: tuple[Measurement, ...]
    means: tuple[Mean, ...]
    differences: Mapping[str, tuple[CurveDifference, ...]]
    left_out: Mapping[str, str]


def evaluate(request: Request) -> Report:
    """Measures what is not measured yet, and writes tables and plots into `request.out`.

    Writes conditions.json, measurements.jsonl and streams/ as it goes, and at the end per_picture.csv, mean.csv, bd.csv
    and rate_distortion_<protocol>.png. The tables are of what this request asks for, whatever else is stored.

    Raises:
        ConfigError: an unknown name or an impossible setting, source or number.
        DataError: a picture or label map is missing, unreadable or of the wrong size, or the store is damaged.
        ModelError: the model cannot be used, or has no SegNet where one is asked for.
        CoderUnavailable: codecs are missing.
        CoderFailed: some files could not be measured; all others are.
        KeyboardInterrupt: stopped by Ctrl-C or SIGTERM, once the tasks at work are stored.
    """
    if request.workers < 1:
        raise ConfigError(f"workers is the number of processes, not {request.workers}")
    protocols = [protocol(name) for name in request.protocols]
    make_workshop = functools.partial(
        Workshop,
        request.out,
        Sources(request.model, dict(request.programs)),
        request.lpips_weights,
    )
    codecs, left_out = _open_codecs(request, protocols, make_workshop())
    curves = [curve for codec in codecs.values() for curve in _curves(codec, request)]
    anchors = _anchors(request, protocols, curves)
    layered = [codec for codec in codecs.values() if isinstance(codec, Dsslic)]
    classes = layered[0].classes if layered else None
    paths = find_pictures(request.images, request.limit, request.allow_lossy)
    label_paths = None if request.labels is None else find_label_maps(paths, request.labels)
    pictures = picture_files(paths, label_paths, classes)
    found = conditions.conditions(
        protocols, pictures, curves, left_out, classes.name if classes else None, request.workers
    )
    store = Store(request.out)
    wanted = [*load_metrics(request.lpips_weights)]
    planned = [*tasks(pictures, curves)]
    left = [
        task
        for task in planned
        if not _is_there(
            request.out, store.find(task.key, wanted), codecs[task.curve.codec].framing_bytes
        )
    ]
    text = json.dumps(found, indent=1, allow_nan=False) + "\n"
    write_atomically(request.out / conditions.FILE_NAME, text.encode())
    for codec in layered:
        for fingerprint in codec.fingerprints:  # so that `dsslic decode` reads the streams
            known_models.remember(fingerprint, codec.directory)
    if left:
        _write(request.out, {})  # no tables but of everything that conditions.json names
    _measure(left, len(planned), make_workshop, request.workers, store)
    lines = [*_stored(planned, store)]
    rows = means(lines)
    report = Report(
        measurements=tuple(lines),
        means=tuple(rows),
        differences={
            p.name: tuple(differences(lines, p, anchors[p.name]))
            for p in protocols
            if p.name in anchors
        },
        left_out=left_out,
    )
    _write(request.out, _tables(report, protocols))
    return report


def _open_codecs(
    request: Request, protocols: Sequence[Protocol], workshop: Workshop
) -> tuple[dict[str, FileCodec | Dsslic], dict[str, str]]:
    """The codecs asked for, by name, and why others are left out."""
    names = dict.fromkeys(request.codecs or (name for p in protocols for name in p.codecs))
    if unused := sorted(set(request.settings) - set(names)):
        raise ConfigError(f"settings for {unused[0]}, which is not measured: {', '.join(names)}")
    codecs, missing = {}, {}
    for name in names:
        try:
            codecs[name] = workshop.codec(name)
        except CoderUnavailable as error:
            missing[name] = str(error)
    if missing and not request.skip_missing:
        raise CoderUnavailable(
            f"{'; '.join(missing.values())}; or leave out what is missing with --skip-missing"
        )
    if not codecs:
        raise CoderUnavailable(f"no codec is left to measure: {'; '.join(missing.values())}")
    return codecs, missing


def _curves(codec: FileCodec | Dsslic, request: Request) -> Iterator[Curve]:
    settings = tuple(request.settings.get(codec.name, codec.settings))
    codec.setting_range.check(codec.name, settings)
    sources: Sequence[str | None] = [None]
    if isinstance(codec, Dsslic):
        sources = request.label_sources or ["segnet" if request.labels is None else "files"]
        for source in sources:
            codec.check_label_source(str(source))
        if "files" in sources and request.labels is None:
            raise ConfigError("label source files needs a folder of label maps: --labels DIR")
    for source in dict.fromkeys(sources):
        yield Curve(
            codec=codec.name,
            labels=source,
            settings=settings,
            version=codec.version,
            model=codec.model if isinstance(codec, Dsslic) else None,
            setting_means=codec.setting_range.means,
        )


def _anchors(
    request: Request, protocols: Sequence[Protocol], curves: Sequence[Curve]
) -> dict[str, str]:
    """The curve that each protocol's differences are taken against, where there is one."""
    names = [curve.name for curve in curves]
    if request.anchor is not None:
        return {p.name: find_anchor(request.anchor, names) for p in protocols}
    return {p.name: p.anchor for p in protocols if p.anchor in names}


def _measure(
    left: Sequence[Task],
    planned: int,
    make_workshop: functools.partial[Workshop],
    workers: int,
    store: Store,
) -> None:
    """Measures and stores the tasks that are left, with a bar on terminals."""
    from tqdm import tqdm

    failed: list[str] = []
    done = planned - len(left)
    # None: on terminals only. The time that remains is reckoned from what this run has done itself.
    bar = tqdm(total=planned, initial=done, desc="evaluate", unit="file", disable=None)
    with bar, stop_signals() as stopping:
        with contextlib.closing(measured(left, make_workshop, workers, stopping)) as outcomes:
            for task, outcome in outcomes:
                bar.update()
                if isinstance(outcome, str):
                    failed.append(f"{task}: {outcome}")
                else:
                    store.append(outcome)
                    done += 1
        _raise_if_stopped(stopping, done, planned)
    if failed:
        for line in failed[:_FAILURES_TOLD]:
            print(line, file=sys.stderr)
        raise CoderFailed(
            f"{len(failed)} of {planned} files could not be measured, the first: {failed[0]}; the others are kept, "
            "and the same command tries again"
        )


def _raise_if_stopped(stopping: threading.Event, done: int, planned: int) -> None:
    if stopping.is_set() and done < planned:
        print(
            f"stopped: {done} of {planned} files are measured; the same command goes on from there",
            file=sys.stderr,
        )
        raise KeyboardInterrupt


def _stored(planned: Sequence[Task], store: Store) -> Iterator[Measurement]:
    for task in planned:
        for line in store.find(task.key, ()):
            yield replace(line, picture=task.picture.path.stem)  # equal pictures may have two names


def _is_there(run: Path, lines: Sequence[Measurement], framing_bytes: int) -> bool:
    """Whether a file is measured and still lies in RUN: another model's may have taken its place."""
    if not lines:
        return False
    try:
        size = (run / lines[-1].stream).stat().st_size
    except FileNotFoundError:
        return False
    return size == lines[-1].prefix_bytes + framing_bytes


def _tables(report: Report, protocols: Sequence[Protocol]) -> dict[str, bytes]:
    """Tables and plots by file name."""
    found = [row for rows in report.differences.values() for row in rows]
    return {
        "per_picture.csv": measurements_csv(report.measurements),
        "mean.csv": means_csv(report.means),
        **({"bd.csv": differences_csv(found)} if found else {}),
        **{_plot_name(p.name): rate_distortion_png(report.means, p) for p in protocols},
    }


def _write(run: Path, tables: Mapping[str, bytes]) -> None:
    """Writes tables, and removes those that an earlier request has left."""
    for name in ("per_picture.csv", "mean.csv", "bd.csv", *map(_plot_name, PROTOCOLS)):
        if name in tables:
            write_atomically(run / name, tables[name])
        else:
            (run / name).unlink(missing_ok=True)


def _plot_name(protocol_name: str) -> str:
    return f"rate_distortion_{protocol_name}.png"
