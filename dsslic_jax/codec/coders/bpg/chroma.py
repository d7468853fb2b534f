"""4:2:0: chroma planes at half the luma's sides, and back as bpgdec shows them.

Halving is the encoder's choice: Lanczos with three lobes in 64ths, ten samples a side. Doubling is
libbpg's, found from the response of its decoder to single samples and then compared with it bit
for bit: Lanczos filters in 64ths, rows first, rounded to 16-bit sums, then columns.
"""

from collections.abc import Mapping

import numpy as np

# Weights, in 64ths, by distance in samples from the sample that an output stands at or just after.
_HALVE = {-4: 1, -3: -2, -2: -5, -1: 9, 0: 29, 1: 29, 2: 9, 3: -5, 4: -2, 5: 1}
_ON_SAMPLE = {0: 64}
_HALF_AFTER = {-3: -1, -2: 4, -1: -11, 0: 40, 1: 40, 2: -11, 3: 4, 4: -1}
_QUARTER_AFTER = {-3: -1, -2: 4, -1: -10, 0: 57, 1: 18, 2: -6, 3: 2}
_QUARTER_BEFORE = {-distance: weight for distance, weight in _QUARTER_AFTER.items()}
_REACH = 5
_TWO_PASSES_BITS = 12  # 64 * 64


def _filter_rows(plane: np.ndarray, weights: Mapping[int, int], step: int = 1) -> np.ndarray:
    """int32 weighted sums of rows around each `step`-th row of `plane`; edge rows go on for ever."""
    padded = np.pad(plane, ((_REACH, _REACH), (0, 0)), mode="edge")
    rows = plane.shape[0]
    total = np.zeros((-(-rows // step), plane.shape[1]), np.int32)
    for distance, weight in weights.items():
        total += weight * padded[_REACH + distance : _REACH + distance + rows : step]
    return total


def _rounded(sums: np.ndarray, bits: int) -> np.ndarray:
    return (sums + (1 << bits >> 1)) >> bits


def halve(plane: np.ndarray) -> np.ndarray:
    """uint8 or 10-bit uint16 [H,W] at half its sides, rounded up: samples centred in 2x2 blocks."""
    rows = _filter_rows(plane.astype(np.int32), _HALVE, step=2)
    sums = _filter_rows(rows.T, _HALVE, step=2).T
    white = 255 if plane.dtype == np.uint8 else 1023
    return np.clip(_rounded(sums, _TWO_PASSES_BITS), 0, white).astype(plane.dtype)


def double(
    plane: np.ndarray, size: tuple[int, int], bit_depth: int, *, left_sited: bool
) -> np.ndarray:
    """Chroma [h,w] interpolated to luma's `size` (height, width), as libbpg does; same dtype.

    Samples stand in the middle of 2x2 luma samples (JPEG), or, `left_sited`, in the middle of two
    luma samples of one column (MPEG-2).
    """
    between = (_ON_SAMPLE, _HALF_AFTER) if left_sited else (_QUARTER_BEFORE, _QUARTER_AFTER)
    spare_bits = bit_depth - 8  # libbpg keeps the sums of rows in 16 bits
    rows = _interleaved(plane.astype(np.int32), (_QUARTER_BEFORE, _QUARTER_AFTER), size[0])
    sums = _interleaved(_rounded(rows, spare_bits).T, between, size[1]).T
    samples = _rounded(sums, _TWO_PASSES_BITS - spare_bits)
    return np.clip(samples, 0, (1 << bit_depth) - 1).astype(plane.dtype)


def _interleaved(
    plane: np.ndarray, filters: tuple[Mapping[int, int], Mapping[int, int]], rows: int
) -> np.ndarray:
    doubled = np.empty((2 * plane.shape[0], plane.shape[1]), np.int32)
    for parity, weights in enumerate(filters):
        doubled[parity::2] = _filter_rows(plane, weights)
    return doubled[:rows]
