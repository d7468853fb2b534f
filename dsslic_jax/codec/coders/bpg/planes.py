"""Pictures as planes, in the integer arithmetic of bpgdec: full-range BT.601 YCbCr ("JPEG" colours), and 4:2:0.

To YCbCr: nearest integers of the exact transform. Back: fixed-point coefficients that also stretch the file's range of
samples to the range shown, one rounding, then clipping, so that the embedded decoder and bpgdec show the very same
pixels. Sums fit 32 bits.

Chroma of 4:2:0 has half the luma's sides. Halving is the encoder's choice: Lanczos with three lobes in 64ths, ten
samples a side. Doubling is libbpg's, found from the response of its decoder to single samples and then compared with it
bit for bit: Lanczos filters in 64ths, rows first, rounded to 16-bit sums, then columns.
"""

from collections.abc import Mapping

import numpy as np

_RED, _BLUE = 0.299, 0.114  # luma weights of ITU-R BT.601
_GREEN = 1.0 - _RED - _BLUE
_WHITE_10, _WHITE_16 = 1023, 65535
_WHITE_BITS = 30  # fixed-point white: the largest sample times 2**shift


def rgb_to_ycbcr(picture: np.ndarray, bit_depth: int) -> list[np.ndarray]:
    """[H,W,3] RGB of `bit_depth` (8, uint8, or 10, uint16) to planes Y, Cb, Cr [H,W] of the same.

    Cb and Cr are around the middle, 128 or 512.
    """
    shift = _WHITE_BITS - bit_depth
    red, green, blue = (picture[..., channel].astype(np.int32) for channel in range(3))
    middle = 1 << (bit_depth - 1)
    rows = (
        (_RED, _GREEN, _BLUE, 0),
        (-0.5 * _RED / (1 - _BLUE), -0.5 * _GREEN / (1 - _BLUE), 0.5, middle),
        (0.5, -0.5 * _GREEN / (1 - _RED), -0.5 * _BLUE / (1 - _RED), middle),
    )
    planes = []
    for *weights, offset in rows:
        of_red, of_green, of_blue = (round(weight * (1 << shift)) for weight in weights)
        total = of_red * red + of_green * green + of_blue * blue
        rounded = ((total + (1 << (shift - 1))) >> shift) + offset
        planes.append(np.clip(rounded, 0, (1 << bit_depth) - 1).astype(picture.dtype))
    return planes


def ycbcr_to_rgb(planes: list[np.ndarray], bit_depth: int, shown_bits: int) -> np.ndarray:
    """Planes Y, Cb, Cr [H,W] of `bit_depth` to RGB [H,W,3] as `bpgdec -b shown_bits` shows them.

    Returns uint8 for 8 shown bits, uint16 for 16.
    """
    shift, one = _scale(bit_depth, shown_bits)
    luma = planes[0].astype(np.int32) * round(one) + (1 << (shift - 1))
    cb, cr = (plane.astype(np.int32) - (1 << (bit_depth - 1)) for plane in planes[1:])
    red = luma + round(one * 2 * (1 - _RED)) * cr
    green = (
        luma
        - round(one * 2 * _BLUE * (1 - _BLUE) / _GREEN) * cb
        - round(one * 2 * _RED * (1 - _RED) / _GREEN) * cr
    )
    blue = luma + round(one * 2 * (1 - _BLUE)) * cb
    channels = np.stack([red, green, blue], axis=-1) >> shift
    return np.clip(channels, 0, (1 << shown_bits) - 1).astype(_dtype(shown_bits))


def stretch(samples: np.ndarray, bit_depth: int, shown_bits: int) -> np.ndarray:
    """Gray or RGB samples of `bit_depth` as `bpgdec -b shown_bits` shows them; any shape."""
    if bit_depth == shown_bits:
        return samples
    shift, one = _scale(bit_depth, shown_bits)
    shown = (samples.astype(np.int32) * round(one) + (1 << (shift - 1))) >> shift
    return shown.astype(_dtype(shown_bits))


def _scale(bit_depth: int, shown_bits: int) -> tuple[int, float]:
    """The fixed point's bits, and what one step of a sample is in it."""
    shift = _WHITE_BITS - shown_bits
    return shift, (((1 << shown_bits) - 1) << shift) / ((1 << bit_depth) - 1)


def _dtype(shown_bits: int) -> type[np.unsignedinteger]:
    return np.uint8 if shown_bits == 8 else np.uint16


def widen(samples: np.ndarray) -> np.ndarray:
    """uint16 in 0..1023 to the nearest in 0..65535, of PNG; both `narrow` and `>> 6` give them back."""
    scaled = samples.astype(np.uint32) * _WHITE_16 + _WHITE_10 // 2
    return (scaled // _WHITE_10).astype(np.uint16)


def narrow(samples: np.ndarray) -> np.ndarray:
    """uint16 in 0..65535 to the nearest in 0..1023."""
    scaled = samples.astype(np.uint32) * _WHITE_10 + _WHITE_16 // 2
    return (scaled // _WHITE_16).astype(np.uint16)


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
