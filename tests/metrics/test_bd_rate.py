"""Bjøntegaard differences of hand-made and of published curves."""

import math

import numpy as np
import pytest

from dsslic_jax.errors import DataError
from dsslic_jax.evaluate.tables.anchors import published_curves
from dsslic_jax.metrics import bd_psnr_db, bd_rate_percent, similarity_db

RATE = np.array([0.1, 0.22, 0.5, 0.9, 1.7])
QUALITY = np.array([26.0, 29.1, 32.5, 35.0, 38.2])
LINE = np.array([30.0, 33.0, 35.0, 40.0])  # qualities at rates exp((q - 30) / 10)


@pytest.mark.parametrize(("factor", "percent"), [(1.1, 10.0), (0.5, -50.0), (1.0, 0.0)])
def test_a_curve_scaled_in_rate_differs_by_that_factor(factor: float, percent: float) -> None:
    difference = bd_rate_percent(RATE, QUALITY, RATE * factor, QUALITY)
    assert difference.value == pytest.approx(percent, abs=1e-9)
    assert (difference.low, difference.high) == (26.0, 38.2)


def test_a_curve_raised_in_quality_differs_by_that_much() -> None:
    difference = bd_psnr_db(RATE, QUALITY, RATE, QUALITY + 1.5)
    assert difference.value == pytest.approx(1.5, abs=1e-9)
    assert (difference.low, difference.high) == pytest.approx((0.1, 1.7))


def test_points_may_come_in_any_order() -> None:
    order = np.array([3, 0, 4, 2, 1])
    difference = bd_rate_percent(RATE[order], QUALITY[order], list(RATE * 1.1), list(QUALITY))
    assert difference.value == pytest.approx(10.0, abs=1e-9)


@pytest.mark.parametrize(
    ("interval", "overlap", "mean_log"),
    [
        (None, (30.0, 40.0), 0.05),
        ((34.0, 38.0), (34.0, 38.0), 0.06),
        ((36.0, 42.0), (36.0, 40.0), 0.08),
    ],
)
def test_the_logarithm_of_the_rates_is_averaged_over_the_quality_interval(
    interval: tuple[float, float] | None, overlap: tuple[float, float], mean_log: float
) -> None:
    # ln of the tested rate lies 0.01 (q - 30) above the anchor's: its mean stands at mid-overlap.
    log_rate = (LINE - 30.0) / 10.0
    difference = bd_rate_percent(
        np.exp(log_rate), LINE, np.exp(log_rate + 0.01 * (LINE - 30.0)), LINE, interval
    )
    assert difference.value == pytest.approx(100.0 * (math.exp(mean_log) - 1.0), abs=1e-9)
    assert difference[1:] == overlap


def test_quality_is_averaged_over_the_logarithm_of_the_rate() -> None:
    log_rate = np.array([0.0, 1.0, 1.5, 4.0])
    curves = (np.exp(log_rate), 30.0 + log_rate, np.exp(log_rate), 30.0 + 2.0 * log_rate)
    assert bd_psnr_db(*curves).value == pytest.approx(2.0)
    difference = bd_psnr_db(*curves, interval=(math.exp(2.0), math.exp(4.0)))
    assert difference.value == pytest.approx(3.0)
    assert difference[1:] == pytest.approx((math.exp(2.0), math.exp(4.0)))


@pytest.mark.parametrize(
    ("name", "percent"),
    [("cheng2020-anchor", -18.9), ("mbt2018", -11.9), ("vtm", -22.2), ("jpeg-420", 145.0)],
)
def test_bd_rate_of_published_curves_is_the_published_one(name: str, percent: float) -> None:
    curves = published_curves()
    anchor, tested = curves["bpg-444"], curves[name]
    difference = bd_rate_percent(
        anchor.bits_per_pixel,
        anchor.psnr_rgb_db,
        tested.bits_per_pixel,
        tested.psnr_rgb_db,
        interval=(27.0, 37.5),
    )
    assert difference.value == pytest.approx(percent, abs=0.5)


@pytest.mark.parametrize(
    ("name", "psnr", "similarity"),
    [
        ("cheng2020-anchor", (-18.890656, 0.913263), (-25.837306, 1.264804)),
        ("mbt2018", (-11.245179, 0.573562), (-20.276875, 1.025664)),
        ("vtm", (-18.024072, 0.977464), (-17.703592, 0.926412)),
        ("jpeg-420", (143.044426, -4.703437), (91.736476, -3.182078)),
        ("jpeg-2000", (55.834604, -2.130822), (71.241924, -2.363809)),
        ("webp", (44.180462, -1.988378), (31.845728, -1.400651)),
    ],
)
def test_differences_agree_with_the_package_bjontegaard(
    name: str, psnr: tuple[float, float], similarity: tuple[float, float]
) -> None:
    """Expected values: bjontegaard 1.3.0, method "pchip", of the same points over all that both curves reach."""
    anchor, tested = published_curves()["bpg-444"], published_curves()[name]
    for metric, expected in (("psnr_rgb_db", psnr), ("ms_ssim", similarity)):
        curves = [anchor.bits_per_pixel, getattr(anchor, metric)]
        curves += [tested.bits_per_pixel, getattr(tested, metric)]
        if metric == "ms_ssim":
            curves[1::2] = [[similarity_db(v) for v in values] for values in curves[1::2]]
        assert bd_rate_percent(*curves).value == pytest.approx(expected[0], abs=1e-5)
        assert bd_psnr_db(*curves).value == pytest.approx(expected[1], abs=1e-5)


@pytest.mark.parametrize("bjontegaard", [bd_rate_percent, bd_psnr_db])
@pytest.mark.parametrize(
    ("rate", "quality", "complaint"),
    [
        (RATE[:3], QUALITY[:3], "tested curve needs 4 points"),
        (RATE, QUALITY[:4], "as many rates as qualities"),
        (RATE[None], QUALITY[None], "as many rates as qualities"),
        (RATE, [26, 29, 28.5, 35, 38], "tested curve is not monotone: rate 0.5 gives 28.5"),
        (RATE, [26, 29, 29, 35, 38], "not monotone"),
        ([0.1, 0.2, 0.2, 0.9, 1.7], QUALITY, "not monotone"),
        (RATE, [26, 29, 32, 35, math.inf], "leave out lossless points"),
        (RATE, [26, 29, 32, 35, math.nan], "not finite"),
        ([0.0, 0.2, 0.5, 0.9, 1.7], QUALITY, "not above 0"),
        (RATE * 100, QUALITY + 9, "share too little"),
    ],
)
def test_curves_that_cannot_be_compared_are_refused(
    bjontegaard, rate: np.ndarray, quality: np.ndarray, complaint: str
) -> None:
    with pytest.raises(DataError, match=complaint):
        bjontegaard(RATE, QUALITY, rate, quality)


@pytest.mark.parametrize(
    ("interval", "complaint"),
    [
        ((35.0, 30.0), "must ascend"),
        ((30.0, math.nan), "must ascend"),
        ((37.0, 45.0), "in common where 4 is the least"),
        ((40.0, 45.0), "have 0 in common"),
        ((30.0, math.inf), "share too little"),
    ],
)
def test_an_interval_that_the_curves_do_not_fill_is_refused(
    interval: tuple[float, float], complaint: str
) -> None:
    with pytest.raises(DataError, match=complaint):
        bd_rate_percent(RATE, QUALITY, RATE, QUALITY, interval)


def test_an_interval_of_rates_lies_above_zero() -> None:
    with pytest.raises(DataError, match="above 0"):
        bd_psnr_db(RATE, QUALITY, RATE, QUALITY, (0.0, 1.0))
