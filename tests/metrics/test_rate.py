"""Bits per pixel and per sample."""

import pytest

from dsslic_jax.metrics import bits_per_pixel, bits_per_sample


def test_bits_per_pixel_counts_pixels_and_not_samples() -> None:
    assert bits_per_pixel(49152, 512, 768) == 1.0
    assert bits_per_pixel(0, 1, 1) == 0.0
    assert bits_per_pixel(3, 1, 7) == pytest.approx(24 / 7)


def test_bits_per_sample_counts_three_samples_a_pixel() -> None:
    assert bits_per_sample(49152, 512, 768) == pytest.approx(1 / 3)
    assert bits_per_sample(3, 1, 8) == 1.0


@pytest.mark.parametrize("rate", [bits_per_pixel, bits_per_sample])
@pytest.mark.parametrize(("num_bytes", "height", "width"), [(-1, 2, 2), (1, 0, 2), (1, 2, -2)])
def test_impossible_rates_are_refused(rate, num_bytes: int, height: int, width: int) -> None:
    with pytest.raises(ValueError, match="is no rate"):
        rate(num_bytes, height, width)
