"""Pictures and label maps stay aligned through resizing, cropping and mirroring."""

import numpy as np
import pytest
from ml_collections import ConfigDict

from dsslic_jax.classes.table import class_table
from dsslic_jax.data.elements import Element
from dsslic_jax.data.settings import DataSettings
from dsslic_jax.data.transforms import augmented, mirrored, resized, stacked
from dsslic_jax.errors import ConfigError, DataError
from tests.data.conftest import settings_of


def coordinates(height: int, width: int) -> Element:
    """A picture whose red is the row and green the column; the label is (row + column) mod 7."""
    row, column = np.mgrid[0:height, 0:width].astype(np.uint8)
    image = np.stack([row, column, np.zeros_like(row)], axis=-1)
    return Element(image=image, labels=((row + column) % 7).astype(np.uint8), name="grid")


def is_aligned(element: Element) -> bool:
    row, column = element["image"][..., 0].astype(int), element["image"][..., 1].astype(int)
    return bool(((row + column) % 7 == element["labels"]).all())


def framing(**changes: object) -> DataSettings:
    settings = {"resize": None, "scale": (1.0, 1.0), "crop": (16, 24), "flip": False}
    return DataSettings(**{**settings, **changes})  # type: ignore[arg-type]


def test_random_crop_keeps_picture_and_labels_aligned() -> None:
    rng = np.random.default_rng(0)
    views = [augmented(coordinates(40, 60), framing(), rng) for _ in range(200)]
    assert all(view["image"].shape == (16, 24, 3) and is_aligned(view) for view in views)
    tops = {int(view["image"][0, 0, 0]) for view in views}
    lefts = {int(view["image"][0, 0, 1]) for view in views}
    assert tops == set(range(40 - 16 + 1))
    assert lefts == set(range(60 - 24 + 1))


def test_flip_happens_about_half_of_the_time_and_keeps_alignment() -> None:
    rng = np.random.default_rng(0)
    views = [augmented(coordinates(16, 24), framing(flip=True), rng) for _ in range(200)]
    flipped = [view["image"][0, 0, 1] == 23 for view in views]
    assert all(is_aligned(view) for view in views)
    assert 70 < sum(flipped) < 130


def test_labels_are_hidden_as_often_as_asked_and_the_element_stays_as_it_was() -> None:
    rng, element = np.random.default_rng(0), coordinates(16, 24)
    hiding = framing(crop=None, unlabelled=0.25, classes="camvid")
    void = class_table("camvid").unlabelled_id
    views = [augmented(element, hiding, rng) for _ in range(200)]
    hidden = [bool((view["labels"] == void).all()) for view in views]
    assert 30 < sum(hidden) < 70
    assert all(is_aligned(view) for view, h in zip(views, hidden, strict=True) if not h)
    assert is_aligned(element)


def test_mirrored_exchanges_left_and_right() -> None:
    element = coordinates(3, 5)
    np.testing.assert_array_equal(mirrored(element)["image"][1, :, 1], [4, 3, 2, 1, 0])
    np.testing.assert_array_equal(mirrored(element)["labels"][0], [4, 3, 2, 1, 0])


def test_whole_picture_is_kept_without_crop() -> None:
    element = coordinates(11, 13)
    view = augmented(element, framing(crop=None), np.random.default_rng(0))
    np.testing.assert_array_equal(view["image"], element["image"])
    np.testing.assert_array_equal(view["labels"], element["labels"])


def test_labels_are_resized_to_the_nearest() -> None:
    labels = np.array([[1, 9], [4, 2]], np.uint8)
    element = Element(image=np.zeros((2, 2, 3), np.uint8), labels=labels, name="x")
    doubled = resized(element, (4, 4))["labels"]
    np.testing.assert_array_equal(doubled, labels.repeat(2, 0).repeat(2, 1))
    np.testing.assert_array_equal(resized(element, (6, 2))["labels"], labels.repeat(3, 0))


def test_reduced_picture_is_antialiased() -> None:
    stripes = np.zeros((32, 32, 3), np.uint8)
    stripes[:, ::2] = 255
    element = Element(image=stripes, labels=np.zeros((32, 32), np.uint8), name="x")
    reduced = resized(element, (8, 8))["image"][2:-2, 2:-2].astype(int)
    assert abs(reduced - 127.5).max() < 20


def test_resized_edges_of_picture_and_labels_meet() -> None:
    image = np.zeros((30, 40, 3), np.uint8)
    image[:, 25:] = 255
    element = Element(image=image, labels=image[..., 0] // 255, name="x")
    for size in ((60, 80), (45, 60), (20, 29)):
        view = resized(element, size)
        np.testing.assert_array_equal(view["image"][..., 0] > 127, view["labels"] == 1)


@pytest.mark.parametrize(
    ("resize", "expected"),
    [(None, (40, 60)), (20, (20, 30)), ((24, 48), (24, 48)), (80, (80, 120))],
)
def test_resize_is_a_shorter_side_or_a_size(
    resize: int | tuple[int, int] | None, expected: tuple[int, int]
) -> None:
    view = augmented(
        coordinates(40, 60), framing(resize=resize, crop=None), np.random.default_rng(0)
    )
    assert view["labels"].shape == expected
    upright = augmented(
        coordinates(60, 40), framing(resize=20, crop=None), np.random.default_rng(0)
    )
    assert upright["labels"].shape == (30, 20)


@pytest.mark.parametrize(("height", "width"), [(8, 100), (100, 8), (5, 5), (16, 23), (15, 24)])
def test_picture_smaller_than_the_crop_is_enlarged(height: int, width: int) -> None:
    rng = np.random.default_rng(0)
    for view in (
        augmented(coordinates(height, width), framing(), rng),
        augmented(coordinates(height, width), framing(scale=(0.1, 0.5)), rng),
    ):
        assert view["image"].shape == (16, 24, 3)
        assert view["labels"].shape == (16, 24)


def test_sliver_is_not_enlarged_beyond_the_pixel_limit() -> None:
    sliver = Element(
        image=np.zeros((1, 30_000, 3), np.uint8), labels=np.zeros((1, 30_000), np.uint8), name="s"
    )
    with pytest.raises(DataError, match="s: 30000x1 pixels would become 3000000x100"):
        augmented(sliver, framing(crop=(100, 100)), np.random.default_rng(0))


def test_random_scale_spans_its_range() -> None:
    rng = np.random.default_rng(0)
    view = framing(scale=(0.5, 2.0), crop=None)
    heights = [augmented(coordinates(40, 60), view, rng)["labels"].shape[0] for _ in range(100)]
    assert 20 <= min(heights) < 30
    assert 70 < max(heights) <= 80


def test_stacked_batch_drops_names_and_keeps_order() -> None:
    batch = stacked([coordinates(4, 5), mirrored(coordinates(4, 5))])
    assert set(batch) == {"image", "labels"}
    assert batch["image"].shape == (2, 4, 5, 3)
    assert batch["labels"].shape == (2, 4, 5)
    assert batch["image"][:, 0, 0, 1].tolist() == [0, 4]


def test_pictures_of_two_sizes_cannot_share_a_batch() -> None:
    with pytest.raises(DataError, match=r"set data\.crop"):
        stacked([coordinates(4, 5), coordinates(5, 4)])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"crop": (0, 32)}, "data.crop"),
        ({"crop": (32, 32, 3)}, "data.crop"),
        ({"resize": 0}, "data.resize"),
        ({"resize": (64, -1)}, "data.resize"),
        ({"scale": (0.0, 1.0)}, "data.scale"),
        ({"scale": (2.0, 1.0)}, "data.scale"),
    ],
)
def test_impossible_framing_is_refused(
    data_config: ConfigDict, change: dict[str, object], message: str
) -> None:
    data_config.update(change)
    with pytest.raises(ConfigError, match=message):
        settings_of(data_config)
