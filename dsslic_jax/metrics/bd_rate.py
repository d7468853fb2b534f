"""Bjøntegaard differences: how far one rate-distortion curve lies from another, as one number.

Source: Bjøntegaard, "Calculation of average PSNR differences between RD-curves" (VCEG-M33, 2001), with the monotone
piecewise cubic interpolation (PCHIP) in the logarithm of the rate that later practice put in place of one polynomial.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from dsslic_jax.errors import DataError

MIN_POINTS = 4
# Of what the number is said to describe: below this it would say more about where the curves end than about the codecs.
MIN_OVERLAP = 0.5


class Difference(NamedTuple):
    """A Bjøntegaard difference and the part of the axis that it was averaged over.

    Attributes:
        value: per cent (`bd_rate_percent`) or dB (`bd_psnr_db`).
        low, high: ends of that part, in the unit of the quality (`bd_rate_percent`) or of the rate (`bd_psnr_db`).
    """

    value: float
    low: float
    high: float


class _Curve(NamedTuple):
    log_rate: np.ndarray  # natural logarithm, ascending
    quality: np.ndarray  # ascending


def bd_rate_percent(
    anchor_rate: Sequence[float] | np.ndarray,
    anchor_quality: Sequence[float] | np.ndarray,
    tested_rate: Sequence[float] | np.ndarray,
    tested_quality: Sequence[float] | np.ndarray,
    interval: tuple[float, float] | None = None,
) -> Difference:
    """Mean difference in rate at equal quality: -20 says that the tested codec spends a fifth less than the anchor.

    Args:
        anchor_rate, tested_rate: [N] each, N at least 4, in any one unit, above 0.
        anchor_quality, tested_quality: [N] each, dB (MS-SSIM goes through `similarity_db` first). Points may come in
            any order of rate, but more rate must mean more quality.
        interval: only qualities between these two; None takes all that both curves reach.

    Returns:
        Per cent of the anchor's rate, and the qualities averaged over: the overlap of curves and interval.

    Raises:
        DataError: a curve is too short, not finite or not monotone, or the overlap is less than half the interval
            (without one: than half the range of the shorter curve).
    """
    anchor = _curve("anchor", anchor_rate, anchor_quality)
    tested = _curve("tested", tested_rate, tested_quality)
    low, high = _overlap("quality", anchor.quality, tested.quality, interval)
    mean = _mean_between(tested.quality, tested.log_rate, low, high) - _mean_between(
        anchor.quality, anchor.log_rate, low, high
    )
    return Difference(100.0 * math.expm1(mean), low, high)


def bd_psnr_db(
    anchor_rate: Sequence[float] | np.ndarray,
    anchor_quality: Sequence[float] | np.ndarray,
    tested_rate: Sequence[float] | np.ndarray,
    tested_quality: Sequence[float] | np.ndarray,
    interval: tuple[float, float] | None = None,
) -> Difference:
    """Mean difference in quality at equal rate: 1 says that the tested codec is 1 dB better than the anchor.

    Args and errors as for `bd_rate_percent`, but `interval` is of rates, and is measured on their logarithms.

    Returns:
        dB of whatever the quality is (PSNR, or MS-SSIM in dB), and the rates averaged over.
    """
    anchor = _curve("anchor", anchor_rate, anchor_quality)
    tested = _curve("tested", tested_rate, tested_quality)
    if interval is not None and min(interval) <= 0:
        raise DataError(
            f"an interval of rates lies above 0, not from {interval[0]} to {interval[1]}"
        )
    logs = None if interval is None else (math.log(interval[0]), math.log(interval[1]))
    low, high = _overlap("log rate", anchor.log_rate, tested.log_rate, logs)
    mean = _mean_between(tested.log_rate, tested.quality, low, high) - _mean_between(
        anchor.log_rate, anchor.quality, low, high
    )
    return Difference(mean, math.exp(low), math.exp(high))


def _curve(
    name: str, rate: Sequence[float] | np.ndarray, quality: Sequence[float] | np.ndarray
) -> _Curve:
    """The points in ascending order of rate. Raises DataError where they are no curve."""
    rates, qualities = np.asarray(rate, np.float64), np.asarray(quality, np.float64)
    if rates.ndim != 1 or rates.shape != qualities.shape or rates.size < MIN_POINTS:
        raise DataError(
            f"the {name} curve needs {MIN_POINTS} points or more, as many rates as qualities, "
            f"not {list(rates.shape)} and {list(qualities.shape)}"
        )
    if not (np.isfinite(rates).all() and np.isfinite(qualities).all() and rates.min() > 0):
        raise DataError(
            f"the {name} curve has a rate that is not above 0 or a quality that is not finite: "
            "leave out lossless points"
        )
    order = np.argsort(rates)
    rates, qualities = rates[order], qualities[order]
    falls = np.flatnonzero((np.diff(rates) <= 0) | (np.diff(qualities) <= 0))
    if falls.size:
        after = falls[0] + 1
        raise DataError(
            f"the {name} curve is not monotone: rate {rates[after]:g} gives {qualities[after]:g} "
            f"after {rates[after - 1]:g} gave {qualities[after - 1]:g}; leave out points that gain nothing"
        )
    return _Curve(np.log(rates), qualities)


def _overlap(
    axis: str, anchor: np.ndarray, tested: np.ndarray, interval: tuple[float, float] | None
) -> tuple[float, float]:
    """The part of an axis that both ascending curves and the interval share. Raises DataError where it is too small."""
    if interval is not None and not interval[0] < interval[1]:
        raise DataError(
            f"the {axis} interval must ascend, not run from {interval[0]:g} to {interval[1]:g}"
        )
    lows, highs = [anchor[0], tested[0]], [anchor[-1], tested[-1]]
    wanted = min(anchor[-1] - anchor[0], tested[-1] - tested[0])
    if interval is not None:
        lows.append(interval[0])
        highs.append(interval[1])
        wanted = interval[1] - interval[0]
    low, high = float(max(lows)), float(min(highs))
    if high - low < MIN_OVERLAP * wanted:
        raise DataError(
            f"the curves share too little {axis}: {anchor[0]:g} to {anchor[-1]:g} and {tested[0]:g} to {tested[-1]:g} "
            f"have {max(high - low, 0.0):g} in common where {MIN_OVERLAP * wanted:g} is the least; measure more points"
        )
    return low, high


def _mean_between(x: np.ndarray, y: np.ndarray, low: float, high: float) -> float:
    from scipy.interpolate import PchipInterpolator

    return float(PchipInterpolator(x, y).integrate(low, high)) / (high - low)
