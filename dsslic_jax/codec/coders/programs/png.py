"""PNG of three channels, 8 or 16 bits: the pictures bpgenc takes, and bpgdec's of 16 bits."""

import struct
from typing import Any

import numpy as np

from dsslic_jax.errors import CoderFailed, CoderUnavailable

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
