"""Packed data sets hold what the folders held."""

import pickle
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from ml_collections import ConfigDict
from PIL import Image

from dsslic_jax import cli
from dsslic_jax.bundle.model import Bundle
from dsslic_jax.classes.table import class_table
from dsslic_jax.codec.networks.segmenter import Segmenter
from dsslic_jax.data.elements import Element
from dsslic_jax.data.pipeline import train_iterator
from dsslic_jax.data.records import RecordSource, packed, unpacked
from dsslic_jax.data.sources import open_source
from dsslic_jax.errors import ConfigError, DataError
from tests.data.conftest import settings_of

WritePairs = Callable[..., Path]
FolderConfig = Callable[..., ConfigDict]


def prepare(source: Path, target: Path, *more: str) -> int:
    command = ["prepare", str(source), str(target), "--classes=camvid", "--splits=train", *more]
    return cli.main(command)


def test_packed_pairs_are_those_of_the_folders(
    folder_config: FolderConfig, write_pairs: WritePairs, tmp_path: Path
) -> None:
    root = write_pairs(count=5)
    assert prepare(root, tmp_path / "packed") == 0
    folders = open_source(settings_of(folder_config(root)), "train")
    records = open_source(settings_of(folder_config(tmp_path / "packed", kind="records")), "train")
    records = pickle.loads(pickle.dumps(records))  # as worker processes get it
    assert len(records) == len(folders) == 5
    for index in (4, 0, 2):
        expected, found = folders[index], records[index]
        assert found["name"] == expected["name"]
        np.testing.assert_array_equal(found["image"], expected["image"])
        np.testing.assert_array_equal(found["labels"], expected["labels"])


def test_training_reads_the_same_batches_from_either(
    folder_config: FolderConfig, write_pairs: WritePairs, tmp_path: Path
) -> None:
    root = write_pairs(count=5)
    prepare(root, tmp_path / "packed")
    batches = []
    for where, kind in ((root, "folders"), (tmp_path / "packed", "records")):
        config = folder_config(where, kind=kind, crop=(16, 16))
        stream = train_iterator(settings_of(config), batch_size=2, seed=3)
        batches.append([next(stream)["image"] for _ in range(4)])
        stream.close()
    np.testing.assert_array_equal(*batches)


def test_a_pair_that_training_could_not_use_is_not_packed(
    write_pairs: WritePairs, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = write_pairs()
    Image.new("L", (8, 8)).save(root / "train" / "labels" / "p1.png")
    assert prepare(root, tmp_path / "packed") == 1
    assert "p1.png: the picture is 40x24 pixels but its label map 8x8" in capsys.readouterr().err
    assert not [*(tmp_path / "packed").iterdir()]


def elements_of(root: Path, split: str, classes: str) -> dict[str, Element]:
    source = RecordSource(root, split, class_table(classes))
    return {source[i]["name"]: source[i] for i in range(len(source))}


def test_several_sets_become_one_in_the_classes_asked_for(
    write_pairs: WritePairs, tmp_path: Path
) -> None:
    street = write_pairs(count=2).rename(tmp_path / "street")
    scenes = write_pairs(num_ids=24)
    pixels = np.full((24, 40), 8, np.uint8)  # MSRC's mountain; CamVid's 8 is Car
    for root, name in ((street, "p0"), (scenes, "p2")):
        Image.fromarray(pixels).save(root / "train/labels" / f"{name}.png")
    (scenes / "train/images/p0.png").unlink()
    (scenes / "train/images/p1.png").unlink()
    command = ["prepare", str(street), str(scenes), str(tmp_path / "packed"), "--splits=train"]
    assert cli.main([*command, "--classes=camvid,msrc", "--as=natural"]) == 0
    elements = elements_of(tmp_path / "packed", "train", "natural")
    assert [*elements] == ["p0", "p1", "p2"]
    natural = class_table("natural")
    assert {*np.unique(elements["p0"]["labels"])} == {*natural.ids_of("car")}
    assert {*np.unique(elements["p2"]["labels"])} == {*natural.ids_of("mountain")}
    with Image.open(scenes / "train/images/p2.png") as image:
        np.testing.assert_array_equal(elements["p2"]["image"], np.asarray(image))


def test_pictures_without_label_maps_are_labelled_by_a_model(
    write_pairs: WritePairs, tmp_path: Path, tiny_bundle: Bundle, tiny_model: Path
) -> None:
    root = write_pairs()
    shutil.rmtree(root / "train/labels")
    more = ("--classes=none", f"--label-with={tiny_model}", "--as=camvid")
    assert prepare(root, tmp_path / "packed", *more) == 0
    segment = Segmenter(tiny_bundle)
    for element in elements_of(tmp_path / "packed", "train", "camvid").values():
        np.testing.assert_array_equal(element["labels"], segment(element["image"]))
        assert len(np.unique(element["labels"])) > 1


def test_one_picture_in_so_many_is_held_back_by_its_name(
    write_pairs: WritePairs, tmp_path: Path
) -> None:
    root = write_pairs(count=12)
    command = ["prepare", str(root), str(tmp_path / "packed"), "--classes=camvid"]
    assert cli.main([*command, "--hold-back=4"]) == 0
    held = elements_of(tmp_path / "packed", "val", "camvid")
    # Where the last hexadecimal digit of `printf p0 | sha256sum` is divisible by 4.
    assert {*held} == {"p0", "p4"}
    kept = elements_of(tmp_path / "packed", "train", "camvid")
    assert {*kept} == {f"p{i}" for i in range(12)} - {*held}


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--classes=camvid,msrc"], "names 2 tables for 1 sources"),
        (["--classes=none"], "say with --as"),
        (["--classes=none", "--as=camvid"], "--classes none and --label-with go together"),
        (["--label-with=model"], "--classes none and --label-with go together"),
        (["--as=cityscapes"], "'cityscapes' does not say"),
        (["--hold-back=1"], "at least 2"),
        (["--hold-back=4", "--splits=train,test"], "divides one split"),
        (["--hold-back=100000"], "leaves a split empty"),
    ],
)
def test_what_cannot_be_prepared_is_told(
    write_pairs: WritePairs,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    more: list[str],
    message: str,
) -> None:
    assert prepare(write_pairs(), tmp_path / "packed", *more) == 1
    assert message in capsys.readouterr().err
    assert not [*tmp_path.glob("packed/*")]


def test_a_model_that_labels_by_another_table_is_refused(
    write_pairs: WritePairs, tmp_path: Path, tiny_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    more = ("--classes=none", f"--label-with={tiny_model}", "--as=natural")
    assert prepare(write_pairs(), tmp_path / "packed", *more) == 1
    assert "labels by class table 'camvid', not 'natural'" in capsys.readouterr().err


@pytest.mark.parametrize("content", [None, b"", b"no records here" * 9000])
def test_a_missing_or_foreign_file_is_refused_with_the_remedy(
    folder_config: FolderConfig, tmp_path: Path, content: bytes | None
) -> None:
    if content is not None:
        (tmp_path / "train.array_record").write_bytes(content)
    with pytest.raises(DataError, match=r"train\.array_record is .*write it"):
        open_source(settings_of(folder_config(tmp_path, kind="records")), "train")


def test_records_without_a_folder_are_a_mistake_in_the_configuration(
    folder_config: FolderConfig,
) -> None:
    config = folder_config(Path(), kind="records")
    config.root = ""
    with pytest.raises(ConfigError, match=r"data\.root"):
        open_source(settings_of(config), "train")


def test_a_record_comes_apart_as_it_was_put_together_and_no_other_does() -> None:
    record = packed("ä", b"picture", b"")
    assert unpacked(record, "here") == ("ä", b"picture", b"")
    for damaged in (b"", record[:-1], record + b"x", record[:11], b"\xff" * 12 + record[12:]):
        with pytest.raises(DataError, match="here was not written by `dsslic prepare`"):
            unpacked(damaged, "here")
