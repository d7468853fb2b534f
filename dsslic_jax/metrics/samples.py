"""What every quality metric takes, and the luma that some of them measure."""

import numpy as np

PEAK = 255.0  # largest value of an 8-bit sample
LUMA_THOUSANDTHS = (299, 587, 114)  # R, G and B in Y: ITU-R BT.601, full range, as in JPEG and BPG


def require_same_pictures(a: np.ndarray, b: np.ndarray) -> None:
    """Raises ValueError unless both are uint8 [H, W, 3] of one size, with at least one pixel."""
    for picture in (a, b):
        if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3:
            raise ValueError(
                f"pictures must be uint8 [H, W, 3], not {picture.dtype} {list(picture.shape)}"
            )
    if a.shape != b.shape:
        raise ValueError(f"shapes differ: {list(a.shape)} and {list(b.shape)}")
    if a.size == 0:
        raise ValueError("a picture without pixels has no quality")


def luma(rgb: np.ndarray) -> np.ndarray:
    """Y = 0.299 R + 0.587 G + 0.114 B of integers [..., 3]: float64 [...], not rounded.

    The sum is taken over integers, so that Y of equal pictures, and of a difference of zero, is exact.
    """
    red, green, blue = (rgb[..., channel].astype(np.int64) for channel in range(3))
    weight_r, weight_g, weight_b = LUMA_THOUSANDTHS
    return (weight_r * red + weight_g * green + weight_b * blue) / 1000.0
