"""Picture files of any kind: what is coded of them. Training and evaluation read theirs by `reading.py`."""

import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image

from dsslic_jax.errors import ConfigError, DataError
from dsslic_jax.pictures import deep_samples
from dsslic_jax.pictures.metadata import MODES, metadata_of, orientation_of, turn
from dsslic_jax.pictures.reading import load, opened, without_alpha

ALPHA = ("refuse", "white", "black", "drop")
DEEP = ("refuse", "round")
# Not read: those that start other programs, those without pixels of their own, and our streams.
_FORMATS_LEFT_OUT = ("EPS", "WMF", "BUFR", "GRIB", "HDF5", "MPEG", "DSSLIC")
# Further frames are aids or layers of the first, which is the picture.
_ONE_PICTURE = ("MPO", "PSD")


@dataclass(frozen=True)
class Source:
    """A picture to code."""

    pixels: np.ndarray  # uint8 [H, W, 3]
    grey: bool = False  # the three channels are equal, the picture had one
    metadata: Mapping[str, bytes] = field(default_factory=dict)  # as `metadata_of` has them
    notes: tuple[str, ...] = ()  # what is to be told of what is not carried


def read_source(
    file: Path | BinaryIO | Image.Image,
    *,
    alpha: str = "refuse",
    deep: str = "refuse",
    metadata: str = "usual",
    labelled: bool = False,
    name: str | None = None,
) -> Source:
    """Reads a picture of any format that Pillow reads, EPS and WMF excepted, and HEIC with the extra [heic].

    Palette pictures become RGB, as do CMYK and others, without their profile. A picture that EXIF wants turned is
    turned, unless all metadata are carried, which then say so to whoever shows it.

    Args:
      file: a path, a file, or a picture of Pillow's.
      alpha: of transparent pictures: "refuse" them, lay them on "white" or "black", or "drop" the transparency
        (hidden colours show). Alpha that is opaque everywhere is dropped in any case.
      deep: of pictures of more than 8 bits a sample: "refuse" them or "round" their samples.
      metadata: what is carried: one of `metadata.MODES`.
      labelled: a label map belongs to the picture, drawn on the pixels as stored: do not turn it.
      name: what error messages call it; the path by default.

    Raises:
      ConfigError: another `alpha`, `deep` or `metadata`.
      UnreadablePicture: missing, of an unknown format, or damaged.
      DataError: transparent, deep or turned and not allowed to be; animated; more than MAX_PIXELS pixels.
    """
    given = {"alpha": (alpha, ALPHA), "deep": (deep, DEEP), "metadata": (metadata, MODES)}
    for option, (value, known) in given.items():
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
        turned = (is_tiff or metadata != "all") and orientation != 1
        if labelled and (turned or stored_turned):
            raise DataError(
                f"{name}: EXIF wants it turned, but its label map is for the pixels as stored: carry all metadata "
                "(--metadata all), or turn both first"
            )
        flat = without_alpha(eight_bit, alpha)
        if flat is None:
            raise DataError(
                f"{name}: is transparent, which is not coded: lay it on a colour (--alpha white or black), or drop the "
                "transparency (--alpha drop)"
            )
        grey = flat.mode in ("1", "L")
        carried, notes = metadata_of(image, grey, metadata, name)
        pixels = np.asarray(flat if flat.mode == "RGB" else flat.convert("RGB"))
        if turned:
            pixels = turn(pixels, orientation)
    return Source(pixels, grey, carried, tuple(notes))


def read_size(path: Path, *, metadata: str = "usual") -> tuple[int, int]:
    """(height, width) that `read_source` would give, from the file's header alone; raises likewise."""
    with opened(path, str(path), _formats()) as image:
        turned = image.format != "TIFF" and metadata != "all" and orientation_of(image) >= 5
        return (image.width, image.height) if turned else (image.height, image.width)


def suffixes() -> frozenset[str]:
    """File name suffixes of the formats that `read_source` reads, in small letters with their dot."""
    formats = _formats()
    return frozenset(s for s, kind in Image.registered_extensions().items() if kind in formats)


def _formats() -> tuple[str, ...]:
    Image.init()
    if importlib.util.find_spec("pillow_heif"):  # the extra [heic]
        import pillow_heif

        pillow_heif.register_heif_opener()
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
