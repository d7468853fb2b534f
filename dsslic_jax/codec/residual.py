"""The residual r = x - x' as an 8-bit picture for a lossy coder, and back (DESIGN.md: min-max mapping)."""

from __future__ import annotations

import struct

import numpy as np

from dsslic_jax.errors import StreamError

_RANGE = struct.Struct("<hh")


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


def pack_range(residual_range: tuple[int, int]) -> bytes:
    """The four bytes that open layer r."""
    return _RANGE.pack(*residual_range)


def unpack_range(payload: bytes) -> tuple[tuple[int, int], bytes]:
    """(low, high) and the coder's bytes. Raises StreamError for a range no residual has."""
    if len(payload) < _RANGE.size:
        raise StreamError("layer r is too short to hold its range")
    low, high = _RANGE.unpack_from(payload)
    if not -255 <= low <= high <= 255:
        raise StreamError(f"layer r declares a residual range of {low} to {high}")
    return (low, high), payload[_RANGE.size :]
