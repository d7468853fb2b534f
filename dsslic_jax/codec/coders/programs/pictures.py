"""Pictures handed to external programs and taken from them: binary PGM and PPM, and PNG of three channels."""

import re
import struct
from pathlib import Path
from typing import Any

import numpy as np

from dsslic_jax.errors import CoderFailed, CoderUnavailable

_HEADER = re.compile(rb"(P[56])\s+(\d{1,9})\s+(\d{1,9})\s+255\s")
_MAX_HEADER_BYTES = 64


def write_pnm(picture: np.ndarray) -> bytes:
    """uint8 [H,W] as PGM (P5), uint8 [H,W,3] as PPM (P6)."""
    height, width = picture.shape[:2]
    magic = "P5" if picture.ndim == 2 else "P6"
    return f"{magic}\n{width} {height}\n255\n".encode() + np.ascontiguousarray(picture).tobytes()


def read_pnm(data: bytes) -> np.ndarray:
    """Reads an 8-bit P5 or P6 file to uint8 [H,W] or [H,W,3].

    Raises CoderFailed unless the samples are exactly as many as the header says.
    """
    match = _HEADER.match(data)
    if match is None:
        raise CoderFailed("the program wrote something other than an 8-bit PGM or PPM picture")
    width, height = int(match[2]), int(match[3])
    shape = (height, width) if match[1] == b"P5" else (height, width, 3)
    if len(data) - match.end() != int(np.prod(shape, dtype=np.int64)):
        raise CoderFailed("the program wrote a picture that is cut short or has a tail")
    return np.frombuffer(data, np.uint8, offset=match.end()).reshape(shape)


def read_picture(path: Path, samples: int) -> np.ndarray:
    """Reads a PGM or PPM of `samples` bytes of pixels, looking at the file's length first."""
    check_length(path, samples + _MAX_HEADER_BYTES)
    return read_pnm(path.read_bytes())


def check_length(path: Path, most_bytes: int) -> None:
    """Raises CoderFailed for a file that is longer."""
    if path.stat().st_size > most_bytes:
        raise CoderFailed("the program wrote a larger picture than its input announced")


def exactly(picture: np.ndarray, shape: tuple[int, ...], program: str) -> np.ndarray:
    """The picture, if it has that shape; CoderFailed otherwise."""
    if picture.shape != shape:
        raise CoderFailed(f"{program} wrote shape {picture.shape} where {shape} was expected")
    return picture


_IHDR = struct.Struct(">8sI4sIIBB")  # signature, chunk length and name, width, height, bits, colour
_RGB = 2
_FASTEST = 1


def import_imagecodecs(coder: str) -> Any:
    """The package, which `coder` needs. Raises CoderUnavailable."""
    try:
        import imagecodecs
    except ImportError as error:
        told = f"the {coder} coder needs imagecodecs: pip install imagecodecs"
        raise CoderUnavailable(told) from error
    return imagecodecs


def write_png(picture: np.ndarray) -> bytes:
    """uint8 or uint16 [H,W,3] as PNG of 24 or 48 bits per pixel, hardly compressed."""
    samples = np.ascontiguousarray(picture)
    return bytes(import_imagecodecs("external BPG").png_encode(samples, level=_FASTEST))


def read_png_48(data: bytes, shape: tuple[int, ...]) -> np.ndarray:
    """Reads a 48-bit PNG of exactly `shape` = (H, W, 3) to uint16.

    The file's header is checked before anything is allocated. Raises CoderFailed for another kind or
    size and for damage, CoderUnavailable without imagecodecs.
    """
    signature, _, chunk, width, height, bits, colour = (
        _IHDR.unpack_from(data) if len(data) >= _IHDR.size else (b"",) * 7
    )
    if signature != b"\x89PNG\r\n\x1a\n" or chunk != b"IHDR" or (bits, colour) != (16, _RGB):
        raise CoderFailed("the program wrote something other than a PNG of 48 bits per pixel")
    if (height, width, 3) != shape:
        raise CoderFailed(f"the program wrote {width}x{height} where shape {shape} was expected")
    imagecodecs = import_imagecodecs("external BPG")
    try:
        return np.asarray(imagecodecs.png_decode(data))
    except (RuntimeError, ValueError) as error:
        raise CoderFailed(f"the program wrote a PNG that cannot be read: {error}") from error
