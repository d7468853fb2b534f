"""Reading one picture or label map from a file nobody vouches for."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from dsslic_jax.classes import ClassTable
from dsslic_jax.errors import DataError
from dsslic_jax.files import MAX_PIXELS


class UnreadablePicture(DataError):
    """A file cannot be decoded as a picture: the one error `on_bad_file="skip"` passes over."""


def read_picture(file: Path | io.BytesIO, name: str | None = None) -> np.ndarray:
    """Decodes a JPEG or PNG picture.

    Grey, palette and CMYK pictures are converted to RGB and an alpha channel is dropped. An EXIF
    rotation is ignored, because label maps are drawn on the stored raster.

    Args:
      file: a path, or the bytes of a file.
      name: what error messages call it; the path by default.

    Returns:
      uint8 [H, W, 3].

    Raises:
      UnreadablePicture: missing, not a JPEG or PNG, or damaged.
      DataError: more than MAX_PIXELS pixels, or more than 8 bits per sample.
    """
    name = name or str(file)
    return np.asarray(_decode(file, name, _refuse_deep_samples).convert("RGB"))


def read_label_map(
    file: Path | io.BytesIO, table: ClassTable, name: str | None = None
) -> np.ndarray:
    """Decodes a PNG label map and turns its ids into class ids of `table`.

    Args:
      file: a path, or the bytes of a file: an 8-bit grey PNG, or a palette PNG, whose indices
        (not colours) are the ids.
      table: the class table the ids follow.
      name: what error messages call it; the path by default.

    Returns:
      uint8 [H, W], class ids.

    Raises:
      UnreadablePicture: missing, not a JPEG or PNG, or damaged.
      DataError: too large, not a single-channel 8-bit PNG, or an id outside the table.
    """
    name = name or str(file)
    return table.to_class_ids(np.asarray(_decode(file, name, _refuse_other_than_ids)), name)


def _decode(
    file: Path | io.BytesIO, name: str, check: Callable[[Image.Image, str], None]
) -> Image.Image:
    """Decodes a picture after `check(image, name)` and the size limit have passed its header."""
    try:
        with Image.open(file, formats=("JPEG", "PNG")) as image:
            _refuse_too_many_pixels(image, name)
            check(image, name)
            image.load()
            return image.copy()
    except (DataError, MemoryError):
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise DataError(f"{name}: {error}") from error
    except Exception as error:  # Pillow raises a dozen unrelated types on damaged files.
        raise UnreadablePicture(f"{name}: cannot be read as JPEG or PNG ({error})") from error


def _refuse_too_many_pixels(image: Image.Image, name: str) -> None:
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise DataError(
            f"{name}: {width}x{height} pixels are more than the limit of {MAX_PIXELS}; "
            "scale the picture down first"
        )


def _refuse_deep_samples(image: Image.Image, name: str) -> None:
    """Pillow would clip or halve samples of 16 bits without a word."""
    if image.mode.startswith(("I", "F")) or ";16" in _png_raw_mode(image):
        raise DataError(f"{name}: has more than 8 bits per sample; convert it to 8 bits first")


def _refuse_other_than_ids(image: Image.Image, name: str) -> None:
    if image.format != "PNG":
        raise DataError(f"{name}: a label map must be a PNG, not {image.format}")
    # Pillow stretches 1, 2 and 4-bit grey to 0..255, which would change the ids.
    if image.mode != "P" and _png_raw_mode(image) != "L":
        raise DataError(
            f"{name}: a label map must be an 8-bit single-channel PNG (grey or palette), "
            f"not {_png_raw_mode(image)}"
        )


def _png_raw_mode(image: Image.Image) -> str:
    """How a PNG file stores its samples, such as "L", "L;4" or "RGB;16B"; "" for a JPEG."""
    tiles = getattr(image, "tile", [])
    return str(tiles[0][3]) if image.format == "PNG" and tiles else ""
