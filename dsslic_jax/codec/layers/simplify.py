"""Cheaper label maps: small regions are given to their neighbours until a chosen share of the pixels has changed."""

from __future__ import annotations

import numpy as np

from dsslic_jax.errors import ConfigError


def simplify(labels: np.ndarray, loss: float) -> np.ndarray:
    """s with its smallest connected regions merged into what surrounds them.

    Regions (4-connected) go smallest first; each of their pixels takes the label of the nearest pixel that stays.

    Args:
      labels: uint8 [H, W].
      loss: the largest share of pixels that may change, 0 <= loss < 1.

    Returns:
      uint8 [H, W]; `labels` itself where loss is 0.

    Raises:
      ConfigError: loss out of range.
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
