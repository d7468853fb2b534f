"""Metrics against hand-worked numbers, scikit-image and published figures."""

from __future__ import annotations

import io
import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from dsslic_jax.metrics import (
    MS_SSIM_WEIGHTS,
    bits_per_pixel,
    confusion_matrix,
    mean_iou,
    ms_ssim,
    psnr_rgb_db,
    ssim_terms,
)


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


def test_psnr_of_a_difference_of_one_everywhere_is_20_log_255() -> None:
    a = np.full((4, 5, 3), 100, np.uint8)
    assert psnr_rgb_db(a, a + np.uint8(1)) == pytest.approx(48.1308036, abs=1e-6)


def test_psnr_counts_every_sample_of_every_channel() -> None:
    a = np.zeros((2, 2, 3), np.uint8)
    b = a.copy()
    b[1, 0, 2] = 10  # MSE = 100 / 12
    assert psnr_rgb_db(a, b) == pytest.approx(38.9226163, abs=1e-6)


def test_psnr_of_black_against_white_is_zero_without_wrapping_round() -> None:
    black, white = np.zeros((3, 3, 3), np.uint8), np.full((3, 3, 3), 255, np.uint8)
    assert psnr_rgb_db(black, white) == 0.0
    assert psnr_rgb_db(white, black) == 0.0


def test_psnr_of_equal_pictures_is_infinite() -> None:
    a = smooth_picture(5, 7)
    assert psnr_rgb_db(a, a.copy()) == math.inf


def test_psnr_agrees_with_scikit_image() -> None:
    a = smooth_picture(33, 21)
    b = noisy(a, 9.0)
    assert psnr_rgb_db(a, b) == pytest.approx(
        peak_signal_noise_ratio(a, b, data_range=255), abs=1e-9
    )


@pytest.mark.parametrize("metric", [psnr_rgb_db, ms_ssim])
@pytest.mark.parametrize(
    ("a", "b"),
    [
        (np.zeros((4, 4, 3), np.uint8), np.zeros((4, 5, 3), np.uint8)),
        (np.zeros((4, 4, 3), np.uint8), np.zeros((1, 4, 3), np.uint8)),  # would broadcast
        (np.zeros((4, 4, 3), np.uint8), np.zeros((4, 4, 3), np.float32)),
        (np.zeros((4, 4, 3), np.int16), np.zeros((4, 4, 3), np.int16)),
        (np.zeros((4, 4), np.uint8), np.zeros((4, 4), np.uint8)),
        (np.zeros((4, 4, 4), np.uint8), np.zeros((4, 4, 4), np.uint8)),
        (np.zeros((0, 4, 3), np.uint8), np.zeros((0, 4, 3), np.uint8)),
    ],
)
def test_other_shapes_and_types_are_refused(metric, a: np.ndarray, b: np.ndarray) -> None:
    with pytest.raises(ValueError):
        metric(a, b)


def skimage_terms(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """SSIM and its contrast-structure part for each channel, by scikit-image.

    A huge K1 makes scikit-image's luminance term 1, which leaves contrast times structure.
    """

    def mean_ssim(k1: float) -> np.ndarray:
        return np.array(
            [
                structural_similarity(
                    a[..., channel],
                    b[..., channel],
                    data_range=255.0,
                    gaussian_weights=True,
                    sigma=1.5,
                    use_sample_covariance=False,
                    K1=k1,
                )
                for channel in range(3)
            ]
        )

    return mean_ssim(0.01), mean_ssim(1e6)


def test_ssim_terms_at_one_scale_agree_with_scikit_image() -> None:
    a = smooth_picture(40, 53)
    b = noisy(a, 20.0)
    terms = ssim_terms(a.astype(np.float64), b.astype(np.float64))
    for ours, theirs in zip(terms, skimage_terms(a.astype(float), b.astype(float)), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-9)
    assert np.all(terms[0] < 0.95)  # far enough from 1 for the comparison to mean something


@pytest.mark.parametrize(("height", "width"), [(176, 192), (161, 181)])
def test_ms_ssim_is_the_weighted_product_of_scikit_image_terms(height: int, width: int) -> None:
    a = smooth_picture(height, width)
    b = noisy(a, 25.0)
    fine_a, fine_b = a.astype(float), b.astype(float)
    product = np.ones(3)
    for scale, weight in enumerate(MS_SSIM_WEIGHTS):
        ssim, contrast_structure = skimage_terms(fine_a, fine_b)
        product *= (ssim if scale == 4 else contrast_structure) ** weight
        # Wang's own formulation: a 2x2 mean with mirrored border, every other sample kept.
        fine_a, fine_b = (
            ndimage.uniform_filter(fine, (2, 2, 1), mode="reflect", origin=(-1, -1, 0))[::2, ::2]
            for fine in (fine_a, fine_b)
        )
    assert ms_ssim(a, b) == pytest.approx(product.mean(), abs=1e-9)
    assert ms_ssim(a, b) < 0.95


def test_ms_ssim_of_equal_pictures_is_one() -> None:
    a = smooth_picture(161, 170)
    assert ms_ssim(a, a.copy()) == pytest.approx(1.0, abs=1e-12)


def test_ms_ssim_is_the_mean_over_channels() -> None:
    a = smooth_picture(164, 163)
    spoilt = noisy(a, 30.0)
    one_spoilt = a.copy()
    one_spoilt[..., 1] = spoilt[..., 1]
    grey, grey_spoilt = (np.repeat(p[..., 1:2], 3, axis=2) for p in (a, spoilt))
    expected = (2.0 + ms_ssim(grey, grey_spoilt)) / 3.0
    assert ms_ssim(a, one_spoilt) == pytest.approx(expected, abs=1e-12)


def test_ms_ssim_of_a_negative_is_zero_and_not_a_complex_number() -> None:
    a = smooth_picture(161, 161)
    assert ms_ssim(a, 255 - a) == 0.0


def test_ms_ssim_is_undefined_below_161_pixels_and_defined_from_there() -> None:
    for height, width in ((160, 300), (300, 160), (1, 1)):
        a = smooth_picture(height, width)
        assert math.isnan(ms_ssim(a, a))
    assert not math.isnan(ms_ssim(smooth_picture(161, 161), smooth_picture(161, 161, seed=3)))


def test_published_kodak_figures_of_jpeg_are_met(shared_data: Path) -> None:
    """Mean over Kodak of JPEG 4:2:0 at quality 50 as TensorFlow Compression published it.

    Another JPEG library and another MS-SSIM; the same protocol, whole files and mean of dB.
    """
    published = {"bpp": 0.880909, "psnr_rgb_db": 32.143332, "ms_ssim": 0.97671}
    measured = []
    for path in sorted((shared_data / "kodak" / "test" / "images").glob("*.png")):
        file = io.BytesIO()
        with Image.open(path) as picture:
            x = np.array(picture)
        Image.fromarray(x).save(file, "JPEG", quality=50, subsampling="4:2:0", optimize=True)
        rate = bits_per_pixel(len(file.getvalue()), x.shape[0], x.shape[1])
        with Image.open(file) as decoded:
            y = np.array(decoded)
        measured.append((rate, psnr_rgb_db(x, y), ms_ssim(x, y)))
    assert len(measured) == 24
    rate, psnr, similarity = np.mean(measured, axis=0)
    assert rate == pytest.approx(published["bpp"], rel=0.02)
    assert psnr == pytest.approx(published["psnr_rgb_db"], abs=0.05)
    assert similarity == pytest.approx(published["ms_ssim"], abs=0.0005)


def test_bits_per_pixel_counts_pixels_and_not_samples() -> None:
    assert bits_per_pixel(49152, 512, 768) == 1.0
    assert bits_per_pixel(0, 1, 1) == 0.0
    assert bits_per_pixel(3, 1, 7) == pytest.approx(24 / 7)


@pytest.mark.parametrize(("num_bytes", "height", "width"), [(-1, 2, 2), (1, 0, 2), (1, 2, -2)])
def test_impossible_rates_are_refused(num_bytes: int, height: int, width: int) -> None:
    with pytest.raises(ValueError):
        bits_per_pixel(num_bytes, height, width)


LABELS = np.array([[0, 0, 1], [1, 2, 3]], np.uint8)
PREDICTED = np.array([[0, 1, 1], [1, 3, 0]], np.uint8)  # class 3 is void


def test_confusion_matrix_leaves_out_void_truth_and_keeps_void_predictions() -> None:
    expected = [[1, 1, 0, 0], [0, 2, 0, 0], [0, 0, 0, 1], [0, 0, 0, 0]]
    np.testing.assert_array_equal(confusion_matrix(PREDICTED, LABELS, 4, void_ids=(3,)), expected)


def test_mean_iou_matches_the_hand_count() -> None:
    confusion = confusion_matrix(PREDICTED, LABELS, 4, void_ids=(3,))
    # class 0: 1 of {2 true + 0 false} = 1/2; class 1: 2 of {2 + 1} = 2/3; class 2: 0 of 1.
    assert mean_iou(confusion, void_ids=(3,)) == pytest.approx((1 / 2 + 2 / 3 + 0) / 3)


def test_mean_iou_sums_counts_over_pictures_before_dividing() -> None:
    whole = np.zeros((2, 8), np.uint8)
    predicted = whole.copy()
    predicted[:, 6:] = 1
    summed = confusion_matrix(predicted[:, :6], whole[:, :6], 2)
    summed = summed + confusion_matrix(predicted[:, 6:], whole[:, 6:], 2)
    assert mean_iou(summed) == pytest.approx((12 / 16 + 0) / 2)


def test_mean_iou_leaves_out_classes_that_never_occur() -> None:
    labels = np.array([[4, 4]], np.uint8)
    assert mean_iou(confusion_matrix(labels, labels, 9)) == 1.0


def test_mean_iou_of_nothing_but_void_is_undefined() -> None:
    labels = np.full((2, 2), 3, np.uint8)
    assert math.isnan(mean_iou(confusion_matrix(labels, labels, 4, void_ids=(3,)), void_ids=(3,)))


def test_class_ids_beyond_the_table_and_mismatched_maps_are_refused() -> None:
    with pytest.raises(ValueError, match="class id 3"):
        confusion_matrix(PREDICTED, LABELS, 3)
    with pytest.raises(ValueError, match="shapes differ"):
        confusion_matrix(PREDICTED[:1], LABELS, 4)
    with pytest.raises(ValueError, match="int64"):
        confusion_matrix(PREDICTED.astype(np.int64), LABELS, 4)
    with pytest.raises(ValueError, match="square"):
        mean_iou(np.zeros((2, 3), np.int64))
