"""Decoded pictures and label maps as files without loss, read back before they are called done."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, PngImagePlugin

from dsslic_jax.errors import DataError
from dsslic_jax.pictures.metadata import describing, orientation_in, save_options, turn
from dsslic_jax.pictures.png_chunks import COLOUR_CHUNKS
from dsslic_jax.system.outputs import STANDARD, Kind

_FORMATS = {".png": "PNG", ".tif": "TIFF", ".tiff": "TIFF", ".webp": "WEBP", ".ppm": "PPM"}
_SAVE_OPTIONS: dict[str, dict[str, Any]] = {
    "TIFF": {"compression": "tiff_adobe_deflate"},
    "WEBP": {"lossless": True},
}
_SOFTWARE = "dsslic_jax"  # PNG's text "Software": by it a file is known that may be replaced
_HEAD_BYTES = 1 << 12


def _written_here(path: Path) -> bool:
    with path.open("rb") as file:
        return f"tEXtSoftware\0{_SOFTWARE}".encode() in file.read(_HEAD_BYTES)


PICTURE = Kind("a picture", tuple(_FORMATS), _written_here)
LABEL_MAP = Kind("a label map", (".png",), _written_here)


def picture_file(
    name: str, pixels: np.ndarray, grey: bool = False, metadata: Mapping[str, bytes] | None = None
) -> tuple[bytes, list[str]]:
    """A picture as PNG, TIFF, lossless WebP or PPM, by the suffix of its file's name; PNG where it has none.

    Args:
      name: of the file.
      pixels: uint8 [H, W, 3], or [H, W].
      grey: write one channel (WebP knows three only).
      metadata: as `metadata.metadata_of` has them. TIFFs and PPMs are turned as EXIF wants it: those who read the one
        turn it, the other has no EXIF.

    Returns:
      The file, which was read back and has these pixels, and what is to be told of what the format has no room for.

    Raises:
      DataError: a suffix of no lossless format, or a picture or metadata that the format does not take.
    """
    kind = format_of(name)
    told = dict(metadata or {})
    pixels = one_channel(pixels) if grey and pixels.ndim == 3 else pixels
    if kind in ("TIFF", "PPM"):
        pixels = turn(pixels, orientation_in(told.get("exif", b"")))
    try:
        if exif := describing(told.pop("exif", b""), orientation=kind != "TIFF"):
            told["exif"] = exif
        options = {} if kind == "PPM" else {**_SAVE_OPTIONS.get(kind, {}), **save_options(told)}
        if kind == "PNG":
            options["pnginfo"] = _png_info(told)
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, kind, **options)
        _check(file, pixels, options.get("icc_profile"))
    except Exception as error:  # Pillow's writers have no common type for sizes, damaged metadata
        raise DataError(f"{name}: cannot be written as {kind} ({error}); try .png") from error
    lost = [what for what in ("icc", *COLOUR_CHUNKS) if what in told and kind != "PNG"]
    if kind != "PPM":
        lost = [what for what in lost if what != "icc"]
    notes = [f"{name}: {kind} has no room for what colours mean ({', '.join(lost)}): write .png"]
    return file.getvalue(), notes if lost else []


def label_file(labels: np.ndarray, palette: Sequence[tuple[int, int, int]]) -> bytes:
    """Ids uint8 [H, W] as a PNG that stores them as indices of a palette: colours only show them."""
    picture = Image.fromarray(labels)
    picture.putpalette([level for colour in palette for level in colour])
    file = io.BytesIO()
    picture.save(file, format="PNG", pnginfo=_png_info({}))
    return file.getvalue()


def format_of(name: str) -> str:
    """The format of a decoded picture's file. Raises DataError for a suffix of none that is lossless."""
    suffix = "" if name == STANDARD else Path(name).suffix.lower()
    if suffix and suffix not in _FORMATS:
        raise DataError(
            f"{name}: decoded pictures are written without loss, as .png, .tif, .webp or .ppm"
        )
    return _FORMATS.get(suffix, "PNG")


def one_channel(pixels: np.ndarray) -> np.ndarray:
    """[H, W, 3] of a decoded grey picture, whose channels differ by coding errors -> their luma, uint8 [H, W]."""
    return np.asarray(Image.fromarray(pixels).convert("L"))


def _png_info(metadata: Mapping[str, bytes]) -> PngImagePlugin.PngInfo:
    info = PngImagePlugin.PngInfo()
    info.add_text("Software", _SOFTWARE)
    for name, kind in COLOUR_CHUNKS.items():
        if name in metadata:
            info.add(kind, metadata[name])
    return info


def _check(file: io.BytesIO, pixels: np.ndarray, profile: bytes | None) -> None:
    """Raises ValueError where a written picture is not the one that was meant."""
    with Image.open(io.BytesIO(file.getvalue())) as image:
        if not np.array_equal(np.asarray(image.convert(Image.fromarray(pixels).mode)), pixels):
            raise ValueError("it came back as another picture")
        if image.info.get("icc_profile") != profile:
            raise ValueError("its ICC profile did not come back")
