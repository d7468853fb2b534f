"""Finding the quality that meets a rate or a PSNR."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from dsslic_jax.errors import ConfigError

Made = TypeVar("Made")
_MAX_TRIALS = 20
_NARROWEST = 0.03  # of quality: half a step of the quantiser's fraction


def meet(
    target: float,
    tolerance: float,
    attempt: Callable[[float], tuple[float, Made]],
    first: float,
    slope: float,
    unit: str,
) -> Made:
    """What `attempt` makes at the quality where its value comes within `tolerance` of `target`.

    Args:
      target: value to meet, in the unit of `attempt`'s.
      tolerance: largest difference that is accepted.
      attempt: quality 0..100 -> (value, what was made); the value rises with quality, nearly everywhere.
      first: quality to begin with.
      slope: about how much the value rises with one of quality.
      unit: of the value, for the message.

    Raises:
      ConfigError: not to be met; says what can be reached.
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
    raise ConfigError(
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
