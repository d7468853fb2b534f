"""What a picture file tells beside its pixels: what colours mean, EXIF, and which way up it is."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from PIL import ExifTags, Image

from dsslic_jax.errors import DataError

# What is carried. "usual": what colours mean, and EXIF without place, thumbnail and maker's notes. "all": EXIF
# with them, of the picture as stored. What describes pixels is never carried: decoded ones are others.
MODES = ("usual", "none", "colour", "all")
# In Pillow's `info` of a PNG: `png_chunks.colour_chunks`, and the chunks that were left out to read the picture.
COLOURS, LEFT_OUT = "dsslic_colours", "dsslic_left_out"
EXIF_PREFIX = b"Exif\0\0"  # before EXIF in JPEG files and in Pillow's `info`; left out in streams
_ICC_COLOUR_SPACE = slice(16, 20)
_TAGS = ExifTags.Base
# Of the main directory: all that does not tell how pixels are stored.
_KEPT = (
    *(_TAGS.DocumentName, _TAGS.ImageDescription, _TAGS.Make, _TAGS.Model, _TAGS.XResolution),
    *(_TAGS.YResolution, _TAGS.ResolutionUnit, _TAGS.Software, _TAGS.DateTime, _TAGS.Artist),
    *(_TAGS.HostComputer, _TAGS.Copyright, _TAGS.Rating, _TAGS.RatingPercent, _TAGS.XPTitle),
    *(_TAGS.XPComment, _TAGS.XPAuthor, _TAGS.XPKeywords, _TAGS.XPSubject),
)
_OF_PIXELS = (  # in the directory of exposure
    *(_TAGS.ComponentsConfiguration, _TAGS.CompressedBitsPerPixel, _TAGS.ExifImageWidth),
    *(_TAGS.ExifImageHeight, _TAGS.ExifInteroperabilityOffset),
)


def orientation_of(image: Image.Image) -> int:
    """EXIF's orientation, 1 to 8, as far as what was read of the file tells it; 1, as stored, where it tells none."""
    try:
        # Not image.getexif(), which decodes a PNG in search of it.
        orientation = Image.Image.getexif(image).get(_TAGS.Orientation, 1)
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


def metadata_of(
    image: Image.Image, grey: bool, mode: str, name: str
) -> tuple[dict[str, bytes], list[str]]:
    """What a stream carries of a picture, one of MODES, and what is to be told of what it cannot carry.

    "icc", or "cicp", "gama" and "chrm" (the data of PNG's chunks), and "exif" (without EXIF_PREFIX), where the picture
    has them. Raises DataError where all was asked for and the ICC profile does not describe the pixels to be coded.
    """
    found: dict[str, bytes] = {}
    notes: list[str] = []
    if mode == "none":
        return found, notes
    profile = image.info.get("icc_profile") or b""
    space = profile[_ICC_COLOUR_SPACE]
    if space == b"RGB " or (space == b"GRAY" and grey):
        found["icc"] = bytes(profile)
    elif profile or "iCCP" in image.info.get(LEFT_OUT, ()):
        of = space.decode("ascii", "replace").strip() or "nothing"
        told = f"its ICC profile is for {of}" if profile else "its ICC profile cannot be read"
        if mode == "all":
            raise DataError(f"{name}: {told}, but RGB is coded: convert the picture to sRGB first")
        notes.append(f"{name}: {told} and left out: colours are taken for sRGB")
    else:
        found |= image.info.get(COLOURS, {})
    if mode != "colour" and (exif := _exif_of(image, place=mode == "all")):
        found["exif"] = exif
    return found, notes


def save_options(metadata: Mapping[str, bytes]) -> dict[str, Any]:
    """Metadata of a stream as Pillow's `save` and `info` call them."""
    options: dict[str, Any] = {}
    if "icc" in metadata:
        options["icc_profile"] = metadata["icc"]
    if "exif" in metadata:
        options["exif"] = EXIF_PREFIX + metadata["exif"]
    return options


def describing(exif: bytes, place: bool = True, orientation: bool = True) -> bytes:
    """EXIF without prefix -> what of it does not describe stored pixels; b"" if that is nothing.

    Raises DataError where it is damaged.
    """
    tags = Image.Exif()
    try:
        tags.load(EXIF_PREFIX + exif.removeprefix(EXIF_PREFIX))
        return _describing(tags, place, orientation)
    except Exception as error:  # Pillow has no common type for damaged EXIF
        raise DataError(f"EXIF is damaged ({error})") from error


def orientation_in(exif: bytes) -> int:
    """The orientation, 1 to 8, that EXIF bytes tell, with or without EXIF_PREFIX."""
    holder = Image.new("1", (1, 1))
    holder.info["exif"] = EXIF_PREFIX + exif.removeprefix(EXIF_PREFIX)
    return orientation_of(holder)


def _exif_of(image: Image.Image, place: bool) -> bytes:
    """EXIF of the file, or made from what it keeps elsewhere: a TIFF's tags, XMP's orientation; b"" where damaged."""
    try:
        # Pillow turns TIFFs as it decodes them.
        return _describing(image.getexif(), place, place and image.format != "TIFF")
    except Exception:  # as for the orientation
        return b""


def _describing(tags: Image.Exif, place: bool, orientation: bool) -> bytes:
    kept = Image.Exif()
    for tag in (*_KEPT, *((_TAGS.Orientation,) if orientation else ())):
        if tag in tags:
            kept[tag] = tags[tag]
    exposure = {**tags.get_ifd(_TAGS.ExifOffset)}
    for tag in (*_OF_PIXELS, *(() if place else (_TAGS.MakerNote,))):
        exposure.pop(tag, None)
    if exposure:
        kept[_TAGS.ExifOffset] = exposure
    if place and (gps := tags.get_ifd(_TAGS.GPSInfo)):
        kept[_TAGS.GPSInfo] = gps
    return kept.tobytes().removeprefix(EXIF_PREFIX) if len(kept) else b""
