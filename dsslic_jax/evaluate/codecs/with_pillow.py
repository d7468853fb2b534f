"""JPEG, JPEG 2000, WebP and AVIF, coded by Pillow: pictures [H, W, 3], or [H, W] for `planes`."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import PIL
from PIL import Image, features

from dsslic_jax.errors import CoderFailed, CoderUnavailable, DataError
from dsslic_jax.evaluate.codecs.codec import QUALITY, RATIO, FileCodec, SettingRange, checked
from dsslic_jax.pictures.reading import load, opened


@dataclass(frozen=True)
class _Format:
    """A format as Pillow writes it."""

    feature: str  # Pillow's name of the library
    library: Callable[[], str]  # the encoder with its version
    suffix: str
    settings: tuple[float, ...]
    setting_range: SettingRange = QUALITY
    options: dict[str, Any] = field(default_factory=dict)  # of Image.save, for all settings
    colour_options: dict[str, Any] = field(default_factory=dict)  # for [H, W, 3] alone
    setting_option: Callable[[float], dict[str, Any]] = lambda setting: {"quality": int(setting)}


def jpeg(name: str, subsampling: str, optimize: bool = True) -> FileCodec:
    """JPEG, `subsampling` "4:4:4" or "4:2:0"; Huffman tables made for the picture, or the standard's."""
    tables = "its own" if optimize else "standard"
    return _codec(
        name,
        _Format(
            "jpg",
            lambda: f"{_libjpeg()}, {tables} Huffman tables",
            ".jpg",
            (5, 10, 20, 35, 50, 65, 80, 90, 95),
            SettingRange("quality", 1, 100),
            {"optimize": optimize},
            {"subsampling": subsampling},
        ),
    )


def jpeg2000(name: str) -> FileCodec:
    """JPEG 2000 in its own lossy mode: 9/7 wavelet after the irreversible colour transform."""
    return _codec(
        name,
        _Format(
            "jpg_2000",
            lambda: f"OpenJPEG {features.version('jpg_2000')}",
            ".jp2",
            (160, 100, 60, 40, 26, 18, 12, 8, 5),
            RATIO,
            {"quality_mode": "rates", "irreversible": True},
            {"mct": 1},
            lambda ratio: {"quality_layers": [ratio]},
        ),
    )


def webp(name: str, method: int = 6) -> FileCodec:
    """Lossy WebP; `method` is 0 (fastest) to 6 (smallest)."""
    return _codec(
        name,
        _Format(
            "webp",
            lambda: f"libwebp {features.version('webp')}, method {method}",
            ".webp",
            (0, 5, 20, 40, 60, 75, 85, 92, 97),
            options={"method": method},
        ),
    )


def avif(name: str) -> FileCodec:
    """AVIF 4:4:4 by aom, told like x265 in BPG to go for PSNR: its default costs about half a dB of it."""
    return _codec(
        name,
        _Format(
            "avif",
            lambda: f"{_aom()}, libavif {features.version('avif')}, speed 4, tune psnr",
            ".avif",
            (15, 25, 35, 45, 55, 65, 75, 85, 92),
            options={
                "codec": "aom",
                "speed": 4,
                "max_threads": 1,
                "autotiling": False,  # tiles cost rate and save time on many threads only
                "advanced": {"tune": "psnr"},
            },
            colour_options={"subsampling": "4:4:4"},
        ),
    )


def _codec(name: str, kind: _Format) -> FileCodec:
    if not features.check(kind.feature):
        raise CoderUnavailable(
            f"{name} needs a Pillow built with {kind.feature}: pip install -U pillow"
        )
    pillow_format = Image.registered_extensions()[kind.suffix]

    def encode(picture: np.ndarray, setting: float) -> bytes:
        options = {**kind.options, **kind.setting_option(setting)}
        if picture.ndim == 3:
            options.update(kind.colour_options)
        buffer = io.BytesIO()
        try:
            Image.fromarray(picture).save(buffer, pillow_format, **options)
        except (OSError, ValueError) as error:
            raise CoderFailed(f"{name} cannot encode at {setting:g}: {error}") from error
        return buffer.getvalue()

    def decode(data: bytes, shape: tuple[int, ...]) -> np.ndarray:
        try:
            with opened(io.BytesIO(data), "the file", (pillow_format,)) as image:
                load(image)
                # WebP knows no grey: R, G and B of a grey plane come back equal.
                picture = np.array(image.convert("L") if len(shape) == 2 else image)
        except DataError as error:
            raise CoderFailed(f"{name} cannot decode its own file: {error}") from error
        return checked(name, picture, shape)

    version = f"{kind.library()} (Pillow {PIL.__version__})"
    return FileCodec(name, kind.suffix, kind.setting_range, kind.settings, version, encode, decode)


def _libjpeg() -> str:
    turbo = features.version("libjpeg_turbo")
    return f"libjpeg-turbo {turbo}" if turbo else f"libjpeg {features.version('jpg')}"


def _aom() -> str:
    """The AV1 encoder with its version, which Pillow has in its extension module alone."""
    from PIL import _avif

    found = re.search(r"aom[^,]*?([\d.]+)", getattr(_avif, "codec_versions", str)())
    return f"aom {found[1]}" if found else "aom of unknown version"
