"""At which rates codecs are compared, and which of their files comes nearest."""

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from dsslic_jax.evaluate.measuring.store import Measurement


@dataclass(frozen=True)
class Selection:
    """The files that a viewer shows."""

    curves: tuple[str, ...]  # in the order of the files
    rates: tuple[float, ...]  # ascending, in bits per pixel
    # For each picture and curve, the file for each of the rates; a curve without files is not there.
    nearest: Mapping[str, Mapping[str, tuple[Measurement, ...]]]


def select(files: Sequence[Measurement], pictures: Sequence[str], rate_count: int) -> Selection:
    """For each picture, each curve's files nearest to at most `rate_count` rates that the curves have in common.

    `files` are of all pictures, curves and settings, at least one; `pictures` are those to show.
    """
    curves = tuple(dict.fromkeys(file.curve for file in files))
    rates = common_rates([_mean_rates(files, curve) for curve in curves], rate_count)
    chosen: dict[str, dict[str, tuple[Measurement, ...]]] = {picture: {} for picture in pictures}
    for picture, curve in itertools.product(pictures, curves):
        own = [file for file in files if (file.picture, file.curve) == (picture, curve)]
        own_rates = [file.bits_per_pixel for file in own]
        if own:
            chosen[picture][curve] = tuple(own[nearest(own_rates, rate)] for rate in rates)
    return Selection(curves, tuple(rates), chosen)


def common_rates(rates_of_curves: Sequence[Sequence[float]], count: int) -> list[float]:
    """Rates that all curves reach, or that any does where they have none in common.

    Evenly spaced in their logarithm from the least upwards; the highest is left out: codecs look alike there. Rates are
    above 0; returned are `count`, ascending and of two digits, or fewer where two would be the same.
    """
    low = max(min(rates) for rates in rates_of_curves)
    high = min(max(rates) for rates in rates_of_curves)
    if low >= high:
        low = min(min(rates) for rates in rates_of_curves)
        high = max(max(rates) for rates in rates_of_curves)
    spaced = np.geomspace(low, high, count + 1)[:-1]
    return sorted({float(f"{rate:.2g}") for rate in spaced})


def nearest(rates: Iterable[float], wanted: float) -> int:
    """The index of the rate with the least ratio to `wanted`, either way. Rates are above 0."""
    distances = [abs(math.log(rate / wanted)) for rate in rates]
    return distances.index(min(distances))


def _mean_rates(files: Iterable[Measurement], curve: str) -> list[float]:
    """The rate of each of the curve's settings, averaged over the pictures."""
    rates: dict[float, list[float]] = {}
    for file in files:
        if file.curve == curve:
            rates.setdefault(file.setting, []).append(file.bits_per_pixel)
    return [sum(of_one) / len(of_one) for of_one in rates.values()]
