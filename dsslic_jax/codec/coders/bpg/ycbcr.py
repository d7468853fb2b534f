"""RGB to full-range BT.601 YCbCr ("JPEG" colours) and back, in the integer arithmetic of bpgdec.

Forward: nearest integers of the exact transform. Back: fixed-point coefficients that also stretch
the file's range of samples to the range shown, one rounding, then clipping, so that the embedded
decoder and bpgdec show the very same pixels. Sums fit 32 bits.
"""

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
