"""Pictures to measure, made from seeds."""

import numpy as np
from scipy import ndimage


def smooth_picture(height: int, width: int, seed: int = 0) -> np.ndarray:
    """A picture with structure at several scales, so that every term of MS-SSIM is at work."""
    rng = np.random.default_rng(seed)
    levels = [
        ndimage.gaussian_filter(rng.normal(size=(height, width, 3)), (s, s, 0)) * s
        for s in (1, 4, 12)
    ]
    return np.clip(128 + 60 * sum(levels), 0, 255).astype(np.uint8)


def noisy(picture: np.ndarray, sigma: float, seed: int = 1) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(scale=sigma, size=picture.shape)
    return np.clip(np.round(picture + noise), 0, 255).astype(np.uint8)


def luma_by_scikit_image(picture: np.ndarray) -> np.ndarray:
    """Y in [0, 255], from the [16, 235] of scikit-image's studio range."""
    from skimage.color import rgb2ycbcr

    return (rgb2ycbcr(picture)[..., 0] - 16.0) * 255.0 / 219.0
