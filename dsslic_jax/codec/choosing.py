"""What an encoder is left to choose ("auto"): each choice is tried, and the one that costs least is kept."""

import math
from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from dsslic_jax.codec.rate import Code, OutOfReach, meet_target
from dsslic_jax.codec.settings import CodingSettings
from dsslic_jax.metrics import mean_squared_error

GAINS_TRIED = (1.0, 0.5, 0.25, 0.0)  # of the prediction

Trial = tuple[CodingSettings, Code]  # without "auto", and what codes with them


def label_choices(settings: CodingSettings) -> list[CodingSettings]:
    """The settings with each way of treating labels that `labels` leaves open; weights need labels."""
    if settings.labels != "auto":
        return [settings]
    sent = replace(settings, labels="sent")
    if settings.weights:
        return [sent]
    return [sent, replace(settings, labels="none", label_scale=1)]


def gain_choices(settings: CodingSettings) -> list[CodingSettings]:
    """The settings with each prediction gain that `prediction_gain` leaves open."""
    if settings.prediction_gain != "auto":
        return [settings]
    return [replace(settings, prediction_gain=gain) for gain in GAINS_TRIED]


def cost(num_bytes: int, error: float, error_power: float) -> float:
    """ln(bytes) + ln(mean squared error) / `error_power`: equal at every point of a mean curve of the residual's coder.

    Less is better: a fall of 0.01 is worth one percent of the bytes. No error at all costs minus infinity.
    """
    return math.log(num_bytes) + (math.log(error) / error_power if error else -math.inf)


def cheapest(
    settings: CodingSettings, picture: np.ndarray, trials: Iterable[Trial], error_power: float
) -> bytes:
    """The stream of least cost, the first of equals, each at the quality or target of `settings`.

    A target that some of the trials miss is met by the others; raises OutOfReach where none does. `error_power`: of the
    residual's coder, see `LossyCoder`.
    """
    several = "auto" in (settings.labels, settings.prediction_gain)
    best: tuple[float, int, bytes] | None = None
    missed = None
    for choice, code in trials:
        try:
            data, decoded = meet_target(choice, picture, code, several)
        except OutOfReach as error:
            missed = missed or error
            continue
        if not several:
            return data
        price = cost(len(data), mean_squared_error(picture, decoded), error_power)
        if best is None or (price, len(data)) < best[:2]:
            best = price, len(data), data
    if best is None:
        assert missed is not None  # something was tried
        raise missed
    return best[2]
