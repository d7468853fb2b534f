"""The residual r = x - x' as an 8-bit picture for a lossy coder, and back.

How it is mapped belongs to the model's `coding.residual`; the stream says which mapping it used. Layer r opens with
the mapping's number (u8) and the range it maps (low i16, high i16, little-endian).
"""

from __future__ import annotations

import struct

import numpy as np

from dsslic_jax.errors import ConfigError, StreamError

MAPPINGS = {"min_max": 0}  # the poster's: [low, high] stretched to 0..255
_HEAD = struct.Struct("<Bhh")


def check_mapping(name: str) -> str:
    """`name`, if it is a mapping this program has; else ConfigError."""
    if name not in MAPPINGS:
        raise ConfigError(f"coding.residual must be one of {', '.join(MAPPINGS)}, not {name!r}")
    return name


def to_picture(picture: np.ndarray, prediction: np.ndarray) -> tuple[np.ndarray, tuple[int, int]]:
    """x, x' uint8 [H, W, 3] -> r mapped linearly from [low, high] to 0..255, and (low, high)."""
    residual = picture.astype(np.int16) - prediction.astype(np.int16)
    low, high = int(residual.min()), int(residual.max())
    span = max(high - low, 1)
    mapped = np.round((residual - np.float64(low)) * (255.0 / span))
    return mapped.astype(np.uint8), (low, high)


def add_picture(
    prediction: np.ndarray, mapped: np.ndarray, residual_range: tuple[int, int]
) -> np.ndarray:
    """x' and the decoded mapped residual -> x̂ = clip(x' + r̂), uint8 [H, W, 3]."""
    low, high = residual_range
    residual = low + mapped.astype(np.float32) * ((high - low) / 255.0)
    return np.clip(np.round(prediction + residual), 0, 255).astype(np.uint8)


def pack_range(mapping: str, residual_range: tuple[int, int]) -> bytes:
    """The five bytes that open layer r."""
    return _HEAD.pack(MAPPINGS[mapping], *residual_range)


def unpack_range(payload: bytes) -> tuple[tuple[int, int], bytes]:
    """(low, high) and the coder's bytes. Raises StreamError for a mapping or a range that there is not."""
    if len(payload) < _HEAD.size:
        raise StreamError("layer r is too short to hold its range")
    mapping, low, high = _HEAD.unpack_from(payload)
    if mapping not in MAPPINGS.values():
        raise StreamError(f"layer r uses residual mapping {mapping}; use a newer program")
    if not -255 <= low <= high <= 255:
        raise StreamError(f"layer r declares a residual range of {low} to {high}")
    return (low, high), payload[_HEAD.size :]
