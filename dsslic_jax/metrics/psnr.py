"""Peak signal-to-noise ratio of 8-bit pictures, in the three ways that papers report it."""

import math

import numpy as np

from dsslic_jax.metrics.samples import PEAK, luma, require_same_pictures

_ROWS = 512  # taken at a time: pictures may be large


def mean_squared_error(a: np.ndarray, b: np.ndarray) -> float:
    """Mean of (a - b)^2 over all 3HW samples. Arguments and errors as for `psnr_rgb_db`."""
    require_same_pictures(a, b)
    total = 0
    for row in range(0, len(a), _ROWS):
        levels = a[row : row + _ROWS].astype(np.int32) - b[row : row + _ROWS]
        total += int(np.square(levels).sum(dtype=np.int64))
    return total / a.size


def psnr_rgb_db(a: np.ndarray, b: np.ndarray) -> float:
    """10 log10(255^2 / MSE) in dB, the mean squared error taken over all 3HW samples at once.

    `inf` when the pictures are equal. Raises ValueError unless both are uint8 [H, W, 3] of one size.
    """
    return _decibels(mean_squared_error(a, b))


def psnr_channel_mean_db(a: np.ndarray, b: np.ndarray) -> float:
    """Mean of the PSNRs of R, G and B, each from its own mean squared error (protocol `paper`).

    Never below `psnr_rgb_db`, and equal to it where the three errors are. `inf` as soon as one
    channel is equal in both pictures. Arguments and errors as for `psnr_rgb_db`.
    """
    difference = _difference(a, b)
    return sum(_psnr_db(difference[..., channel]) for channel in range(3)) / 3.0


def psnr_y_db(a: np.ndarray, b: np.ndarray) -> float:
    """PSNR in dB of luma Y alone (BT.601, full range, not rounded to 8 bits).

    `inf` when Y is equal everywhere, whatever the chroma. Arguments and errors as for `psnr_rgb_db`.
    """
    return _psnr_db(luma(_difference(a, b)))


def _difference(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    require_same_pictures(a, b)
    return a.astype(np.int64) - b.astype(np.int64)


def _psnr_db(difference: np.ndarray) -> float:
    return _decibels(float(np.sum(difference * difference)) / difference.size)


def _decibels(error: float) -> float:
    return 10.0 * math.log10(PEAK * PEAK / error) if error else math.inf
