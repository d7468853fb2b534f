"""Coded pairs: every picture at every strength, cut out together, never resampled."""

import shutil
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from ml_collections import ConfigDict
from PIL import Image

from dsslic_jax.data.elements import Element
from dsslic_jax.data.pipeline import train_iterator
from dsslic_jax.data.settings import DataSettings
from dsslic_jax.data.sources import open_source
from dsslic_jax.data.transforms import augmented, centred
from dsslic_jax.errors import ConfigError, DataError
from tests.data.conftest import settings_of

FolderConfig = Callable[..., ConfigDict]
WritePairs = Callable[..., Path]


def write_decoded(root: Path, strengths: tuple[int, ...]) -> Path:
    """Each picture's grey levels plus the strength, modulo 256, as what was decoded."""
    for path in (root / "train/images").iterdir():
        with Image.open(path) as image:
            pixels = np.asarray(image)
        for strength in strengths:
            folder = root / "train/decoded" / str(strength)
            folder.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels + np.uint8(strength)).save(folder / path.name)
    return root


@pytest.fixture
def coded_config(folder_config: FolderConfig, write_pairs: WritePairs) -> ConfigDict:
    """Three pictures of 40 x 24 pixels at strengths 7 and 100."""
    root = write_decoded(write_pairs(), (100, 7))
    return folder_config(root, kind="coded", crop=(16, 16))


def test_each_picture_comes_at_each_strength_once(coded_config: ConfigDict) -> None:
    source = open_source(settings_of(coded_config), "train")
    elements = [source[index] for index in range(len(source))]
    found = [(element["name"], int(element["strength"])) for element in elements]
    assert found == [
        (f"p{i} at strength {strength}", strength) for i in range(3) for strength in (7, 100)
    ]
    for element in elements:
        expected = element["image"] + element["strength"]
        np.testing.assert_array_equal(element["decoded"], expected)
        assert element["strength"].dtype == np.uint8
    with Image.open(Path(coded_config.root, "train/labels/p1.png")) as labels:
        np.testing.assert_array_equal(elements[2]["labels"], np.asarray(labels))


def test_without_label_maps_labels_are_void(coded_config: ConfigDict) -> None:
    shutil.rmtree(Path(coded_config.root, "train/labels"))
    assert (
        open_source(settings_of(coded_config), "train")[0]["labels"] == 11
    ).all()  # CamVid's void


def test_batches_hold_both_pictures_and_the_strength(coded_config: ConfigDict) -> None:
    stream = train_iterator(settings_of(coded_config), batch_size=3, seed=1)
    batches = list(islice(stream, 4))
    stream.close()
    for batch in batches:
        assert batch["decoded"].shape == batch["image"].shape == (3, 16, 16, 3)
        assert batch["labels"].shape == (3, 16, 16)
        assert (batch["strength"].shape, batch["strength"].dtype) == ((3,), np.uint8)
        expected = batch["image"] + batch["strength"][:, None, None, None]
        np.testing.assert_array_equal(batch["decoded"], expected)
    assert (
        sorted(np.concatenate([batch["strength"] for batch in batches[:2]])) == [7] * 3 + [100] * 3
    )
    resumed = train_iterator(settings_of(coded_config), batch_size=3, seed=1, start=2)
    for key, array in next(resumed).items():
        np.testing.assert_array_equal(array, batches[2][key])
    resumed.close()


def grid(height: int, width: int) -> Element:
    """A coded pair whose red is the row and green the column, in both pictures."""
    row, column = np.mgrid[0:height, 0:width].astype(np.uint8)
    image = np.stack([row, column, np.zeros_like(row)], axis=-1)
    labels, strength = row % 2, np.uint8(9)
    return Element(image=image, labels=labels, name="g", decoded=image, strength=strength)


def test_crops_begin_at_even_places_all_of_them() -> None:
    framing = DataSettings(kind="coded", crop=(16, 24), flip=True)
    rng = np.random.default_rng(0)
    views = [augmented(grid(23, 33), framing, rng) for _ in range(300)]
    begin = {(int(v["image"][0, 0, 0]), int(v["image"][..., 1].min())) for v in views}
    assert begin == {(y, x) for y in (0, 2, 4, 6) for x in (0, 2, 4, 6, 8)}
    assert 100 < sum(view["image"][0, 0, 1] > view["image"][0, 1, 1] for view in views) < 200
    for view in [*views, centred(grid(23, 33), framing)]:
        np.testing.assert_array_equal(view["decoded"], view["image"])
        np.testing.assert_array_equal(view["labels"], view["image"][..., 0] % 2)
        assert view["image"].shape == (16, 24, 3)
        assert view["image"][..., :2].min(axis=(0, 1)).max() % 2 == 0


def test_a_picture_smaller_than_the_crop_is_refused(coded_config: ConfigDict) -> None:
    coded_config.crop = (32, 32)
    element = open_source(settings_of(coded_config), "train")[0]
    with pytest.raises(DataError, match="p0 at strength 7: 40x24 pixels are too few"):
        augmented(element, settings_of(coded_config), np.random.default_rng(0))


@pytest.mark.parametrize("change", [{"scale": (0.5, 1.0)}, {"resize": 24}])
def test_coded_pictures_are_not_resampled(
    coded_config: ConfigDict, change: dict[str, object]
) -> None:
    coded_config.update(change)
    with pytest.raises(ConfigError, match=r"leave data\.resize and data\.scale alone"):
        settings_of(coded_config)


def test_a_picture_that_was_not_decoded_is_named(coded_config: ConfigDict) -> None:
    Path(coded_config.root, "train/decoded/100/p1.png").unlink()
    with pytest.raises(DataError, match=r"p1\.png was not decoded at strength 100"):
        open_source(settings_of(coded_config), "train")


def test_a_decoded_picture_of_another_size_is_refused(coded_config: ConfigDict) -> None:
    Image.new("RGB", (40, 23)).save(Path(coded_config.root, "train/decoded/7/p0.png"))
    with pytest.raises(DataError, match=r"decoded/7/p0\.png has not the size of"):
        open_source(settings_of(coded_config), "train")[0]


@pytest.mark.parametrize("name", ["0", "256", "07", "weak"])
def test_folders_are_named_for_strengths(coded_config: ConfigDict, name: str) -> None:
    Path(coded_config.root, "train/decoded", name).mkdir()
    with pytest.raises(DataError, match="named for the strength, 1 to 255"):
        open_source(settings_of(coded_config), "train")


def test_a_set_without_decoded_pictures_is_refused(coded_config: ConfigDict) -> None:
    shutil.rmtree(Path(coded_config.root, "train/decoded"))
    with pytest.raises(DataError, match=r"python -m dsslic_jax\.prepare\.coded_pairs"):
        open_source(settings_of(coded_config), "train")
    coded_config.root = ""
    with pytest.raises(ConfigError, match=r"needs data\.root"):
        open_source(settings_of(coded_config), "train")
