"""Padding, cropping and 8-bit values around the networks."""

from __future__ import annotations

import numpy as np
import pytest

from dsslic_jax.bundle import Bundle
from dsslic_jax.codec.padding import pad_edge
from dsslic_jax.codec.predictor import CoarsePredictor, Segmenter, padded_size
from dsslic_jax.errors import ModelError
from tests.codec.pictures import smooth_picture
from tests.model_fixture import coarse_part, segnet_part, with_weight


@pytest.fixture(scope="module")
def predictor(tiny_bundle: Bundle) -> CoarsePredictor:
    return CoarsePredictor(tiny_bundle)


def label_map(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(3).integers(0, 12, (height, width), dtype=np.uint8)


@pytest.mark.parametrize(
    ("size", "multiple", "smallest", "padded"),
    [
        ((1, 1), 8, 1, (8, 8)),
        ((1, 40), 8, 32, (32, 40)),
        ((33, 17), 8, 32, (40, 32)),
        ((64, 65), 8, 32, (64, 72)),
        ((64, 65), 32, 128, (128, 128)),
    ],
)
def test_sizes_grow_to_the_next_the_networks_take(
    size: tuple[int, int], multiple: int, smallest: int, padded: tuple[int, int]
) -> None:
    assert padded_size(*size, multiple, smallest) == padded


def test_padding_repeats_the_last_row_and_column() -> None:
    assert pad_edge(np.array([[1, 2], [3, 4]]), (3, 4)).tolist() == [
        [1, 2, 2, 2],
        [3, 4, 4, 4],
        [3, 4, 4, 4],
    ]
    assert pad_edge(np.zeros((2, 3, 3)), (2, 5)).shape == (2, 5, 3)


def test_a_compact_image_is_an_eighth_of_the_padded_picture(predictor: CoarsePredictor) -> None:
    assert predictor.compact_shape(1, 1) == (4, 4, 3)
    assert predictor.compact_shape(65, 130) == (9, 17, 3)


def test_small_pictures_are_padded_by_their_edge_and_cropped_back(
    predictor: CoarsePredictor,
) -> None:
    labels, picture = label_map(29, 30), smooth_picture(29, 30)
    padded_labels = np.pad(labels, [(0, 3), (0, 2)], mode="edge")
    padded_picture = np.pad(picture, [(0, 3), (0, 2), (0, 0)], mode="edge")
    compact = predictor.compress(labels, picture)
    assert compact.dtype == np.uint8 and compact.shape == (4, 4, 3)
    np.testing.assert_array_equal(compact, predictor.compress(padded_labels, padded_picture))
    whole = predictor.predict(padded_labels, compact)
    for part, part_of_padded in zip(predictor.predict(labels, compact), whole, strict=True):
        assert part.dtype == np.uint8 and part.shape == (29, 30, 3)
        np.testing.assert_array_equal(part, part_of_padded[:29, :30])


def test_the_prediction_follows_compact_image_and_labels(predictor: CoarsePredictor) -> None:
    labels = label_map(32, 32)
    flat = np.full((4, 4, 3), 77, np.uint8)
    upsampled, coarse = predictor.predict(labels, flat)
    assert (upsampled == 77).all()  # a flat image stays what it is through 8 bits and back
    assert (coarse != upsampled).any()
    upsampled_of_other, coarse_of_other = predictor.predict(11 - labels, flat)
    np.testing.assert_array_equal(upsampled_of_other, upsampled)
    assert (coarse_of_other != coarse).any()


def test_the_compact_image_follows_picture_and_labels(predictor: CoarsePredictor) -> None:
    labels, picture = label_map(32, 32), smooth_picture(32, 32)
    compact = predictor.compress(labels, picture)
    assert (predictor.compress(labels, 255 - picture) != compact).any()
    assert (predictor.compress(11 - labels, picture) != compact).any()


def test_segnet_never_answers_void(tiny_bundle: Bundle) -> None:
    (void,) = tiny_bundle.classes.void_ids
    preference = np.zeros(12, np.float32)
    preference[void], preference[4] = 2000.0, 1000.0
    wants_void = with_weight(tiny_bundle, "segnet/params/logits/bias", preference)
    labels = Segmenter(wants_void)(smooth_picture(1, 9))
    assert labels.dtype == np.uint8 and labels.shape == (1, 9)
    assert (labels == 4).all()


def test_what_a_model_directory_does_not_hold_is_named(tiny_bundle: Bundle) -> None:
    with pytest.raises(ModelError, match=r"--labels.*dsslic join"):
        Segmenter(coarse_part(tiny_bundle))
    with pytest.raises(ModelError, match="no coarse model, only a SegNet"):
        CoarsePredictor(segnet_part(tiny_bundle))
