"""Padding, cropping and 8-bit values around the networks."""

import jax
import numpy as np
import pytest

from dsslic_jax.bundle.model import Bundle
from dsslic_jax.codec.networks import padded_windows
from dsslic_jax.codec.networks import segmenter as segmenter_module
from dsslic_jax.codec.networks.coarse import CoarsePredictor
from dsslic_jax.codec.networks.segmenter import Segmenter
from dsslic_jax.codec.tiles import pad_edge
from dsslic_jax.errors import ModelError
from tests.codec.pictures import smooth_picture
from tests.model_fixture import coarse_part, make_bundle, segnet_part, with_weight


@pytest.fixture(scope="module")
def predictor(tiny_bundle: Bundle) -> CoarsePredictor:
    return CoarsePredictor(tiny_bundle)


def label_map(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(3).integers(0, 12, (height, width), dtype=np.uint8)


def test_padding_repeats_the_last_row_and_column() -> None:
    assert pad_edge(np.array([[1, 2], [3, 4]]), (3, 4)).tolist() == [
        [1, 2, 2, 2],
        [3, 4, 4, 4],
        [3, 4, 4, 4],
    ]
    assert pad_edge(np.zeros((2, 3, 3)), (2, 5)).shape == (2, 5, 3)


def test_a_compact_image_covers_the_picture_at_an_eighth(predictor: CoarsePredictor) -> None:
    assert predictor.compact_shape(1, 1) == (1, 1, 3)
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
    coarse = predictor.predict(labels, compact)
    assert coarse.dtype == np.uint8 and coarse.shape == (29, 30, 3)
    of_padded = predictor.predict(padded_labels, compact)
    np.testing.assert_array_equal(coarse, of_padded[:29, :30])


def test_the_prediction_follows_compact_image_and_labels(predictor: CoarsePredictor) -> None:
    labels = label_map(32, 32)
    flat = np.full((4, 4, 3), 77, np.uint8)
    upsampled = predictor.upsample(flat, 32, 32)
    assert (upsampled == 77).all()  # a flat image stays what it is through 8 bits and back
    coarse = predictor.predict(labels, flat)
    assert (coarse != upsampled).any()
    assert (predictor.predict(11 - labels, flat) != coarse).any()


def test_the_compact_image_follows_picture_and_labels(predictor: CoarsePredictor) -> None:
    labels, picture = label_map(32, 32), smooth_picture(32, 32)
    compact = predictor.compress(labels, picture)
    assert (predictor.compress(labels, 255 - picture) != compact).any()
    assert (predictor.compress(11 - labels, picture) != compact).any()


def windowed(monkeypatch: pytest.MonkeyPatch, bundle: Bundle, features: int) -> CoarsePredictor:
    monkeypatch.setattr(padded_windows, "WINDOW_FEATURES", features)
    return CoarsePredictor(bundle)


@pytest.mark.parametrize("norm", ["batch", "none"])
def test_windows_give_what_the_whole_picture_gives(
    norm: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = make_bundle(norm=norm, colour="ycbcr")
    # The poster's initialisation hardly changes anything without a norm: make the answer worth comparing.
    weights = {n: w * (6 if n.endswith("kernel") else 1) for n, w in bundle.weights.items()}
    bundle = bundle.with_weights(weights)
    labels, picture = label_map(200, 264), smooth_picture(200, 264)
    whole = CoarsePredictor(bundle)
    compact = whole.compress(labels, picture)
    told: list[tuple[str, int, int]] = []
    # Width 4: windows of 128 a side, so cores are that less the margins.
    in_windows = windowed(monkeypatch, bundle, 4 * 128**2)
    made = in_windows.compress(labels, picture, lambda *step: told.append(step))
    assert told[-1][0] == "compact image" and told[-1][2] > 4
    apart = np.abs(made.astype(int) - compact)
    assert apart.max() <= 1 and (apart > 0).mean() < 0.01
    coarse, coarse_in_windows = (
        each.predict(labels, compact).astype(int) for each in (whole, in_windows)
    )
    assert np.abs(coarse - whole.upsample(compact, 200, 264)).max() > 8
    assert np.abs(coarse - coarse_in_windows).max() <= 1
    assert (coarse != coarse_in_windows).mean() < 0.01
    for each in (whole, in_windows):
        np.testing.assert_array_equal(
            each.upsample(compact, 200, 264), whole.upsample(compact, 200, 264)
        )


def test_a_norm_over_the_whole_picture_is_never_cut_into_windows(
    tiny_bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    labels, picture = label_map(200, 264), smooth_picture(200, 264)
    told: list[tuple[str, int, int]] = []
    predictor = windowed(monkeypatch, tiny_bundle, 4 * 128**2)
    predictor.compress(labels, picture, lambda *step: told.append(step))
    assert told == [("compact image", 0, 1)]


def test_devices_give_the_same_picture(tiny_bundle: Bundle) -> None:
    labels, picture = label_map(32, 32), smooth_picture(32, 32)
    first, last = (
        CoarsePredictor(tiny_bundle, device=device)
        for device in (jax.devices()[0], jax.devices()[-1])
    )
    compact = first.compress(labels, picture)
    np.testing.assert_array_equal(compact, last.compress(labels, picture))
    np.testing.assert_array_equal(first.predict(labels, compact), last.predict(labels, compact))


def test_a_large_picture_is_segmented_at_a_smaller_scale(
    tiny_bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    segmenter = Segmenter(tiny_bundle)
    small = smooth_picture(32, 32)
    enlarged = small.repeat(3, 0).repeat(3, 1)[:95, :94]
    monkeypatch.setattr(segmenter_module, "SEGMENTED_PIXELS", 32 * 32)
    labels = segmenter(enlarged)
    assert labels.shape == (95, 94) and labels.dtype == np.uint8
    np.testing.assert_array_equal(labels, segmenter(small).repeat(3, 0).repeat(3, 1)[:95, :94])


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
    with pytest.raises(ModelError, match="has no CompNet and FineNet, it holds SegNet"):
        CoarsePredictor(segnet_part(tiny_bundle))
