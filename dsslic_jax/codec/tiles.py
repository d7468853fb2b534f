"""Pictures cut into tiles for the residual's coder and into overlapping windows for the networks, or padded."""

from collections.abc import Iterator

import numpy as np

Tile = tuple[slice, slice]  # rows, columns


def tiles(height: int, width: int, side: int) -> list[Tile]:
    """The picture cut into tiles of at most side x side, row by row."""
    return [
        (slice(y, min(y + side, height)), slice(x, min(x + side, width)))
        for y in range(0, height, side)
        for x in range(0, width, side)
    ]


def grown(tile: Tile, margin: int, height: int, width: int) -> tuple[Tile, Tile]:
    """The tile with `margin` more on each side as far as the picture goes, and where the tile lies in it."""
    outer, inner = [], []
    for piece, side in zip(tile, (height, width), strict=True):
        start = max(piece.start - margin, 0)
        outer.append(slice(start, min(piece.stop + margin, side)))
        inner.append(slice(piece.start - start, piece.stop - start))
    return (outer[0], outer[1]), (inner[0], inner[1])


def windows(height: int, width: int, side: int, margin: int) -> Iterator[tuple[Tile, Tile, Tile]]:
    """Windows of one size for a network that sees `margin` pixels around each pixel.

    Yields (window, core in the picture, core in the window). The cores are disjoint and cover the picture; each
    lies at least `margin` inside its window, save at the picture's own border. A window is `side` + 2 `margin`
    a side, or the whole picture where that is smaller: all have one shape, so a network compiles once.
    """
    for rows, row_core, row_inner in _spans(height, side, margin):
        for columns, column_core, column_inner in _spans(width, side, margin):
            yield (rows, columns), (row_core, column_core), (row_inner, column_inner)


def _spans(length: int, side: int, margin: int) -> list[tuple[slice, slice, slice]]:
    size = min(side + 2 * margin, length)
    spans = []
    core = 0
    while core < length:
        start = min(max(core - margin, 0), length - size)
        stop = length if start + size == length else start + size - margin
        inner = slice(core - start, stop - start)
        spans.append((slice(start, start + size), slice(core, stop), inner))
        core = stop
    return spans


def pad_edge(array: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """[H, W] or [H, W, C] grown to `size` = (height, width) at the bottom and right, repeating the edge."""
    widths = [(0, size[0] - array.shape[0]), (0, size[1] - array.shape[1])]
    return np.pad(array, widths + [(0, 0)] * (array.ndim - 2), mode="edge")
