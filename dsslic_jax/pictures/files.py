"""Picture files of any kind in, lossless ones out: what is coded of a picture, and what becomes of a decoded one.

Training and evaluation read theirs by `reading.py`, which takes less.
"""

import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from PIL import Image

from dsslic_jax.errors import ConfigError, DataError
from dsslic_jax.pictures import deep_samples
from dsslic_jax.pictures.metadata import (
    metadata_of,
    orientation_in,
    orientation_of,
    save_options,
    turn,
)
from dsslic_jax.pictures.reading import load, opened
from dsslic_jax.system.files import write_atomically

ALPHA = ("refuse", "white", "black", "drop")
DEEP = ("refuse", "round")
# Not read: those that start other programs, those without pixels of their own, and our streams.
_FORMATS_LEFT_OUT = ("EPS", "WMF", "BUFR", "GRIB", "HDF5", "MPEG", "DSSLIC")
# Further frames are aids or layers of the first, which is the picture.
_ONE_PICTURE = ("MPO", "PSD")
_WRITTEN = {".png": "PNG", ".tif": "TIFF", ".tiff": "TIFF", ".webp": "WEBP", ".ppm": "PPM"}
_SAVE_OPTIONS: dict[str, dict[str, Any]] = {
    "TIFF": {"compression": "tiff_adobe_deflate"},
    "WEBP": {"lossless": True},
}


@dataclass(frozen=True)
class Source:
    """A picture to code."""

    pixels: np.ndarray  # uint8 [H, W, 3]
    grey: bool = False  # the three channels are equal, the picture had one
    metadata: dict[str, bytes] = field(default_factory=dict)  # "icc", "exif"


def read_source(
    file: Path | BinaryIO | Image.Image,
    *,
    alpha: str = "refuse",
    deep: str = "refuse",
    metadata: bool = False,
    labelled: bool = False,
    name: str | None = None,
) -> Source:
    """Reads a picture of any format that Pillow reads, EPS and WMF excepted.

    Palette pictures become RGB, as do CMYK and others, without their profile. A picture that EXIF wants turned is
    turned, unless metadata are carried, which then say so to whoever shows it.

    Args:
      file: a path, a file, or a picture of Pillow's.
      alpha: of transparent pictures: "refuse" them, lay them on "white" or "black", or "drop" the transparency
        (hidden colours show). Alpha that is opaque everywhere is dropped in any case.
      deep: of pictures of more than 8 bits a sample: "refuse" them or "round" their samples.
      metadata: carry the ICC profile and EXIF.
      labelled: a label map belongs to the picture, drawn on the pixels as stored: do not turn it.
      name: what error messages call it; the path by default.

    Raises:
      ConfigError: another `alpha` or `deep`.
      UnreadablePicture: missing, of an unknown format, or damaged.
      DataError: transparent, deep or turned and not allowed to be; animated; more than MAX_PIXELS pixels.
    """
    for option, value, known in (("alpha", alpha, ALPHA), ("deep", deep, DEEP)):
        if value not in known:
            raise ConfigError(f"{option} must be one of {', '.join(known)}, not {value!r}")
    if name is None:
        name = str(file) if isinstance(file, Path) else getattr(file, "name", "the picture")
    with opened(file, name, _formats()) as image:
        if image.format not in _ONE_PICTURE and getattr(image, "is_animated", False):
            raise DataError(
                f"{name}: holds several pictures (an animation or pages): save the one to be coded by itself"
            )
        # Pillow turns these as it decodes them, and forgets that it did.
        is_tiff = image.format == "TIFF"
        stored_turned = is_tiff and orientation_of(image) != 1
        eight_bit = _eight_bit(image, deep, name)
        orientation = orientation_of(image)
        turned = (is_tiff or not metadata) and orientation != 1
        if labelled and (turned or stored_turned):
            raise DataError(
                f"{name}: EXIF wants it turned, but its label map is for the pixels as stored: carry the metadata, "
                "or turn both first"
            )
        flat = _without_alpha(eight_bit, alpha, name)
        grey = flat.mode in ("1", "L")
        carried = metadata_of(image, grey, name) if metadata else {}
        pixels = np.asarray(flat if flat.mode == "RGB" else flat.convert("RGB"))
        if turned:
            pixels = turn(pixels, orientation)
    return Source(pixels, grey, carried)


def read_size(path: Path, *, metadata: bool = False) -> tuple[int, int]:
    """(height, width) that `read_source` would give, from the file's header alone; raises likewise."""
    with opened(path, str(path), _formats()) as image:
        turned = image.format != "TIFF" and not metadata and orientation_of(image) >= 5
        return (image.width, image.height) if turned else (image.height, image.width)


def suffixes() -> frozenset[str]:
    """File name suffixes of the formats that `read_source` reads, in small letters with their dot."""
    formats = _formats()
    return frozenset(s for s, kind in Image.registered_extensions().items() if kind in formats)


def check_output(path: Path) -> None:
    """Raises DataError for a suffix of which `write_picture` knows no lossless format."""
    if path.suffix.lower() not in _WRITTEN:
        raise DataError(
            f"{path}: decoded pictures are written without loss, as .png, .tif, .webp or .ppm"
        )


def write_picture(
    path: Path,
    pixels: np.ndarray,
    grey: bool = False,
    metadata: Mapping[str, bytes] | None = None,
) -> None:
    """Writes a picture as PNG, TIFF, lossless WebP or PPM by its suffix, atomically.

    Args:
      path: where; its folder is made if need be.
      pixels: uint8 [H, W, 3], or [H, W].
      grey: write one channel (WebP knows three only).
      metadata: "icc" and "exif" to write. PPM has room for none: the picture is turned as EXIF wants it.

    Raises:
      DataError: a lossy or unknown suffix, or a picture or metadata that the format does not take.
    """
    check_output(path)
    kind = _WRITTEN[path.suffix.lower()]
    metadata = metadata or {}
    pixels = one_channel(pixels) if grey and pixels.ndim == 3 else pixels
    options = {**_SAVE_OPTIONS.get(kind, {}), **save_options(metadata)}
    if kind == "PPM":
        pixels, options = turn(pixels, orientation_in(metadata.get("exif", b""))), {}
    file = io.BytesIO()
    try:
        Image.fromarray(pixels).save(file, kind, **options)
    except Exception as error:  # Pillow's writers have no common type for sizes, damaged metadata
        raise DataError(f"{path}: cannot be written as {kind} ({error}); try .png") from error
    write_atomically(path, file.getvalue())


def one_channel(pixels: np.ndarray) -> np.ndarray:
    """[H, W, 3] of a decoded grey picture, whose channels differ by coding errors -> their luma, uint8 [H, W]."""
    return np.asarray(Image.fromarray(pixels).convert("L"))


def _formats() -> tuple[str, ...]:
    Image.init()
    return tuple(name for name in Image.ID if name not in _FORMATS_LEFT_OUT)


def _eight_bit(image: Image.Image, deep: str, name: str) -> Image.Image:
    """The picture decoded, of 8 bits a sample."""
    if not deep_samples.is_deep(image):
        load(image)
        return image
    if deep == "refuse":
        raise DataError(
            f"{name}: has more than 8 bits per sample; convert it to 8 bits first, or allow rounding (deep: round)"
        )
    return deep_samples.rounded(image, name)


def _without_alpha(image: Image.Image, alpha: str, name: str) -> Image.Image:
    if not image.has_transparency_data:
        return image
    grey = image.mode in ("1", "L", "LA", "La")
    image = image.convert("LA" if grey else "RGBA")
    mask = image.getchannel("A")
    opaque = mask.getextrema() == (255, 255)
    if not opaque and alpha == "refuse":
        raise DataError(
            f"{name}: is transparent, which is not coded; lay it on a colour (alpha: white or black), or drop the "
            "transparency (alpha: drop)"
        )
    flat = image.convert("L" if grey else "RGB")
    if opaque or alpha == "drop":
        return flat
    ground = Image.new(flat.mode, flat.size, alpha)
    ground.paste(flat, mask=mask)
    return ground
