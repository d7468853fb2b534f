"""Folders of pictures to folders of `.dsslic` files and back, several pictures at a time.

A run that was stopped goes on where it was when the same folders are given again: what was made of the same files by
the same settings is kept.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dsslic_jax import api
from dsslic_jax.batch.jobs import Job, Report, Summary, find_jobs, one_line, run, say
from dsslic_jax.batch.made import Made
from dsslic_jax.codec.layers.labels import decode_labels
from dsslic_jax.codec.stream.container import MAGIC, Header, read_header
from dsslic_jax.errors import CoderUnavailable, DataError, ModelError, StreamError
from dsslic_jax.pictures.files import read_size, read_source, suffixes
from dsslic_jax.pictures.reading import read_label_map
from dsslic_jax.pictures.writing import LABEL_MAP, PICTURE, format_of, label_file, picture_file
from dsslic_jax.settings.reading import to_mapping
from dsslic_jax.system.outputs import Kind, Output

if TYPE_CHECKING:
    from dsslic_jax.codec.codec import Codec
    from dsslic_jax.codec.settings import CodingSettings

STREAM_SUFFIX = ".dsslic"
Size = tuple[int, int]  # height, width


def _is_stream(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(MAGIC)) == MAGIC


STREAM = Kind("a stream", (STREAM_SUFFIX,), _is_stream)


def encode_folder(
    source: Path | Sequence[Path],
    target: Path,
    codecs: Sequence[Codec],
    settings: CodingSettings | None = None,
    *,
    labels: Path | None = None,
    workers: int = 0,
    alpha: str = "refuse",
    deep: str = "refuse",
    metadata: str = "usual",
    overwrite: bool = False,
    report: Report = say,
) -> Summary:
    """Codes every picture below a folder to `target/<same path>.dsslic`, its own suffix left out.

    A picture that cannot be coded does not stop the others. Hidden files and folders and symbolic links to folders
    are passed over.

    Args:
      source: the folder, or several folders and files; files of other than picture suffixes are passed over.
      target: where streams go; made if need be.
      codecs: one model's codecs, one for each device; pictures go round among them.
      settings: how; None for the model's own.
      labels: folder of label maps, `labels/<same path>.png`; None lets SegNet make them.
      workers: pictures at work at a time; 0 for as many as there are cores, 8 at most. Networks run one picture at a
        time on each device; reading, layer coders and writing run side by side.
      alpha, deep, metadata: as `pictures.files.read_source` has them.
      overwrite: encode again what is there, and replace what is no stream. Otherwise a stream is kept if it was made of
        the same picture and label map by the same model and settings.
      report: told what the caller should show, a line at a time.

    Raises:
      DataError: a source is not there, or has no pictures.
      ConfigError: a negative number of workers.
      ModelError, CoderUnavailable: without SegNet or a program, no picture can be coded.
      OSError: the disk is full, or a folder cannot be read.
      KeyboardInterrupt: stopped by Ctrl-C or SIGTERM, once the pictures at work are written.
    """
    sources = [source] if isinstance(source, Path) else source
    found = find_jobs(sources, target, suffixes(), STREAM_SUFFIX)
    sizes, unreadable = _sizes(found.jobs, metadata)
    chosen, bundle = settings or codecs[0].settings, codecs[0].bundle
    how: dict[str, Any] = {
        "model": [f.hex() for f in bundle.fingerprints],
        "coding": to_mapping(chosen),
    }
    how |= {"alpha": alpha, "deep": deep, "metadata": metadata, "precision": codecs[0].precision}
    made = Made(target, json.dumps(how, sort_keys=True))

    def made_of(job: Job) -> list[Path]:
        if labels is None:
            return [job.source]
        return [job.source, (labels / job.name).with_suffix(".png")]

    def work(job: Job, codec: Codec) -> None:
        output = Output(job.target, STREAM, made_of(job), overwrite)
        output.check()
        label_files = made_of(job)[1:]
        picture = read_source(
            job.source, alpha=alpha, deep=deep, metadata=metadata, labelled=bool(label_files)
        )
        label_map = read_label_map(label_files[0], bundle.classes) if label_files else None
        data = codec.encode(picture.pixels, label_map, chosen, picture.grey, picture.metadata)
        output.write(data)
        made.add(job.target, made_of(job))
        for note in picture.notes:
            report(note)

    summary = run(
        _by_padded_size(sizes),
        work,
        codecs,
        what="encode",
        workers=workers,
        is_there=None if overwrite else lambda job: made.is_current(job.target, made_of(job)),
        hopeless=(ModelError, CoderUnavailable),
        report=report,
    )
    failed = dict(summary.failed)
    there = [job for job in sizes if job.source not in failed]
    rates = [8 * job.target.stat().st_size / math.prod(sizes[job]) for job in there]
    return replace(
        summary,
        failed=tuple(sorted((*summary.failed, *unreadable, *found.clashing))),
        bits_per_pixel=sum(rates) / len(rates) if rates else None,
        passed_over=found.passed_over,
    )


def decode_folder(
    source: Path | Sequence[Path],
    target: Path,
    codecs: Sequence[Codec] = (),
    *,
    open_codec: Callable[[Header], Codec] | None = None,
    upto: str = "r",
    suffix: str = ".png",
    workers: int = 0,
    overwrite: bool = False,
    report: Report = say,
) -> Summary:
    """Decodes every stream below a folder to `target/<same path>` with another suffix.

    Args:
      source: the folder of `.dsslic` files, or several folders and files.
      target: where pictures go; made if need be.
      codecs: one model's codecs, one for each device; none lets each stream find the known model that it names.
      open_codec: finds it otherwise.
      upto: the last layer to decode, "s" (written as palette PNGs of label ids), "c", "r1", …, or "r" for all.
      suffix: of the pictures, as `pictures.writing.picture_file` has them.
      workers, report: as in `encode_folder`.
      overwrite: decode again what is there, and replace pictures that were not written here. Otherwise a picture is
        kept if it was made of the same stream and layers.

    Raises:
      DataError: a source is not there or has no streams, or a suffix that cannot be written.
      ConfigError, OSError, KeyboardInterrupt: as in `encode_folder`.
    """
    if upto == "s" and suffix != ".png":
        raise DataError(f"{suffix}: label maps are written as .png")
    format_of(f"picture{suffix}")
    kind = LABEL_MAP if upto == "s" else PICTURE
    how: dict[str, Any] = {"upto": upto, "precision": [codec.precision for codec in codecs[:1]]}
    made = Made(target, json.dumps(how))

    def work(job: Job, codec: Codec | None) -> None:
        ours = overwrite or made.is_ours(job.target)
        output = Output(job.target, kind, [job.source], ours)
        output.check()
        data = job.source.read_bytes()
        if upto == "s":
            label_map, classes = decode_labels(data)
            output.write(label_file(label_map, classes.palette))
        else:
            if codec is None and open_codec is not None:
                codec = open_codec(read_header(data))
            picture = api.decode(data, codec, upto)
            if picture.pixels is None:
                raise StreamError("the stream is cut before the end of layer c")
            if not picture.complete:
                report(f"{job.source}: cut; decoded up to layer {picture.upto}")
            written, notes = picture_file(
                str(job.target), picture.pixels, metadata=picture.metadata
            )
            output.write(written)
            for note in notes:
                report(note)
        made.add(job.target, [job.source])

    sources = [source] if isinstance(source, Path) else source
    found = find_jobs(sources, target, {STREAM_SUFFIX}, suffix)
    summary = run(
        found.jobs,
        work,
        codecs or [None],
        what="decode",
        workers=workers,
        is_there=None if overwrite else lambda job: made.is_current(job.target, [job.source]),
        hopeless=(),
        report=report,
    )
    failed = tuple(sorted((*summary.failed, *found.clashing)))
    return replace(summary, failed=failed, passed_over=found.passed_over)


def _sizes(jobs: Sequence[Job], metadata: str) -> tuple[dict[Job, Size], list[tuple[Path, str]]]:
    """The size of each picture, and those whose headers cannot be read, with the reason."""
    sizes, unreadable = {}, []
    for job in jobs:
        try:
            sizes[job] = read_size(job.source, metadata=metadata)
        except DataError as error:
            unreadable.append((job.source, one_line(error, job)))
    return sizes, unreadable


def _by_padded_size(sizes: dict[Job, Size]) -> list[Job]:
    """Pictures that share compiled networks together, the largest first: too little memory shows early."""
    from dsslic_jax.codec.networks.padded_windows import padded_side

    return sorted(sizes, key=lambda job: [-padded_side(side, 1) for side in sizes[job]])
