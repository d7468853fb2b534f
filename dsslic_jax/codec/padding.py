"""Growing pictures to the sizes that networks and coders take; never resizing."""

from __future__ import annotations

import numpy as np


def pad_edge(array: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """[H, W] or [H, W, C] grown to `size` = (height, width) at the bottom and right, repeating the edge."""
    widths = [(0, size[0] - array.shape[0]), (0, size[1] - array.shape[1])]
    return np.pad(array, widths + [(0, 0)] * (array.ndim - 2), mode="edge")
