"""What a picture file tells beside its pixels: ICC profile, EXIF and which way up it is."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from PIL import ExifTags, Image

from dsslic_jax.errors import DataError

EXIF_PREFIX = b"Exif\0\0"  # before EXIF in JPEG files and in Pillow's `info`; left out in streams
_ICC_COLOUR_SPACE = slice(16, 20)
_IFDS = (ExifTags.Base.ExifOffset, ExifTags.Base.GPSInfo)
# What EXIF takes over from a TIFF, whose other tags tell how its pixels are stored.
_TIFF_TAGS = (
    ExifTags.Base.ImageDescription,
    ExifTags.Base.Make,
    ExifTags.Base.Model,
    ExifTags.Base.Software,
    ExifTags.Base.DateTime,
    ExifTags.Base.Artist,
    ExifTags.Base.Copyright,
    *_IFDS,
)


def orientation_of(image: Image.Image) -> int:
    """EXIF's orientation, 1 to 8, as far as what was read of the file tells it; 1, as stored, where it tells none."""
    try:
        # Not image.getexif(), which decodes a PNG in search of it.
        orientation = Image.Image.getexif(image).get(ExifTags.Base.Orientation, 1)
    except Exception:  # of any type on damaged EXIF, and viewers show the picture as stored
        return 1
    return orientation if orientation in range(1, 9) else 1


def turn(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """[H, W] or [H, W, C] as stored -> as EXIF's orientation 1 to 8 wants it seen."""
    if orientation in (5, 6, 7, 8):
        pixels = np.swapaxes(pixels, 0, 1)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return np.ascontiguousarray(pixels)


def metadata_of(image: Image.Image, grey: bool, name: str) -> dict[str, bytes]:
    """What a stream carries of a picture: "icc" and "exif" (without EXIF_PREFIX), where the picture has them.

    Raises DataError for an ICC profile that does not describe the pixels to be coded, such as one for CMYK.
    """
    found = {}
    if profile := image.info.get("icc_profile"):
        space = profile[_ICC_COLOUR_SPACE]
        if space not in (b"RGB ", b"GRAY") or (space == b"GRAY" and not grey):
            raise DataError(
                f"{name}: its ICC profile is for {space.decode('ascii', 'replace').strip() or 'nothing'}, but RGB is "
                "coded: convert the picture to RGB first, or leave its metadata out"
            )
        found["icc"] = bytes(profile)
    if exif := _exif_of(image):
        found["exif"] = exif
    return found


def save_options(metadata: Mapping[str, bytes]) -> dict[str, Any]:
    """Metadata of a stream as Pillow's `save` and `info` call them."""
    options = {}
    if "icc" in metadata:
        options["icc_profile"] = metadata["icc"]
    if "exif" in metadata:
        options["exif"] = EXIF_PREFIX + metadata["exif"]
    return options


def _exif_of(image: Image.Image) -> bytes:
    """EXIF as the file has it, or made from what the file keeps elsewhere: a TIFF's tags, XMP's orientation."""
    stored = image.info.get("exif", b"")
    if stored and orientation_in(stored) == orientation_of(image):
        return stored.removeprefix(EXIF_PREFIX)
    exif = image.getexif()
    if image.format == "TIFF":
        exif = _descriptive_part(exif)
    return exif.tobytes().removeprefix(EXIF_PREFIX) if len(exif) else b""


def _descriptive_part(tags: Image.Exif) -> Image.Exif:
    kept = Image.Exif()
    for tag in _TIFF_TAGS:
        if tag in tags:
            kept[tag] = tags.get_ifd(tag) if tag in _IFDS else tags[tag]
    return kept


def orientation_in(exif: bytes) -> int:
    """The orientation, 1 to 8, that EXIF bytes tell, with or without EXIF_PREFIX."""
    holder = Image.new("1", (1, 1))
    holder.info["exif"] = EXIF_PREFIX + exif.removeprefix(EXIF_PREFIX)
    return orientation_of(holder)
