"""The three PSNRs against hand-worked numbers and scikit-image; what every metric refuses."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from skimage.metrics import peak_signal_noise_ratio

from dsslic_jax.metrics import (
    mean_squared_error,
    ms_ssim,
    ms_ssim_y,
    psnr_channel_mean_db,
    psnr_rgb_db,
    psnr_y_db,
    ssim,
    ssim_y,
)
from tests.metrics.pictures import luma_by_scikit_image, noisy, smooth_picture

Metric = Callable[[np.ndarray, np.ndarray], float]
PSNRS = [psnr_rgb_db, psnr_channel_mean_db, psnr_y_db]


@pytest.mark.parametrize("psnr", PSNRS)
def test_psnr_of_a_difference_of_one_everywhere_is_20_log_255(psnr: Metric) -> None:
    a = np.full((4, 5, 3), 100, np.uint8)
    assert psnr(a, a + np.uint8(1)) == pytest.approx(48.1308036, abs=1e-6)


def test_psnr_counts_every_sample_of_every_channel() -> None:
    a = np.zeros((2, 2, 3), np.uint8)
    b = a.copy()
    b[1, 0, 2] = 10  # MSE = 100 / 12
    assert psnr_rgb_db(a, b) == pytest.approx(38.9226163, abs=1e-6)


@pytest.mark.parametrize("psnr", PSNRS)
def test_psnr_of_black_against_white_is_zero_without_wrapping_round(psnr: Metric) -> None:
    black, white = np.zeros((3, 3, 3), np.uint8), np.full((3, 3, 3), 255, np.uint8)
    assert psnr(black, white) == 0.0
    assert psnr(white, black) == 0.0


@pytest.mark.parametrize("psnr", PSNRS)
def test_psnr_of_equal_pictures_is_infinite(psnr: Metric) -> None:
    a = smooth_picture(5, 7)
    assert psnr(a, a.copy()) == math.inf


def test_psnr_agrees_with_scikit_image() -> None:
    a = smooth_picture(33, 21)
    b = noisy(a, 9.0)
    b[..., 2] = noisy(a, 30.0)[..., 2]  # one channel much worse, so that the means differ
    channels = [peak_signal_noise_ratio(a[..., c], b[..., c], data_range=255) for c in range(3)]
    whole = peak_signal_noise_ratio(a, b, data_range=255)
    assert psnr_rgb_db(a, b) == pytest.approx(whole, abs=1e-9)
    assert psnr_channel_mean_db(a, b) == pytest.approx(np.mean(channels), abs=1e-9)
    assert psnr_channel_mean_db(a, b) > whole + 1.0


def test_psnr_of_luma_agrees_with_scikit_image() -> None:
    a = smooth_picture(33, 21)
    b = noisy(a, 9.0)
    luma = peak_signal_noise_ratio(luma_by_scikit_image(a), luma_by_scikit_image(b), data_range=255)
    assert psnr_y_db(a, b) == pytest.approx(luma, abs=1e-9)


def test_psnr_of_luma_weighs_green_most() -> None:
    grey = np.full((2, 2, 3), 100, np.uint8)
    # 10 levels of one channel are 2.99, 5.87 or 1.14 levels of Y: 20 log10(255 / that).
    for channel, expected in enumerate((38.61738, 32.75804, 46.99271)):
        changed = grey.copy()
        changed[..., channel] += np.uint8(10)
        assert psnr_y_db(grey, changed) == pytest.approx(expected, abs=1e-4)


def test_psnr_of_luma_does_not_see_a_change_of_chroma_alone() -> None:
    a = np.full((2, 2, 3), 100, np.uint8)
    b = np.full((2, 2, 3), (85, 109, 93), np.uint8)  # -15 * 299 + 9 * 587 - 7 * 114 = 0
    assert psnr_y_db(a, b) == math.inf
    assert psnr_rgb_db(a, b) < 30.0


def test_one_equal_channel_makes_the_mean_of_channels_infinite() -> None:
    a = np.zeros((2, 2, 3), np.uint8)
    b = a.copy()
    b[..., :2] = 9
    assert psnr_channel_mean_db(a, b) == math.inf
    assert psnr_rgb_db(a, b) < math.inf


@pytest.mark.parametrize("metric", [*PSNRS, ssim, ssim_y, ms_ssim, ms_ssim_y])
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
def test_other_shapes_and_types_are_refused(metric: Metric, a: np.ndarray, b: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"pictures must be|shapes differ|without pixels"):
        metric(a, b)


def test_the_error_is_of_all_samples_however_large_the_picture() -> None:
    rng = np.random.default_rng(0)
    one, other = (rng.integers(0, 256, (1100, 5, 3)).astype(np.uint8) for _ in range(2))
    expected = np.mean((one.astype(float) - other) ** 2)
    assert mean_squared_error(one, other) == pytest.approx(expected, rel=1e-12)
