"""Sample grids: what the networks make of a few training pictures, as one PNG."""

from pathlib import Path

import numpy as np

from dsslic_jax.classes.table import ClassTable
from dsslic_jax.system.files import write_png


def residual_picture(picture: np.ndarray, prediction: np.ndarray) -> np.ndarray:
    """x - x' of uint8 pictures, halved and centred on grey 128 so that it fits 8 bits."""
    residual = picture.astype(np.int16) - prediction.astype(np.int16)
    return (residual // 2 + 128).clip(0, 255).astype(np.uint8)


def colour_labels(labels: np.ndarray, classes: ClassTable) -> np.ndarray:
    """Label ids [..., H, W] -> their palette colours, uint8 [..., H, W, 3]."""
    return np.asarray(classes.palette, np.uint8)[labels]


def enlarge(picture: np.ndarray, height: int, width: int) -> np.ndarray:
    """uint8 [h, w, 3] repeated to [height, width, 3], so that its pixels show."""
    rows, columns = height // picture.shape[0], width // picture.shape[1]
    return picture.repeat(rows, axis=0).repeat(columns, axis=1)


def write_grid(rows: list[list[np.ndarray]], path: Path) -> None:
    """Rows of equally sized uint8 [H, W, 3] pictures -> one PNG, written whole or not at all."""
    grid = np.concatenate([np.concatenate(row, axis=1) for row in rows], axis=0)
    write_png(path, grid)
