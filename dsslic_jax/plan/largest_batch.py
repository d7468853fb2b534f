"""The largest batch that fits, found by compiling a few."""

from collections.abc import Callable
from dataclasses import dataclass

COMPILATIONS = 8  # at most, the first included; refusing takes the compiler a few seconds only


@dataclass(frozen=True)
class LargestBatch:
    """Outcome of the search, in pictures of one share of the batch."""

    fits: int  # compiled and accepted; 0 where not even one picture is
    too_large: int | None  # compiled and refused, or None where none was tried
    reserved_bytes: dict[int, int]  # by batch that was accepted


def largest_batch(
    reserved_bytes: Callable[[int], int | None], first: int, memory_bytes: int
) -> LargestBatch:
    """Searches from `first`: a line through the two largest batches that fit says which to compile next.

    `reserved_bytes` compiles a batch and returns the memory it needs, or None where it does not fit. The compiler has
    the last word: near the limit it recomputes to save memory, so that no line holds to the end.
    """
    fits: dict[int, int] = {}
    refused: int | None = None
    batch = first
    for _ in range(COMPILATIONS):
        if (reserved := reserved_bytes(batch)) is None:
            refused = batch
        else:
            fits[batch] = reserved
        following = _next(fits, refused, memory_bytes)
        if following is None:
            break
        batch = following
    return LargestBatch(max(fits, default=0), refused, fits)


def _next(fits: dict[int, int], refused: int | None, memory_bytes: int) -> int | None:
    """The batch to compile next, or None where it would tell nothing new."""
    if not fits:
        return None if refused == 1 else (refused or 2) // 2
    low = max(fits)
    if len(fits) == 1:
        guess = 2 * low
    else:
        below = max(batch for batch in fits if batch < low)
        slope = (fits[low] - fits[below]) / (low - below)
        guess = low + int((memory_bytes - fits[low]) / slope) if slope > 0 else 2 * low
    if refused is not None and guess >= refused:
        # A sixteenth is near enough: it is a plan.
        guess = (low + refused) // 2 if refused - low > max(1, low // 16) else low
    return guess if guess > low else None
