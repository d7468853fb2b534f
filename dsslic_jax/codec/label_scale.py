"""Cheaper label maps: at a coarser scale, one sample for each block of pixels, or without small regions."""

import numpy as np

from dsslic_jax.errors import ConfigError

LABEL_SCALES = (1, 2, 4, 8, 16, 32)  # pixels a side of a block; by their log2 in the stream
_ROWS = 256  # of pixels at a time: a multiple of every scale


def coarse_shape(height: int, width: int, scale: int) -> tuple[int, int]:
    """Rows and columns of blocks of scale x scale pixels that cover a picture."""
    return -(-height // scale), -(-width // scale)


def coarse_labels(labels: np.ndarray, scale: int) -> np.ndarray:
    """uint8 [H, W] -> the most frequent label of each block, the lowest of those as frequent: uint8 of `coarse_shape`.

    `scale` is one of LABEL_SCALES; of 1 makes `labels` themselves. Blocks that the border cuts count what they have.
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


def simplify(labels: np.ndarray, loss: float) -> np.ndarray:
    """s with its smallest connected regions merged into what surrounds them.

    Regions (4-connected) go smallest first; each of their pixels takes the label of the nearest pixel that stays.

    `loss` is the largest share of pixels that may change, 0 <= loss < 1; of 0 makes `labels` themselves. Raises
    ConfigError for another.
    """
    if not 0 <= loss < 1:
        raise ConfigError(f"the loss of labels is a share of the pixels, 0 to below 1, not {loss}")
    if not loss:
        return labels
    from scipy import ndimage

    regions = np.zeros(labels.shape, np.int32)
    count = 0
    for class_id in np.unique(labels):
        numbered, found = ndimage.label(labels == class_id)
        regions += np.where(numbered, numbered + count, 0)
        count += found
    sizes = np.bincount(regions.ravel(), minlength=count + 1)
    ascending = 1 + np.argsort(sizes[1:], kind="stable")
    affordable = np.cumsum(sizes[ascending]) <= loss * labels.size
    region_goes = np.zeros(count + 1, bool)
    region_goes[ascending[affordable]] = True
    goes = region_goes[regions]
    nearest = ndimage.distance_transform_edt(goes, return_distances=False, return_indices=True)
    return labels[tuple(nearest)]
