"""Bjøntegaard differences: how far one rate-distortion curve lies from another, as one number.

Source: Bjøntegaard, "Calculation of average PSNR differences between RD-curves" (VCEG-M33, 2001), with the monotone
piecewise cubic interpolation (PCHIP) in the logarithm of the rate that later practice put in place of one polynomial.
"""

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


Values = Sequence[float] | np.ndarray


def bd_rate_percent(
    anchor_rate: Values,
    anchor_quality: Values,
    tested_rate: Values,
    tested_quality: Values,
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
    anchor = _curve("anchor", anchor_rate, anchor_quality)[::-1]
    tested = _curve("tested", tested_rate, tested_quality)[::-1]
    mean, low, high = _mean_difference("quality", anchor, tested, interval)
    return Difference(100.0 * math.expm1(mean), low, high)


def bd_psnr_db(
    anchor_rate: Values,
    anchor_quality: Values,
    tested_rate: Values,
    tested_quality: Values,
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
    mean, low, high = _mean_difference("log rate", anchor, tested, logs)
    return Difference(mean, math.exp(low), math.exp(high))


def _curve(name: str, rate: Values, quality: Values) -> tuple[np.ndarray, np.ndarray]:
    """Natural logarithms of the rates, and qualities, both ascending. Raises DataError where they are no curve."""
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
    return np.log(rates), qualities


def _mean_difference(
    axis: str,
    anchor_curve: tuple[np.ndarray, np.ndarray],
    tested_curve: tuple[np.ndarray, np.ndarray],
    interval: tuple[float, float] | None,
) -> Difference:
    """Between two curves (x, y): how far y of the second lies above y of the first, mean over x.

    Only over the part of x that both curves and the interval share. Raises DataError where that is too small.
    """
    from scipy.interpolate import PchipInterpolator

    if interval is not None and not interval[0] < interval[1]:
        raise DataError(
            f"the {axis} interval must ascend, not run from {interval[0]:g} to {interval[1]:g}"
        )
    anchor, tested = anchor_curve[0], tested_curve[0]
    wanted = min(anchor[-1] - anchor[0], tested[-1] - tested[0])
    low, high = float(max(anchor[0], tested[0])), float(min(anchor[-1], tested[-1]))
    if interval is not None:
        wanted = interval[1] - interval[0]
        low, high = max(low, interval[0]), min(high, interval[1])
    if high - low < MIN_OVERLAP * wanted:
        raise DataError(
            f"the curves share too little {axis}: {anchor[0]:g} to {anchor[-1]:g} and {tested[0]:g} to {tested[-1]:g} "
            f"have {max(high - low, 0.0):g} in common where {MIN_OVERLAP * wanted:g} is the least; measure more points"
        )
    sums = [float(PchipInterpolator(*c).integrate(low, high)) for c in (anchor_curve, tested_curve)]
    return Difference((sums[1] - sums[0]) / (high - low), low, high)
