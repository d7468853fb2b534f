"""Agreement of label maps against hand counts."""

import math

import numpy as np
import pytest

from dsslic_jax.metrics import confusion_matrix, mean_iou

LABELS = np.array([[0, 0, 1], [1, 2, 3]], np.uint8)
PREDICTED = np.array([[0, 1, 1], [1, 3, 0]], np.uint8)  # class 3 is void


def test_confusion_matrix_leaves_out_void_truth_and_keeps_void_predictions() -> None:
    expected = [[1, 1, 0, 0], [0, 2, 0, 0], [0, 0, 0, 1], [0, 0, 0, 0]]
    np.testing.assert_array_equal(confusion_matrix(PREDICTED, LABELS, 4, void_ids=(3,)), expected)


def test_mean_iou_matches_the_hand_count() -> None:
    confusion = confusion_matrix(PREDICTED, LABELS, 4, void_ids=(3,))
    # class 0: 1 of {2 true + 0 false} = 1/2; class 1: 2 of {2 + 1} = 2/3; class 2: 0 of 1.
    assert mean_iou(confusion, void_ids=(3,)) == pytest.approx((1 / 2 + 2 / 3 + 0) / 3)


def test_mean_iou_sums_counts_over_pictures_before_dividing() -> None:
    whole = np.zeros((2, 8), np.uint8)
    predicted = whole.copy()
    predicted[:, 6:] = 1
    summed = confusion_matrix(predicted[:, :6], whole[:, :6], 2)
    summed = summed + confusion_matrix(predicted[:, 6:], whole[:, 6:], 2)
    assert mean_iou(summed) == pytest.approx((12 / 16 + 0) / 2)


def test_mean_iou_leaves_out_classes_that_never_occur() -> None:
    labels = np.array([[4, 4]], np.uint8)
    assert mean_iou(confusion_matrix(labels, labels, 9)) == 1.0


def test_mean_iou_of_nothing_but_void_is_undefined() -> None:
    labels = np.full((2, 2), 3, np.uint8)
    assert math.isnan(mean_iou(confusion_matrix(labels, labels, 4, void_ids=(3,)), void_ids=(3,)))


def test_class_ids_beyond_the_table_and_mismatched_maps_are_refused() -> None:
    with pytest.raises(ValueError, match="class id 3"):
        confusion_matrix(PREDICTED, LABELS, 3)
    with pytest.raises(ValueError, match="shapes differ"):
        confusion_matrix(PREDICTED[:1], LABELS, 4)
    with pytest.raises(ValueError, match="int64"):
        confusion_matrix(PREDICTED.astype(np.int64), LABELS, 4)
    with pytest.raises(ValueError, match="square"):
        mean_iou(np.zeros((2, 3), np.int64))
