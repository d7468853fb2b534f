"""SSIM and MS-SSIM against scikit-image."""

import math

import numpy as np
import pytest
from scipy import ndimage
from skimage.metrics import structural_similarity

from dsslic_jax.metrics import (
    MS_SSIM_WEIGHTS,
    ms_ssim,
    ms_ssim_y,
    similarity_db,
    ssim,
    ssim_terms,
    ssim_y,
)
from tests.metrics.pictures import luma_by_scikit_image, noisy, smooth_picture


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
                for channel in range(a.shape[-1])
            ]
        )

    return mean_ssim(0.01), mean_ssim(1e6)


def test_ssim_agrees_with_scikit_image() -> None:
    a = smooth_picture(40, 53)
    b = noisy(a, 20.0)
    colour, _ = skimage_terms(a.astype(float), b.astype(float))
    grey, _ = skimage_terms(*(luma_by_scikit_image(p)[..., None] for p in (a, b)))
    assert ssim(a, b) == pytest.approx(colour.mean(), abs=1e-9)
    assert ssim_y(a, b) == pytest.approx(grey[0], abs=1e-9)
    assert abs(ssim(a, b) - ssim_y(a, b)) > 0.01


def test_ssim_is_undefined_below_11_pixels_and_defined_from_there() -> None:
    for metric in (ssim, ssim_y):
        for height, width in ((10, 30), (30, 10), (1, 1)):
            a = smooth_picture(height, width)
            assert math.isnan(metric(a, a))
        assert metric(smooth_picture(11, 11), smooth_picture(11, 11)) == 1.0


def test_ssim_terms_at_one_scale_agree_with_scikit_image() -> None:
    a = smooth_picture(40, 53)
    b = noisy(a, 20.0)
    terms = ssim_terms(a.astype(np.float64), b.astype(np.float64))
    for ours, theirs in zip(terms, skimage_terms(a.astype(float), b.astype(float)), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-9)
    assert np.all(terms[0] < 0.95)  # far enough from 1 for the comparison to mean something


def ms_ssim_by_scikit_image(fine_a: np.ndarray, fine_b: np.ndarray) -> float:
    """Of float [H, W, C], from scikit-image's terms."""
    product = np.ones(fine_a.shape[-1])
    for scale, weight in enumerate(MS_SSIM_WEIGHTS):
        ssim, contrast_structure = skimage_terms(fine_a, fine_b)
        product *= (ssim if scale == 4 else contrast_structure) ** weight
        # Wang's own formulation: a 2x2 mean with mirrored border, every other sample kept.
        fine_a, fine_b = (
            ndimage.uniform_filter(fine, (2, 2, 1), mode="reflect", origin=(-1, -1, 0))[::2, ::2]
            for fine in (fine_a, fine_b)
        )
    return float(product.mean())


@pytest.mark.parametrize(("height", "width"), [(176, 192), (161, 181)])
def test_ms_ssim_is_the_weighted_product_of_scikit_image_terms(height: int, width: int) -> None:
    a = smooth_picture(height, width)
    b = noisy(a, 25.0)
    expected = ms_ssim_by_scikit_image(a.astype(float), b.astype(float))
    assert ms_ssim(a, b) == pytest.approx(expected, abs=1e-9)
    assert ms_ssim(a, b) < 0.95


def test_ms_ssim_of_luma_is_that_of_scikit_image_s_luma() -> None:
    a = smooth_picture(161, 170)
    b = noisy(a, 25.0)
    expected = ms_ssim_by_scikit_image(*(luma_by_scikit_image(p)[..., None] for p in (a, b)))
    assert ms_ssim_y(a, b) == pytest.approx(expected, abs=1e-9)
    assert abs(ms_ssim_y(a, b) - ms_ssim(a, b)) > 0.01


def test_ms_ssim_of_equal_pictures_is_one() -> None:
    a = smooth_picture(161, 170)
    assert ms_ssim(a, a.copy()) == pytest.approx(1.0, abs=1e-12)
    assert ms_ssim_y(a, a.copy()) == pytest.approx(1.0, abs=1e-12)


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


def test_similarity_in_db_counts_nines() -> None:
    assert similarity_db(0.9) == pytest.approx(10.0, abs=1e-9)
    assert similarity_db(0.999) == pytest.approx(30.0, abs=1e-9)
    assert similarity_db(0.0) == 0.0
    assert similarity_db(1.0) == math.inf
    assert math.isnan(similarity_db(math.nan))
    with pytest.raises(ValueError, match="at most 1"):
        similarity_db(1.1)
