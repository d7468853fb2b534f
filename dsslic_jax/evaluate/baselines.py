"""Ordinary image codecs to compare with, each in its normal best colour mode (protocol `fair`).

A baseline writes a complete file of its format: the rate is that file's length and the quality
that of the pixels decoded from it. Nothing is left out, and no codec is made to code R, G and B
as three grey pictures; see `report.PROTOCOL`.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image, features

from dsslic_jax.errors import CoderFailed, CoderUnavailable


@dataclass(frozen=True)
class Baseline:
    """One codec and the points at which it is measured.

    Attributes:
        name: the `codec` column of the results.
        suffix: ending of its files, with the dot.
        setting_means: what a setting is, for a reader of the results.
        settings: the measured points, lowest rate first.
        encode: (uint8 [H, W, 3], setting) -> bytes of a whole file; raises CoderFailed.
        decode: (bytes, shape) -> uint8 picture of exactly that shape; raises CoderFailed.
    """

    name: str
    suffix: str
    setting_means: str
    settings: tuple[float, ...]
    encode: Callable[[np.ndarray, float], bytes]
    decode: Callable[[bytes, tuple[int, ...]], np.ndarray]


def all_baselines() -> tuple[Baseline, ...]:
    """Every baseline of protocol `fair`, ready to run.

    Raises:
        CoderUnavailable: imagecodecs is missing, or Pillow was built without one of the formats.
            PyAV is looked for when BPG codes its first picture.
    """
    return (*pillow_baselines(), jpeg_xl(), bpg_444())


def pillow_baselines() -> tuple[Baseline, ...]:
    """JPEG 4:4:4 and 4:2:0, JPEG 2000, WebP and AVIF 4:4:4, all coded by Pillow."""
    coarse_to_fine = (10, 25, 50, 75, 90)
    return (
        _with_pillow("jpeg-444", "jpg", ".jpg", coarse_to_fine, subsampling="4:4:4", optimize=True),
        _with_pillow("jpeg-420", "jpg", ".jpg", coarse_to_fine, subsampling="4:2:0", optimize=True),
        jpeg_2000(),
        _with_pillow("webp", "webp", ".webp", coarse_to_fine, method=6),
        _with_pillow("avif-444", "avif", ".avif", (20, 40, 60, 75, 90), subsampling="4:4:4"),
    )


def jpeg_2000() -> Baseline:
    """JPEG 2000 in its own lossy mode: 9/7 wavelet after the irreversible colour transform."""
    return _with_pillow(
        "jpeg-2000",
        "jpg_2000",
        ".jp2",
        (160, 80, 40, 20, 10),
        setting_means="compression ratio: bytes of the samples per byte of the file",
        setting_option=lambda ratio: {"quality_layers": [ratio]},
        quality_mode="rates",
        irreversible=True,
        mct=1,
    )


def jpeg_xl() -> Baseline:
    """JPEG XL (VarDCT, XYB) at effort 7, by imagecodecs; a setting is a Butteraugli distance."""
    try:
        import imagecodecs
    except ImportError as error:
        raise CoderUnavailable(
            "the jpeg-xl baseline needs imagecodecs: pip install imagecodecs"
        ) from error

    def encode(picture: np.ndarray, distance: float) -> bytes:
        try:
            coded = imagecodecs.jpegxl_encode(picture, distance=distance, effort=7, lossless=False)
        except (imagecodecs.JpegxlError, ValueError) as error:
            raise CoderFailed(f"jpeg-xl cannot encode at {distance:g}: {error}") from error
        return bytes(coded)

    def decode(data: bytes, shape: tuple[int, ...]) -> np.ndarray:
        try:
            picture = imagecodecs.jpegxl_decode(data)
        except (imagecodecs.JpegxlError, ValueError) as error:
            raise CoderFailed(f"jpeg-xl cannot decode its own file: {error}") from error
        return _checked("jpeg-xl", picture, shape)

    distances = (8.0, 4.0, 2.0, 1.0, 0.5)
    return Baseline("jpeg-xl", ".jxl", "Butteraugli distance", distances, encode, decode)


def bpg_444() -> Baseline:
    """BPG 4:4:4 YCbCr: the coder of the residual layer, here given the picture itself."""
    from dsslic_jax.codec import coders

    coder = coders.coder_set("embedded", None).residual

    def encode(picture: np.ndarray, quality: float) -> bytes:
        return coder.encode(picture, int(quality))

    return Baseline("bpg-444", ".bpg", "quality", (20, 30, 40, 50, 60), encode, coder.decode)


def _as_quality(setting: float) -> dict[str, Any]:
    return {"quality": int(setting)}


def _with_pillow(
    name: str,
    feature: str,
    suffix: str,
    settings: tuple[float, ...],
    setting_means: str = "quality",
    setting_option: Callable[[float], dict[str, Any]] = _as_quality,
    **options: Any,
) -> Baseline:
    """A baseline that Pillow codes.

    `feature` is Pillow's name of the optional library, `setting_option` turns a setting into an
    option of `Image.save`, and `options` are those that all settings share.
    """
    if not features.check(feature):
        raise CoderUnavailable(
            f"the {name} baseline needs a Pillow built with {feature}: pip install -U pillow"
        )
    pillow_format = Image.registered_extensions()[suffix]

    def encode(picture: np.ndarray, setting: float) -> bytes:
        buffer = io.BytesIO()
        try:
            image = Image.fromarray(picture)
            image.save(buffer, pillow_format, **options, **setting_option(setting))
        except (OSError, ValueError) as error:
            raise CoderFailed(f"{name} cannot encode at {setting:g}: {error}") from error
        return buffer.getvalue()

    def decode(data: bytes, shape: tuple[int, ...]) -> np.ndarray:
        try:
            with Image.open(io.BytesIO(data), formats=[pillow_format]) as image:
                picture = np.array(image)
        except (OSError, SyntaxError, ValueError) as error:
            raise CoderFailed(f"{name} cannot decode its own file: {error}") from error
        return _checked(name, picture, shape)

    return Baseline(name, suffix, setting_means, settings, encode, decode)


def _checked(name: str, picture: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    if picture.dtype != np.uint8 or picture.shape != shape:
        raise CoderFailed(
            f"{name} decoded {picture.dtype} {list(picture.shape)} instead of uint8 {list(shape)}"
        )
    return picture
