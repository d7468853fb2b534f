"""Packed data sets hold what the folders held."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from ml_collections import ConfigDict
from PIL import Image

from dsslic_jax import cli
from dsslic_jax.data.pipeline import train_iterator
from dsslic_jax.data.records import packed, unpacked
from dsslic_jax.data.sources import open_source
from dsslic_jax.errors import ConfigError, DataError

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
    folders = open_source(folder_config(root), "train")
    records = open_source(folder_config(tmp_path / "packed", kind="records"), "train")
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
        stream = train_iterator(config, batch_size=2, seed=3)
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


@pytest.mark.parametrize("content", [None, b"", b"no records here" * 9000])
def test_a_missing_or_foreign_file_is_refused_with_the_remedy(
    folder_config: FolderConfig, tmp_path: Path, content: bytes | None
) -> None:
    if content is not None:
        (tmp_path / "train.array_record").write_bytes(content)
    with pytest.raises(DataError, match=r"train\.array_record is .*write it"):
        open_source(folder_config(tmp_path, kind="records"), "train")


def test_records_without_a_folder_are_a_mistake_in_the_configuration(
    folder_config: FolderConfig,
) -> None:
    config = folder_config(Path(), kind="records")
    config.root = ""
    with pytest.raises(ConfigError, match=r"data\.root"):
        open_source(config, "train")


def test_a_record_comes_apart_as_it_was_put_together_and_no_other_does() -> None:
    record = packed("ä", b"picture", b"")
    assert unpacked(record, "here") == ("ä", b"picture", b"")
    for damaged in (b"", record[:-1], record + b"x", record[:11], b"\xff" * 12 + record[12:]):
        with pytest.raises(DataError, match="here was not written by `dsslic prepare`"):
            unpacked(damaged, "here")
