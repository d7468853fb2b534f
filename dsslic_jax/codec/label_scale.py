"""Label maps at a coarser scale: one sample for each block of pixels, and back by repeating."""

from __future__ import annotations

import numpy as np

LABEL_SCALES = (1, 2, 4, 8, 16, 32)  # pixels a side of a block; by their log2 in the stream
_ROWS = 256  # of pixels at a time: a multiple of every scale


def coarse_shape(height: int, width: int, scale: int) -> tuple[int, int]:
    """Rows and columns of blocks of scale x scale pixels that cover a picture."""
    return -(-height // scale), -(-width // scale)


def coarse_labels(labels: np.ndarray, scale: int) -> np.ndarray:
    """The most frequent label of each block, the lowest of those as frequent.

    Args:
      labels: uint8 [H, W].
      scale: one of LABEL_SCALES. Blocks that the border cuts count the pixels that they have.

    Returns:
      uint8 of `coarse_shape`; `labels` itself for scale 1.
    """
    if scale == 1:
        return labels
    height, width = labels.shape
    coarse = np.empty(coarse_shape(height, width, scale), np.uint8)
    columns = np.arange(0, width, scale)
    for row in range(0, height, _ROWS):
        band = labels[row : row + _ROWS]
        made = coarse[row // scale : (row + _ROWS) // scale]
        rows = np.arange(0, len(band), scale)
        most = np.zeros(made.shape, np.uint16)
        for label in np.flatnonzero(np.bincount(band.ravel())):
            in_rows = np.add.reduceat(band == label, columns, axis=1, dtype=np.uint16)
            pixels = np.add.reduceat(in_rows, rows, axis=0, dtype=np.uint16)
            made[pixels > most] = label
            np.maximum(most, pixels, out=most)
    return coarse


def repeated(labels: np.ndarray, scale: int, height: int, width: int) -> np.ndarray:
    """The inverse as far as there is one: each sample of a map of `coarse_shape` fills its block, uint8 [H, W]."""
    for axis, side in enumerate((height, width) if scale > 1 else ()):
        counts = np.full(labels.shape[axis], scale)
        counts[-1] = side - scale * (len(counts) - 1)
        labels = labels.repeat(counts, axis)
    return labels
