"""Maps of where a decoded picture differs from the original, computed from the decoded pixels themselves."""

import numpy as np

from dsslic_jax.report.pictures.images import palette_png

STEPS = 32
_TICKS = 5
MOST_LEVELS = 32  # the last colour stands for this error and all above
# Dark blue over magenta and orange to light yellow: ever lighter, so that it reads without colour too.
_ANCHOR_COLOURS = ((13, 16, 52), (98, 26, 120), (190, 54, 84), (243, 130, 38), (252, 246, 178))


def block_rms(a: np.ndarray, b: np.ndarray, block: int) -> np.ndarray:
    """Root mean square difference of each block of pixels of two uint8 [H, W, 3], over R, G and B.

    Returns float64 [ceil(H / block), ceil(W / block)], 0..255; the last row and column of blocks may be cut.
    """
    squares = np.square(a.astype(np.float64) - b).sum(axis=2)
    rows = np.arange(0, squares.shape[0], block)
    columns = np.arange(0, squares.shape[1], block)
    sums = np.add.reduceat(np.add.reduceat(squares, rows, axis=0), columns, axis=1)
    heights = np.diff(rows, append=squares.shape[0])
    widths = np.diff(columns, append=squares.shape[1])
    return np.sqrt(sums / (3 * np.outer(heights, widths)))


def map_png(errors: np.ndarray) -> bytes:
    """Errors [h, w] in levels of 255 as a PNG of `colours()`: the root of the error, so that small ones show."""
    steps = np.sqrt(np.minimum(errors, MOST_LEVELS) / MOST_LEVELS) * (STEPS - 1)
    return palette_png(np.round(steps).astype(np.uint8), colours())


def colours() -> list[tuple[int, int, int]]:
    """The STEPS colours of a map, (red, green, blue) from no error to MOST_LEVELS."""
    anchors = np.array(_ANCHOR_COLOURS, np.float64)
    at = np.linspace(0, len(anchors) - 1, STEPS)
    channels = [np.interp(at, np.arange(len(anchors)), channel) for channel in anchors.T]
    return [(round(r), round(g), round(b)) for r, g, b in zip(*channels, strict=True)]


def ticks() -> list[str]:
    """Labels for the scale of `colours()`, evenly spaced along it."""
    shares = np.linspace(0, 1, _TICKS)
    return [f"{MOST_LEVELS * share**2:g}" for share in shares[:-1]] + [f"{MOST_LEVELS} or more"]
