"""Pictures as networks run them: padded to a ladder of sizes, large ones in overlapping windows of one size.

Pictures are padded by repeating their edge, never resized, and cropped back, so that pictures of many sizes share few
compiled programs.
"""

import numpy as np

from dsslic_jax.codec.tiles import Tile, pad_edge, windows

WINDOW_FEATURES = 1 << 26  # of the widest layer at full scale: what a window's memory goes by
_SMALLEST_STEP = 32


def padded_side(side: int, multiple: int) -> int:
    """The next rung of the ladder: multiples of 32 up to 256, then of an eighth of the power of two below."""
    step = max(multiple, _SMALLEST_STEP, (1 << side.bit_length() - 1) // 8)
    return -(-side // step) * step


def padded_windows(
    size: tuple[int, ...], multiple: int, least: int, radius: int | None, width: int
) -> list[tuple[Tile, Tile, Tile]]:
    """Windows of a picture of `size`, padded to the ladder of sizes: (window, core of the picture, core in it).

    Sides that the network takes are multiples of `multiple`, at least `least`. `radius`: pixels around it that a pixel
    of the result depends on; None: one window, the whole picture. `width`: features a pixel of its widest layer.
    """
    sides = [padded_side(max(side, least), multiple) for side in size]
    core, margin = max(sides), 0
    if radius is not None:
        margin = -(-radius // multiple) * multiple
        window = int((WINDOW_FEATURES / width) ** 0.5) // multiple * multiple
        core = max(window - 2 * margin, multiple)
    return [
        (window, (rows, columns), inner)
        for window, (rows, columns), inner in windows(sides[0], sides[1], core, margin)
        if rows.start < size[0] and columns.start < size[1]  # not in the padding alone
    ]


def cut(array: np.ndarray, tile: Tile) -> np.ndarray:
    """The tile of an array, which may end before the tile does: its edge is repeated."""
    size = (tile[0].stop - tile[0].start, tile[1].stop - tile[1].start)
    return pad_edge(array[tile], size)


def paste(array: np.ndarray, tile: Tile, piece: np.ndarray) -> None:
    """Writes a piece to its tile, as far as the array goes."""
    target = array[tile]
    target[...] = piece[: target.shape[0], : target.shape[1]]


def scaled(tile: Tile, divisor: int) -> Tile:
    """The tile on a grid `divisor` times coarser."""
    rows, columns = (slice(side.start // divisor, side.stop // divisor) for side in tile)
    return rows, columns
