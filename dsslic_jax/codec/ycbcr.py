"""RGB to full-range BT.601 YCbCr ("JPEG" colours) and back, in the integer arithmetic of bpgdec.

Forward: nearest integers of the exact transform. Back: coefficients in 22-bit fixed point, one
rounding, then clipping, so that the embedded decoder and bpgdec show the very same pixels.
"""

from __future__ import annotations

import numpy as np

_RED, _BLUE = 0.299, 0.114  # luma weights of ITU-R BT.601
_GREEN = 1.0 - _RED - _BLUE
_SHIFT = 22
_HALF = 1 << (_SHIFT - 1)


def _fixed(coefficient: float) -> int:
    return round(coefficient * (1 << _SHIFT))


def rgb_to_ycbcr(picture: np.ndarray) -> list[np.ndarray]:
    """uint8 [H,W,3] RGB to the planes Y, Cb, Cr, uint8 [H,W] each, Cb and Cr around 128."""
    red, green, blue = (picture[..., channel].astype(np.int64) for channel in range(3))
    rows = (
        (_RED, _GREEN, _BLUE, 0),
        (-0.5 * _RED / (1 - _BLUE), -0.5 * _GREEN / (1 - _BLUE), 0.5, 128),
        (0.5, -0.5 * _GREEN / (1 - _RED), -0.5 * _BLUE / (1 - _RED), 128),
    )
    planes = []
    for of_red, of_green, of_blue, offset in rows:
        total = _fixed(of_red) * red + _fixed(of_green) * green + _fixed(of_blue) * blue
        planes.append(np.clip(((total + _HALF) >> _SHIFT) + offset, 0, 255).astype(np.uint8))
    return planes


def ycbcr_to_rgb(planes: list[np.ndarray]) -> np.ndarray:
    """The planes Y, Cb, Cr, uint8 [H,W] each, to uint8 [H,W,3] RGB, equal to bpgdec bit for bit."""
    luma = (planes[0].astype(np.int64) << _SHIFT) + _HALF
    cb, cr = (plane.astype(np.int64) - 128 for plane in planes[1:])
    red = luma + _fixed(2 * (1 - _RED)) * cr
    green = (
        luma
        - _fixed(2 * _BLUE * (1 - _BLUE) / _GREEN) * cb
        - _fixed(2 * _RED * (1 - _RED) / _GREEN) * cr
    )
    blue = luma + _fixed(2 * (1 - _BLUE)) * cb
    channels = np.stack([red, green, blue], axis=-1) >> _SHIFT
    return np.clip(channels, 0, 255).astype(np.uint8)
