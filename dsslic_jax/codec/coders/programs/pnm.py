"""Binary PGM and PPM: the pictures handed to external programs and taken from them."""

from __future__ import annotations

import re

import numpy as np

from dsslic_jax.errors import CoderFailed

_HEADER = re.compile(rb"(P[56])\s+(\d{1,9})\s+(\d{1,9})\s+255\s")
MAX_HEADER_BYTES = 64


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
