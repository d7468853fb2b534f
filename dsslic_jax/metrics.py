"""Rate and quality of decoded pictures, and agreement of label maps. numpy and scipy only.

Every function takes whole arrays of one picture and refuses wrong types and shapes with a
ValueError, so that a silent cast or broadcast can never produce a number.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence

import numpy as np
from scipy import ndimage

PEAK = 255.0  # largest value of an 8-bit sample

# Multi-scale SSIM after Wang, Simoncelli and Bovik, "Multi-scale structural similarity for image
# quality assessment" (2003): weight of each scale, finest first, and the constants of SSIM.
MS_SSIM_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
SSIM_WINDOW_PX = 11
SSIM_SIGMA_PX = 1.5
SSIM_C1 = (0.01 * PEAK) ** 2
SSIM_C2 = (0.03 * PEAK) ** 2
# Four halvings, each rounding up, must leave a picture that still holds one whole window:
# ceil(161 / 16) = 11.
MS_SSIM_MIN_SIDE_PX = (SSIM_WINDOW_PX - 1) * 2 ** (len(MS_SSIM_WEIGHTS) - 1) + 1


def psnr_rgb_db(a: np.ndarray, b: np.ndarray) -> float:
    """Peak signal-to-noise ratio in dB: 10 log10(255^2 / MSE).

    Args:
        a, b: uint8 [H, W, 3]. The mean squared error is taken over all 3HW samples at once.

    Returns:
        dB; `inf` when the pictures are equal.

    Raises:
        ValueError: a picture is not uint8 [H, W, 3], or the shapes differ.
    """
    _require_same_pictures(a, b)
    difference = a.astype(np.int64) - b.astype(np.int64)
    squared_error = int(np.sum(difference * difference))  # an exact integer
    if squared_error == 0:
        return math.inf
    return 10.0 * math.log10(PEAK * PEAK * difference.size / squared_error)


def ms_ssim(a: np.ndarray, b: np.ndarray) -> float:
    """Multi-scale structural similarity (Wang 2003), averaged over the channels R, G and B.

    Each channel by itself: five scales, 11x11 Gaussian window with sigma 1.5 at the positions
    where it lies wholly inside the picture, contrast-structure terms of scales 1 to 4 and the
    full SSIM of scale 5 raised to the published weights and multiplied. A negative term counts
    as 0. Between scales 2x2 samples are averaged; an odd side repeats its last line first, as
    Wang's own program does.

    Args:
        a, b: uint8 [H, W, 3].

    Returns:
        A number in [0, 1], 1 for equal pictures; `nan` when the shorter side is below 161
        pixels, where the fifth scale would be smaller than the window: undefined, not bad.

    Raises:
        ValueError: a picture is not uint8 [H, W, 3], or the shapes differ.
    """
    _require_same_pictures(a, b)
    if min(a.shape[:2]) < MS_SSIM_MIN_SIDE_PX:
        return math.nan
    fine_a, fine_b = a.astype(np.float64), b.astype(np.float64)
    product = np.ones(a.shape[-1])
    for scale, weight in enumerate(MS_SSIM_WEIGHTS):
        if scale > 0:
            fine_a, fine_b = _halve(fine_a), _halve(fine_b)
        similarity, contrast_structure = ssim_terms(fine_a, fine_b)
        is_coarsest = scale == len(MS_SSIM_WEIGHTS) - 1
        term = similarity if is_coarsest else contrast_structure
        product *= np.maximum(term, 0.0) ** weight
    return float(np.mean(product))


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


def bits_per_pixel(num_bytes: int, height: int, width: int) -> float:
    """Rate of `num_bytes` spent on a picture of `height` x `width` pixels, in bits per pixel.

    A pixel is one position, not one sample: an RGB picture has H*W pixels, 3HW samples.

    Raises:
        ValueError: a negative number of bytes, or a side below 1.
    """
    if num_bytes < 0 or height < 1 or width < 1:
        raise ValueError(f"{num_bytes} bytes on {height}x{width} pixels is no rate")
    return 8.0 * num_bytes / (height * width)


def confusion_matrix(
    predicted: np.ndarray,
    labels: np.ndarray,
    num_classes: int,
    void_ids: Collection[int] = (),
) -> np.ndarray:
    """Pixel counts of one label map against the truth; add the matrices of several pictures.

    Args:
        predicted: uint8 [H, W] class ids.
        labels: uint8 [H, W] true class ids; pixels whose true class is void are left out.
        num_classes: K, void classes included.
        void_ids: class ids that stand for "not labelled".

    Returns:
        int64 [K, K]: entry [t, p] counts pixels of true class t that were called p.

    Raises:
        ValueError: shapes or types differ from the above, or an id is not below K.
    """
    for name, ids in (("predicted", predicted), ("labels", labels)):
        if ids.dtype != np.uint8 or ids.ndim != 2:
            raise ValueError(f"{name} must be uint8 [H, W], not {ids.dtype} {list(ids.shape)}")
        if ids.size and int(ids.max()) >= num_classes:
            raise ValueError(f"{name} holds class id {ids.max()}, but there are {num_classes}")
    if predicted.shape != labels.shape:
        raise ValueError(f"shapes differ: {list(predicted.shape)} and {list(labels.shape)}")
    is_counted = ~np.isin(labels, list(void_ids))
    pairs = labels[is_counted].astype(np.int64) * num_classes + predicted[is_counted]
    return np.bincount(pairs, minlength=num_classes**2).reshape(num_classes, num_classes)


def mean_iou(confusion: np.ndarray, void_ids: Collection[int] = ()) -> float:
    """Mean over classes of intersection over union, from pixel counts of any number of pictures.

    Counts are summed over the data set before dividing, so a class that is rare in one picture
    weighs no more than its pixels. Void classes, and classes neither present nor predicted, are
    left out; calling a labelled pixel void is an error of its true class.

    Args:
        confusion: int64 [K, K], the sum of `confusion_matrix` over the pictures.
        void_ids: class ids that stand for "not labelled".

    Returns:
        A number in [0, 1]; `nan` when no class is left.

    Raises:
        ValueError: the matrix is not square.
    """
    if confusion.ndim != 2 or confusion.shape[0] != confusion.shape[1]:
        raise ValueError(f"a confusion matrix is square, not {list(confusion.shape)}")
    intersection = np.diagonal(confusion)
    union = confusion.sum(axis=0) + confusion.sum(axis=1) - intersection
    is_scored = union > 0
    is_scored[list(void_ids)] = False
    if not is_scored.any():
        return math.nan
    return float(np.mean(intersection[is_scored] / union[is_scored]))


def _require_same_pictures(a: np.ndarray, b: np.ndarray) -> None:
    for picture in (a, b):
        if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3:
            raise ValueError(
                f"pictures must be uint8 [H, W, 3], not {picture.dtype} {list(picture.shape)}"
            )
    if a.shape != b.shape:
        raise ValueError(f"shapes differ: {list(a.shape)} and {list(b.shape)}")
    if a.size == 0:
        raise ValueError("a picture without pixels has no quality")


def _gaussian_window() -> Sequence[float]:
    offsets = np.arange(SSIM_WINDOW_PX) - SSIM_WINDOW_PX // 2
    window = np.exp(-(offsets**2) / (2 * SSIM_SIGMA_PX**2))
    return list(window / window.sum())


def _window_mean(samples: np.ndarray) -> np.ndarray:
    """Gaussian-weighted mean of every window inside [H, W, C]: [H-10, W-10, C]."""
    window, border = _gaussian_window(), SSIM_WINDOW_PX // 2
    rows = ndimage.correlate1d(samples, window, axis=0)[border:-border]
    return ndimage.correlate1d(rows, window, axis=1)[:, border:-border]


def _halve(samples: np.ndarray) -> np.ndarray:
    """Average 2x2 blocks of [H, W, C]; an odd side repeats its last line first."""
    height, width = samples.shape[:2]
    even = np.pad(samples, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    return (even[::2, ::2] + even[1::2, ::2] + even[::2, 1::2] + even[1::2, 1::2]) / 4.0
