"""Measure the codec and ordinary codecs on a folder of pictures, under protocol `fair`.

Every rate is the length of a file that was really written, every quality that of pixels decoded
from the bytes read back from it.
"""

from __future__ import annotations

import importlib.metadata
import math
import platform
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import features

from dsslic_jax.data.elements import paired
from dsslic_jax.data.pictures import read_label_map, read_picture
from dsslic_jax.errors import ConfigError, StreamError
from dsslic_jax.evaluate import baselines as ordinary_codecs
from dsslic_jax.evaluate.baselines import Baseline
from dsslic_jax.evaluate.pictures import find_label_maps, find_pictures, is_lossy
from dsslic_jax.evaluate.report import (
    AVERAGING_TEXT,
    PROTOCOL,
    PROTOCOL_TEXT,
    Report,
    Row,
    mean_rows,
    write_report,
)
from dsslic_jax.files import write_atomically
from dsslic_jax.metrics import ms_ssim, psnr_rgb_db

if TYPE_CHECKING:
    from dsslic_jax.codec.codec import Codec

DEFAULT_QUALITIES = (10, 20, 30, 40, 50)
PACKAGES = ("dsslic_jax", "jax", "flax", "numpy", "scipy", "pillow", "imagecodecs", "av")
PILLOW_LIBRARIES = ("jpg", "libjpeg_turbo", "jpg_2000", "webp", "avif")


def evaluate(
    images_dir: Path,
    labels_dir: Path | None,
    codec: Codec,
    out_dir: Path,
    qualities: Sequence[int] = DEFAULT_QUALITIES,
    baselines: bool = True,
    limit: int | None = None,
    allow_lossy: bool = False,
) -> Report:
    """Code every picture at every quality, decode it, measure each layer, and write the report.

    Args:
        images_dir: lossless pictures (PNG), taken in the order of their names.
        labels_dir: `<stem>.png` for each picture, ids as the data set's files have them; None
            lets the codec's SegNet make s.
        codec: the codec to measure; its `bundle.classes` translates the label ids.
        out_dir: made if need be; receives per_picture.csv, mean.csv, results.json,
            rate_distortion.png and streams/ with every coded file. Files of the same names are
            replaced.
        qualities: different whole numbers in 0..100, residual quality of dsslic.
        baselines: also measure the ordinary codecs of `baselines.all_baselines`.
        limit: only this many pictures; None measures all.
        allow_lossy: accept JPEG pictures too; results.json names them.

    Returns:
        The report that was written.

    Raises:
        ConfigError: a quality out of range or given twice, or a limit below 1.
        DataError: a picture or label map is missing, unreadable or of the wrong size.
        CoderUnavailable, CoderFailed, StreamError: a codec cannot be used or did not decode.
    """
    _check_qualities(qualities)
    paths = find_pictures(images_dir, limit, allow_lossy)
    label_paths = None if labels_dir is None else find_label_maps(paths, labels_dir)
    measured_baselines = ordinary_codecs.all_baselines() if baselines else ()
    streams_dir = out_dir / "streams"
    rows: list[Row] = []
    for index, path in enumerate(paths):
        picture = read_picture(path)
        labels = None
        if label_paths is not None:
            labels = _read_labels(label_paths[index], picture, codec)
        for quality in qualities:
            rows += measure_dsslic(path.stem, picture, labels, codec, quality, streams_dir)
        for baseline in measured_baselines:
            for setting in baseline.settings:
                rows.append(measure_baseline(path.stem, picture, baseline, setting, streams_dir))
        print(f"evaluate: {index + 1}/{len(paths)} {path.name}", file=sys.stderr, flush=True)
    conditions = _conditions(paths, labels_dir, codec, qualities, measured_baselines)
    report = Report(tuple(rows), tuple(mean_rows(rows)), conditions)
    write_report(report, out_dir)
    return report


def measure_dsslic(
    name: str,
    picture: np.ndarray,
    labels: np.ndarray | None,
    codec: Codec,
    quality: int,
    streams_dir: Path,
) -> list[Row]:
    """Code one picture into streams_dir/<name>-q<quality>.dsslic; one row for each layer s, c, r.

    Args:
        name: what the picture is called in rows and file names: its stem.
        picture: uint8 [H, W, 3].
        labels: uint8 [H, W] class ids, or None for the codec's SegNet.

    Raises:
        StreamError: the stream's layers do not add up to its length, or a layer is missing.
    """
    from dsslic_jax.codec.container import layer_lengths

    path = streams_dir / f"{name}-q{quality}.dsslic"
    write_atomically(path, codec.encode(picture, labels, quality))
    data = path.read_bytes()
    decoded = codec.decode(data)
    if decoded.upsampled is None or decoded.coarse is None or decoded.picture is None:
        raise StreamError(f"{path}: decoded without layers c and r")
    lengths = layer_lengths(data)
    if sum(lengths.values()) != len(data):
        raise StreamError(f"{path}: {len(data)} bytes, but its layers hold {lengths}")

    height, width = picture.shape[:2]

    def row(layer: str, prefix: str, qualities: Mapping[str, float | None]) -> Row:
        return Row(
            picture=name,
            width=width,
            height=height,
            codec="dsslic",
            setting=quality,
            layer=layer,
            layer_bytes=lengths[layer],
            prefix_bytes=lengths["header"] + sum(lengths[earlier] for earlier in prefix),
            **qualities,
        )

    without_finenet = {"psnr_upsampled_rgb_db": psnr_rgb_db(picture, decoded.upsampled)}
    return [
        row("s", "s", {}),
        row("c", "sc", measure_quality(picture, decoded.coarse) | without_finenet),
        row("r", "scr", measure_quality(picture, decoded.picture)),
    ]


def measure_baseline(
    name: str, picture: np.ndarray, baseline: Baseline, setting: float, streams_dir: Path
) -> Row:
    """Code one picture into streams_dir/<name>-<codec>-<setting><suffix> and measure that file."""
    path = streams_dir / f"{name}-{baseline.name}-{setting:g}{baseline.suffix}"
    write_atomically(path, baseline.encode(picture, setting))
    data = path.read_bytes()
    return Row(
        picture=name,
        width=picture.shape[1],
        height=picture.shape[0],
        codec=baseline.name,
        setting=setting,
        layer="whole",
        layer_bytes=len(data),
        prefix_bytes=len(data),
        **measure_quality(picture, baseline.decode(data, picture.shape)),
    )


def measure_quality(picture: np.ndarray, decoded: np.ndarray) -> dict[str, float | None]:
    """The qualities of a Row that compare uint8 [H, W, 3] pictures; None where undefined."""
    similarity = ms_ssim(picture, decoded)
    return {
        "psnr_rgb_db": psnr_rgb_db(picture, decoded),
        "ms_ssim": None if math.isnan(similarity) else similarity,
    }


def software_versions() -> dict[str, str | None]:
    """Versions of what coded and measured; None for a package or library that is not there."""
    versions: dict[str, str | None] = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            versions[package] = None
    for library in PILLOW_LIBRARIES:
        versions[f"pillow/{library}"] = features.version(library)
    return versions


def _check_qualities(qualities: Sequence[int]) -> None:
    if not qualities:
        raise ConfigError("no qualities given: name at least one in 0..100")
    for quality in qualities:
        if not isinstance(quality, int) or not 0 <= quality <= 100:
            raise ConfigError(f"quality {quality!r} is not a whole number in 0..100")
    if len(set(qualities)) != len(qualities):
        raise ConfigError(f"qualities {list(qualities)} name one of them twice")


def _read_labels(path: Path, picture: np.ndarray, codec: Codec) -> np.ndarray:
    """A label file as class ids of the model, uint8 [H, W] of the picture's size."""
    labels = read_label_map(path, codec.bundle.classes)
    return paired(picture, labels, path.stem, str(path))["labels"]


def _conditions(
    paths: Sequence[Path],
    labels_dir: Path | None,
    codec: Codec,
    qualities: Sequence[int],
    measured_baselines: Sequence[Baseline],
) -> dict[str, Any]:
    """What was measured how, for results.json: no paths, so that it can be published."""
    return {
        "protocol": PROTOCOL,
        "protocol_means": PROTOCOL_TEXT,
        "averaging": AVERAGING_TEXT,
        "pictures": len(paths),
        "picture_files": [path.name for path in paths],
        "lossy_source_files": [path.name for path in paths if is_lossy(path)],
        "labels": "made by the model's SegNet" if labels_dir is None else "label files",
        "class_table": codec.bundle.classes.name,
        "model_fingerprint": codec.bundle.fingerprint.hex(),
        "dsslic_qualities": list(qualities),
        "baselines": {
            baseline.name: {"setting": baseline.setting_means, "settings": baseline.settings}
            for baseline in measured_baselines
        },
        "software": software_versions(),
    }
