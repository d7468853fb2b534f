"""Binary PGM and PPM: the pictures handed to external programs and taken from them."""

import re
from pathlib import Path

import numpy as np

from dsslic_jax.errors import CoderFailed

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
