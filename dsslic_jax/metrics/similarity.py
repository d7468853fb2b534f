"""Structural similarity at one scale (SSIM) and at five (MS-SSIM), of the channels or of luma.

Sources: Wang, Bovik, Sheikh and Simoncelli, "Image quality assessment: from error visibility to
structural similarity" (2004); Wang, Simoncelli and Bovik, "Multi-scale structural similarity for
image quality assessment" (2003).
"""

import math

import numpy as np

from dsslic_jax.metrics.samples import PEAK, luma, require_same_pictures

MS_SSIM_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # of each scale, finest first
SSIM_WINDOW_PX = 11
SSIM_SIGMA_PX = 1.5
SSIM_C1 = (0.01 * PEAK) ** 2
SSIM_C2 = (0.03 * PEAK) ** 2
# Four halvings, each rounding up, must leave a picture that still holds one whole window:
# ceil(161 / 16) = 11.
MS_SSIM_MIN_SIDE_PX = (SSIM_WINDOW_PX - 1) * 2 ** (len(MS_SSIM_WEIGHTS) - 1) + 1


def ssim(a: np.ndarray, b: np.ndarray) -> float:
    """SSIM (Wang 2004), averaged over the channels R, G and B, at the size the picture has.

    11x11 Gaussian window with sigma 1.5, K1 = 0.01, K2 = 0.03, averaged over the windows that lie
    wholly inside the picture. Nothing is downsampled first.

    Returns:
        A number in [-1, 1], 1 for equal pictures; `nan` when the shorter side is below 11 pixels:
        undefined, not bad.

    Raises:
        ValueError: a picture is not uint8 [H, W, 3], or the shapes differ.
    """
    return _single_scale(*_channels(a, b))


def ssim_y(a: np.ndarray, b: np.ndarray) -> float:
    """SSIM of luma Y alone (BT.601, not rounded); everything else as for `ssim`."""
    return _single_scale(*_luma(a, b))


def ms_ssim(a: np.ndarray, b: np.ndarray) -> float:
    """Multi-scale structural similarity (Wang 2003), averaged over the channels R, G and B.

    Each channel by itself: five scales with the window of `ssim`, contrast-structure terms of scales 1 to 4 and the
    full SSIM of scale 5 raised to the published weights and multiplied. A negative term counts as 0. Between scales 2x2
    samples are averaged; an odd side repeats its last line first, as Wang's own program does.

    Returns:
        A number in [0, 1], 1 for equal pictures; `nan` when the shorter side is below 161 pixels, where the fifth scale
        would be smaller than the window. Arguments and errors as for `ssim`.
    """
    return _five_scales(*_channels(a, b))


def ms_ssim_y(a: np.ndarray, b: np.ndarray) -> float:
    """MS-SSIM of luma Y alone (BT.601, not rounded); everything else as for `ms_ssim`."""
    return _five_scales(*_luma(a, b))


def similarity_db(similarity: float) -> float:
    """-10 log10(1 - v): an SSIM or MS-SSIM v on a scale where good codecs can be told apart.

    Returns:
        dB; 0.9 is 10 dB, 0.99 is 20 dB; `inf` for 1, `nan` for `nan`.

    Raises:
        ValueError: v is above 1.
    """
    if similarity > 1.0:
        raise ValueError(f"a similarity is at most 1, not {similarity}")
    return math.inf if similarity == 1.0 else -10.0 * math.log10(1.0 - similarity)


def ssim_terms(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean SSIM and mean contrast-structure term at one scale, for each channel.

    Args:
        a, b: float64 [H, W, C] in [0, 255], both sides at least 11 pixels.

    Returns:
        (luminance * contrast * structure, contrast * structure), each float64 [C], averaged
        over the (H-10) x (W-10) windows that lie inside the picture.
    """
    mean_a, mean_b = _window_mean(a), _window_mean(b)
    variance_a = _window_mean(a * a) - mean_a * mean_a
    variance_b = _window_mean(b * b) - mean_b * mean_b
    covariance = _window_mean(a * b) - mean_a * mean_b
    luminance = (2 * mean_a * mean_b + SSIM_C1) / (mean_a**2 + mean_b**2 + SSIM_C1)
    contrast_structure = (2 * covariance + SSIM_C2) / (variance_a + variance_b + SSIM_C2)
    similarity = luminance * contrast_structure
    return similarity.mean(axis=(0, 1)), contrast_structure.mean(axis=(0, 1))


def _channels(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    require_same_pictures(a, b)
    return a.astype(np.float64), b.astype(np.float64)


def _luma(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    require_same_pictures(a, b)
    return luma(a)[..., None], luma(b)[..., None]


def _single_scale(a: np.ndarray, b: np.ndarray) -> float:
    if min(a.shape[:2]) < SSIM_WINDOW_PX:
        return math.nan
    return _mean_of_channels(ssim_terms(a, b)[0])


def _five_scales(a: np.ndarray, b: np.ndarray) -> float:
    if min(a.shape[:2]) < MS_SSIM_MIN_SIDE_PX:
        return math.nan
    product = np.ones(a.shape[-1])
    for scale, weight in enumerate(MS_SSIM_WEIGHTS):
        if scale > 0:
            a, b = _halve(a), _halve(b)
        similarity, contrast_structure = ssim_terms(a, b)
        is_coarsest = scale == len(MS_SSIM_WEIGHTS) - 1
        product *= np.maximum(similarity if is_coarsest else contrast_structure, 0.0) ** weight
    return _mean_of_channels(product)


def _mean_of_channels(similarity: np.ndarray) -> float:
    return min(float(np.mean(similarity)), 1.0)  # rounding may lift nearly equal pictures over 1


def _window_mean(samples: np.ndarray) -> np.ndarray:
    """Gaussian-weighted mean of every window inside [H, W, C]: [H-10, W-10, C]."""
    from scipy import ndimage

    border = SSIM_WINDOW_PX // 2
    window = np.exp(-(np.arange(-border, border + 1) ** 2) / (2 * SSIM_SIGMA_PX**2))
    window /= window.sum()
    rows = ndimage.correlate1d(samples, window, axis=0)[border:-border]
    return ndimage.correlate1d(rows, window, axis=1)[:, border:-border]


def _halve(samples: np.ndarray) -> np.ndarray:
    """Average 2x2 blocks of [H, W, C]; an odd side repeats its last line first."""
    height, width = samples.shape[:2]
    even = np.pad(samples, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    return (even[::2, ::2] + even[1::2, ::2] + even[::2, 1::2] + even[1::2, 1::2]) / 4.0
