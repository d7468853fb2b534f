"""Agreement of a predicted label map with the truth: pixel counts and mean intersection over union."""

import math
from collections.abc import Collection

import numpy as np


def confusion_matrix(
    predicted: np.ndarray, labels: np.ndarray, num_classes: int, void_ids: Collection[int] = ()
) -> np.ndarray:
    """Pixel counts of one label map against the truth; add the matrices of several pictures.

    Args:
        predicted: uint8 [H, W] class ids.
        labels: uint8 [H, W] true class ids; pixels whose true class is void are left out.
        num_classes: K, void classes included.
        void_ids: class ids that stand for "not labelled".

    Returns:
        int64 [K, K]: entry [t, p] counts pixels of true class t that were called p.

    Raises:
        ValueError: shapes or types differ from the above, or an id is not below K.
    """
    for name, ids in (("predicted", predicted), ("labels", labels)):
        if ids.dtype != np.uint8 or ids.ndim != 2:
            raise ValueError(f"{name} must be uint8 [H, W], not {ids.dtype} {list(ids.shape)}")
        if ids.size and int(ids.max()) >= num_classes:
            raise ValueError(f"{name} holds class id {ids.max()}, but there are {num_classes}")
    if predicted.shape != labels.shape:
        raise ValueError(f"shapes differ: {list(predicted.shape)} and {list(labels.shape)}")
    is_counted = ~np.isin(labels, list(void_ids))
    pairs = labels[is_counted].astype(np.int64) * num_classes + predicted[is_counted]
    return np.bincount(pairs, minlength=num_classes**2).reshape(num_classes, num_classes)


def mean_iou(confusion: np.ndarray, void_ids: Collection[int] = ()) -> float:
    """Mean over classes of intersection over union, in [0, 1]; `nan` when no class is left.

    Void classes, and classes neither present nor predicted, are left out; calling a labelled pixel void is an error of
    its true class.

    Args:
        confusion: int64 [K, K], the sum of `confusion_matrix` over the pictures: a class that is rare in one picture
            weighs no more than its pixels.
        void_ids: class ids that stand for "not labelled".

    Raises:
        ValueError: the matrix is not square.
    """
    if confusion.ndim != 2 or confusion.shape[0] != confusion.shape[1]:
        raise ValueError(f"a confusion matrix is square, not {list(confusion.shape)}")
    intersection = np.diagonal(confusion)
    union = confusion.sum(axis=0) + confusion.sum(axis=1) - intersection
    is_scored = union > 0
    is_scored[list(void_ids)] = False
    if not is_scored.any():
        return math.nan
    return float(np.mean(intersection[is_scored] / union[is_scored]))
