"""Folders of pictures to folders of `.dsslic` files and back, several pictures at a time.

A run that was stopped goes on where it was when the same folders are given again: what is there already, whole and not
older than what it is made of, is kept.
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from dsslic_jax import api
from dsslic_jax.batch.jobs import Job, Report, Summary, find_jobs, is_current, one_line, run, say
from dsslic_jax.codec.layers.labels import decode_labels
from dsslic_jax.codec.stream.container import read_header_of
from dsslic_jax.errors import CoderUnavailable, DataError, ModelError, StreamError
from dsslic_jax.pictures.files import check_output, read_size, read_source, suffixes, write_picture
from dsslic_jax.pictures.reading import read_label_map
from dsslic_jax.system.files import write_atomically, write_png

if TYPE_CHECKING:
    from dsslic_jax.codec.codec import Codec
    from dsslic_jax.codec.settings import CodingSettings

STREAM_SUFFIX = ".dsslic"
Size = tuple[int, int]  # height, width


def encode_folder(
    source: Path,
    target: Path,
    codecs: Sequence[Codec],
    settings: CodingSettings | None = None,
    *,
    labels: Path | None = None,
    workers: int = 0,
    alpha: str = "refuse",
    deep: str = "refuse",
    metadata: bool = False,
    overwrite: bool = False,
    report: Report = say,
) -> Summary:
    """Codes every picture below a folder to `target/<same path>.dsslic`, its own suffix left out.

    A picture that cannot be coded does not stop the others. Hidden files and folders and symbolic links to folders
    are passed over.

    Args:
      source: the folder; files of other than picture suffixes are passed over.
      target: where streams go; made if need be.
      codecs: one model's codecs, one for each device; pictures go round among them.
      settings: how; None for the model's own.
      labels: folder of label maps, `labels/<same path>.png`; None lets SegNet make them.
      workers: pictures at work at a time; 0 for as many as there are cores, 8 at most. Networks run one picture at a
        time on each device; reading, layer coders and writing run side by side.
      alpha, deep, metadata: as `pictures.files.read_source` has them.
      overwrite: encode again what is there. Otherwise a stream is kept if it is whole, of this model, of its picture's
        size and not older than picture and label map; other settings than it was made with go unnoticed.
      report: told what the caller should show, a line at a time.

    Raises:
      DataError: no such folder, no pictures in it, or two that would be written to one file.
      ConfigError: a negative number of workers.
      ModelError, CoderUnavailable: without SegNet or a program, no picture can be coded.
      OSError: the disk is full, or a folder cannot be read.
      KeyboardInterrupt: stopped by Ctrl-C or SIGTERM, once the pictures at work are written.
    """
    jobs = find_jobs(source, target, suffixes(), STREAM_SUFFIX)
    sizes, unreadable = _sizes(jobs, metadata)
    chosen, bundle = settings or codecs[0].settings, codecs[0].bundle
    at_decoder = chosen.labels == "decoder"
    fingerprint = bundle.fingerprint_with_segnet if at_decoder else bundle.fingerprint

    def label_file(job: Job) -> Path | None:
        if labels is None:
            return None
        return (labels / job.source.relative_to(source)).with_suffix(".png")

    def is_there(job: Job) -> bool:
        made_of = [path for path in (job.source, label_file(job)) if path is not None]
        current = is_current(job.target, made_of)
        return current and _is_stream(job.target, fingerprint, sizes[job])

    def work(job: Job, codec: Codec) -> None:
        file = label_file(job)
        picture = read_source(
            job.source, alpha=alpha, deep=deep, metadata=metadata, labelled=file is not None
        )
        label_map = None if file is None else read_label_map(file, bundle.classes)
        data = codec.encode(picture.pixels, label_map, chosen, picture.grey, picture.metadata)
        write_atomically(job.target, data)

    summary = run(
        _by_padded_size(sizes),
        work,
        codecs,
        what="encode",
        workers=workers,
        is_there=None if overwrite else is_there,
        hopeless=(ModelError, CoderUnavailable),
        report=report,
    )
    failed = dict(summary.failed)
    made = [job for job in sizes if job.source not in failed]
    rates = [8 * job.target.stat().st_size / math.prod(sizes[job]) for job in made]
    return replace(
        summary,
        failed=tuple(sorted((*summary.failed, *unreadable))),
        bits_per_pixel=sum(rates) / len(rates) if rates else None,
    )


def decode_folder(
    source: Path,
    target: Path,
    codecs: Sequence[Codec] = (),
    *,
    upto: str = "r",
    suffix: str = ".png",
    workers: int = 0,
    overwrite: bool = False,
    report: Report = say,
) -> Summary:
    """Decodes every stream below a folder to `target/<same path>` with another suffix.

    Args:
      source: the folder of `.dsslic` files.
      target: where pictures go; made if need be.
      codecs: one model's codecs, one for each device; none lets each stream find the known model that it names.
      upto: the last layer to decode, "s" (written as palette PNGs of label ids), "c", "r1", …, or "r" for all.
      suffix: of the pictures, as `pictures.files.write_picture` has them.
      workers, overwrite, report: as in `encode_folder`. What is there is kept if it is not older than its stream.

    Raises:
      DataError: no such folder, no streams in it, or a suffix that cannot be written.
      ConfigError, OSError, KeyboardInterrupt: as in `encode_folder`.
    """
    if upto == "s" and suffix != ".png":
        raise DataError(f"{suffix}: label maps are written as .png")
    check_output(Path(f"picture{suffix}"))

    def work(job: Job, codec: Codec | None) -> None:
        data = job.source.read_bytes()
        if upto == "s":
            label_map, classes = decode_labels(data)
            write_png(job.target, label_map, classes.palette)
            return
        picture = api.decode(data, codec, upto)
        if picture.pixels is None:
            raise StreamError("the stream is cut before the end of layer c")
        if not picture.complete:
            report(f"{job.source}: cut; decoded up to layer {picture.upto}")
        write_picture(job.target, picture.pixels, metadata=picture.metadata)

    return run(
        find_jobs(source, target, {STREAM_SUFFIX}, suffix),
        work,
        codecs or [None],
        what="decode",
        workers=workers,
        is_there=None if overwrite else lambda job: is_current(job.target, [job.source]),
        hopeless=(),
        report=report,
    )


def _sizes(jobs: Sequence[Job], metadata: bool) -> tuple[dict[Job, Size], list[tuple[Path, str]]]:
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


def _is_stream(path: Path, fingerprint: bytes, size: Size) -> bool:
    """Whether a file is a whole stream of this model and size."""
    try:
        with path.open("rb") as file:
            header, _ = read_header_of(file)
            length = file.seek(0, os.SEEK_END)
    except (OSError, StreamError):
        return False
    return (
        header.fingerprint == fingerprint
        and (header.height, header.width) == size
        and length == header.size + sum(layer.length for layer in header.layers)
    )
