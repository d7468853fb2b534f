"""Finding the quality that meets a rate or a PSNR."""

from collections.abc import Callable
from typing import TypeVar

import numpy as np

from dsslic_jax.codec.settings import CodingSettings
from dsslic_jax.errors import ConfigError
from dsslic_jax.metrics import psnr_rgb_db

RATE_TOLERANCE = 0.02  # of the rate asked for
PSNR_TOLERANCE_DB = 0.1
# Roughly what one of quality is worth, to find a target in few trials.
_BITS_SLOPE = 0.035  # relative
_PSNR_SLOPE_DB = 0.3

Made = TypeVar("Made")
Coded = tuple[bytes, np.ndarray]  # a stream, and the picture decoded from it
Code = Callable[[float, bool], Coded]  # of quality 0..100, and whether that picture is looked at
_MAX_TRIALS = 20
_NARROWEST = 0.03  # of quality: half a step of the quantiser's fraction


class OutOfReach(ConfigError):
    """No quality meets the target."""


def meet_target(
    settings: CodingSettings, picture: np.ndarray, code: Code, decoded_too: bool
) -> Coded:
    """What `code` makes of x at the quality that meets the target of `settings`; at their quality without a target.

    `decoded_too`: the caller looks at the decoded picture. Raises OutOfReach.
    """
    psnr, rate = settings.target_psnr_db, settings.target_bits_per_pixel
    if psnr is not None:
        target, unit, tolerance, slope = psnr, "dB", PSNR_TOLERANCE_DB, _PSNR_SLOPE_DB
    elif rate is not None:
        target, unit = rate, "bits per pixel"
        tolerance, slope = RATE_TOLERANCE * rate, _BITS_SLOPE * rate
    else:
        return code(settings.quality, decoded_too)

    def attempt(quality: float) -> tuple[float, Coded]:
        data, decoded = code(quality, decoded_too or psnr is not None)
        if psnr is not None:
            return psnr_rgb_db(picture, decoded), (data, decoded)
        return 8 * len(data) / (picture.size // 3), (data, decoded)

    return meet(target, tolerance, attempt, settings.quality, slope, unit)


def meet(
    target: float,
    tolerance: float,
    attempt: Callable[[float], tuple[float, Made]],
    first: float,
    slope: float,
    unit: str,
) -> Made:
    """What `attempt` makes at the quality where its value comes within `tolerance` of `target`.

    `attempt` is quality 0..100 -> (value, what was made). Its value rises with quality, nearly everywhere, by about
    `slope` for one of quality. `first` is tried first. Raises OutOfReach, saying what can be reached in `unit`.
    """
    seen: dict[float, float] = {}
    quality = first
    low, high = 0.0, 100.0
    for _ in range(_MAX_TRIALS):
        value, made = attempt(quality)
        seen[quality] = value
        if abs(value - target) <= tolerance:
            return made
        low, high = (quality, high) if value < target else (low, quality)
        if high - low < _NARROWEST or (low, high) in ((100.0, 100.0), (0.0, 0.0)):
            break
        quality = _next(target, seen, low, high, slope)
    worst, best = (seen[q] if q in seen else attempt(q)[0] for q in (0.0, 100.0))
    nearest = min(seen.values(), key=lambda value: abs(value - target))
    raise OutOfReach(
        f"{target:g} {unit} cannot be met: qualities 0 to 100 give {worst:.4g} to {best:.4g} {unit} "
        f"(nearest found: {nearest:.4g})"
    )


def _next(target: float, seen: dict[float, float], low: float, high: float, slope: float) -> float:
    """The quality to try next: between the nearest ones known, or along the slope; an end once it overshoots."""
    if low in seen and high in seen:
        share = (target - seen[low]) / (seen[high] - seen[low])
        return low + (high - low) * min(max(share, 0.1), 0.9)  # never stuck at one side
    known = low if low in seen else high
    return min(max(known + 1.25 * (target - seen[known]) / slope, low), high)
