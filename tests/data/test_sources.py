"""Folder layouts, pairing, bad files, and the one way in, `open_source`."""

import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from ml_collections import ConfigDict
from PIL import Image

from dsslic_jax.classes.table import class_table
from dsslic_jax.data.folders import LAYOUTS
from dsslic_jax.data.sources import SkippingSource, open_source
from dsslic_jax.errors import ConfigError, DataError
from tests.data.conftest import settings_of

FolderConfig = Callable[..., ConfigDict]
WritePairs = Callable[..., Path]


@pytest.mark.parametrize(
    ("layout", "images", "labels", "split"),
    [
        ("split_folders", "val/images", "val/labels", "val"),
        ("reference", "val_img", "val_label", "val"),
        ("ade20k", "images/validation", "annotations/validation", "val"),
        ("ade20k", "images/training", "annotations/training", "train"),
    ],
)
def test_each_layout_is_found(
    folder_config: FolderConfig,
    write_pairs: WritePairs,
    layout: str,
    images: str,
    labels: str,
    split: str,
) -> None:
    root = write_pairs(images, labels, count=3)
    for choice in ("auto", layout):
        source = open_source(settings_of(folder_config(root, layout=choice)), split)
        assert len(source) == 3
        assert [source[index]["name"] for index in range(3)] == ["p0", "p1", "p2"]


def test_element_holds_what_the_files_hold(
    folder_config: FolderConfig, write_pairs: WritePairs
) -> None:
    root = write_pairs()
    element = open_source(settings_of(folder_config(root)), "train")[1]
    with Image.open(root / "train/images/p1.png") as image:
        np.testing.assert_array_equal(element["image"], np.asarray(image))
    with Image.open(root / "train/labels/p1.png") as labels:
        np.testing.assert_array_equal(element["labels"], np.asarray(labels))


def test_jpeg_pictures_pair_with_png_labels(
    folder_config: FolderConfig, write_pairs: WritePairs
) -> None:
    for suffix in (".jpg", ".JPEG"):
        root = write_pairs("train/images", "train/labels", suffix=suffix)
        for path in (root / "train/images").iterdir():
            if path.suffix != suffix:
                path.unlink()
        assert len(open_source(settings_of(folder_config(root)), "train")) == 3


def test_missing_folders_are_named_for_every_layout(
    folder_config: FolderConfig, tmp_path: Path
) -> None:
    with pytest.raises(DataError) as caught:
        open_source(settings_of(folder_config(tmp_path)), "val")
    for looked_for in ("val/images", "val_label", "images/validation", *LAYOUTS):
        assert looked_for in str(caught.value)


def test_missing_root_is_refused(folder_config: FolderConfig, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is not a folder"):
        open_source(settings_of(folder_config(tmp_path / "nowhere")), "train")


def test_two_fitting_layouts_are_ambiguous(
    folder_config: FolderConfig, write_pairs: WritePairs
) -> None:
    write_pairs("train/images", "train/labels")
    root = write_pairs("train_img", "train_label")
    with pytest.raises(DataError, match="several layouts"):
        open_source(settings_of(folder_config(root)), "train")
    assert len(open_source(settings_of(folder_config(root, layout="reference")), "train")) == 3


def test_picture_without_label_map_is_named(
    folder_config: FolderConfig, write_pairs: WritePairs
) -> None:
    root = write_pairs()
    (root / "train/labels/p1.png").unlink()
    with pytest.raises(DataError, match=r"p1\.png: no label map p1\.png .*1 of 3"):
        open_source(settings_of(folder_config(root)), "train")


def test_label_map_without_picture_and_stray_files_are_ignored(
    folder_config: FolderConfig, write_pairs: WritePairs
) -> None:
    root = write_pairs()
    (root / "train/images/p1.png").unlink()
    (root / "train/images/readme.txt").write_text("notes")
    (root / "train/images/.p9.png").write_bytes(b"hidden")
    source = open_source(settings_of(folder_config(root)), "train")
    assert [source[index]["name"] for index in range(len(source))] == ["p0", "p2"]


def test_empty_picture_folder_is_refused(
    folder_config: FolderConfig, write_pairs: WritePairs
) -> None:
    root = write_pairs(count=0)
    with pytest.raises(DataError, match="no pictures"):
        open_source(settings_of(folder_config(root)), "train")


def test_two_pictures_of_one_stem_are_refused(
    folder_config: FolderConfig, write_pairs: WritePairs
) -> None:
    write_pairs(suffix=".jpg")
    root = write_pairs(suffix=".png")
    with pytest.raises(DataError, match="same stem"):
        open_source(settings_of(folder_config(root)), "train")


def test_label_map_of_another_size_is_refused(
    folder_config: FolderConfig, write_pairs: WritePairs
) -> None:
    root = write_pairs()
    Image.new("L", (40, 23)).save(root / "train/labels/p0.png")
    for on_bad_file in ("error", "skip"):
        source = open_source(settings_of(folder_config(root, on_bad_file=on_bad_file)), "train")
        with pytest.raises(DataError, match=r"p0\.png: the picture is 40x24 .* 40x23"):
            source[0]


def test_wrong_class_table_is_refused_even_when_bad_files_are_skipped(
    folder_config: FolderConfig, write_pairs: WritePairs
) -> None:
    root = write_pairs(num_ids=60)
    source = open_source(settings_of(folder_config(root, on_bad_file="skip")), "train")
    with pytest.raises(DataError, match="is not in the class table 'camvid'"):
        source[0]


def test_undecodable_file_stops_by_default(
    folder_config: FolderConfig, write_pairs: WritePairs
) -> None:
    root = write_pairs()
    (root / "train/images/p1.png").write_bytes(b"damaged")
    source = open_source(settings_of(folder_config(root)), "train")
    with pytest.raises(DataError, match=r"p1\.png"):
        source[1]


@pytest.mark.parametrize("damaged", ["images", "labels"])
def test_skipped_file_is_replaced_by_the_next_and_counted_once(
    folder_config: FolderConfig, write_pairs: WritePairs, damaged: str
) -> None:
    root = write_pairs(count=4)
    for number in (1, 2, 3):
        (root / f"train/{damaged}/p{number}.png").write_bytes(b"damaged")
    source = open_source(settings_of(folder_config(root, on_bad_file="skip")), "train")
    assert isinstance(source, SkippingSource)
    assert source[0]["name"] == "p0"
    assert source.skipped == 0
    assert [source[2]["name"], source[3]["name"], source[2]["name"]] == ["p0"] * 3
    assert source.skipped == 2
    assert source[1]["name"] == "p0"
    assert source.skipped == 3
    assert len(source) == 4


def test_set_without_one_readable_picture_is_refused(
    folder_config: FolderConfig, write_pairs: WritePairs
) -> None:
    root = write_pairs(count=2)
    for number in (0, 1):
        (root / f"train/images/p{number}.png").write_bytes(b"damaged")
    with pytest.raises(DataError, match="none of its 2 pictures"):
        open_source(settings_of(folder_config(root, on_bad_file="skip")), "train")[0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "video"}, "data.kind must be one of .* not 'video'"),
        ({"on_bad_file": "ignore"}, "data.on_bad_file"),
        ({"kind": "folders", "classes": "camvid", "root": ""}, "needs data.root"),
        ({"kind": "folders", "classes": "imagenet", "root": "."}, "unknown class table"),
        ({"kind": "folders", "classes": "camvid", "root": ".", "layout": "x"}, "unknown data.lay"),
        ({"kind": "scenes", "classes": "camvid"}, 'needs data.classes "scenes"'),
    ],
)
def test_unusable_configuration_is_refused(
    data_config: ConfigDict, change: dict[str, str], message: str
) -> None:
    data_config.update(change)
    with pytest.raises(ConfigError, match=message):
        open_source(settings_of(data_config), "train")


def test_source_survives_pickling(folder_config: FolderConfig, write_pairs: WritePairs) -> None:
    source = open_source(settings_of(folder_config(write_pairs(), on_bad_file="skip")), "train")
    copy = pickle.loads(pickle.dumps(source))
    np.testing.assert_array_equal(copy[2]["labels"], source[2]["labels"])


@pytest.mark.parametrize(
    ("folder", "split", "classes"),
    [
        ("ade_samples", "val", "ade20k"),
        ("camvid", "test_lossless", "camvid"),
        ("cityscapes_samples", "train", "cityscapes"),
        ("coco_stuff", "train", "coco_stuff"),
        ("msrc21", "test", "msrc"),
    ],
)
def test_real_sets_load(
    folder_config: FolderConfig, shared_data: Path, folder: str, split: str, classes: str
) -> None:
    source = open_source(settings_of(folder_config(shared_data / folder, classes=classes)), split)
    for index in range(3):
        element = source[index]
        assert element["image"].dtype == element["labels"].dtype == np.uint8
        assert element["image"].shape == (*element["labels"].shape, 3)
        assert element["labels"].max() < class_table(classes).num_classes
        assert len(np.unique(element["labels"])) > 1
