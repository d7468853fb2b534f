"""Class tables: sizes, ids, colours, and the ids that label files store differently."""

import json
import os
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from dsslic_jax.classes.table import (
    class_table,
    class_table_by_id,
    parse_class_table,
    relabelling,
)
from dsslic_jax.errors import ConfigError, DataError, StreamError

TABLES = {
    "ade20k": (1, 151),
    "cityscapes": (2, 35),
    "camvid": (3, 12),
    "coco_stuff": (4, 183),
    "msrc": (5, 24),
    "scenes": (6, 11),
    "natural": (7, 20),
}


@pytest.mark.parametrize("name", TABLES)
def test_table_has_its_number_and_size(name: str) -> None:
    table = class_table(name)
    assert (table.name, table.table_id, table.num_classes) == (name, *TABLES[name])
    assert class_table_by_id(table.table_id) is table


@pytest.mark.parametrize("name", TABLES)
def test_table_is_consistent(name: str) -> None:
    table = class_table(name)
    assert len(table.palette) == table.num_classes
    assert all(0 <= value <= 255 for colour in table.palette for value in colour)
    assert len(set(table.names)) == table.num_classes or name == "ade20k"
    assert table.void_ids
    assert set(table.void_ids) < set(range(table.num_classes))
    assert all(file_id >= table.num_classes for file_id in table.file_ids)
    assert set(table.file_ids.values()) <= set(table.void_ids)


def test_names_stand_where_the_data_sets_put_them() -> None:
    assert class_table("ade20k").names[:2] == ("other", "wall")
    assert class_table("ade20k").names[150] == "flag"
    assert class_table("cityscapes").names[7] == "road"
    assert class_table("cityscapes").palette[7] == (128, 64, 128)
    assert class_table("camvid").names[11] == "Unlabelled"
    assert class_table("coco_stuff").names[0] == "person"
    assert class_table("msrc").names[21] == "dog"


def test_cityscapes_evaluates_19_classes() -> None:
    table = class_table("cityscapes")
    assert table.num_classes - len(table.void_ids) == 19


@pytest.mark.parametrize(("name", "void_id"), [("cityscapes", 34), ("coco_stuff", 182)])
def test_255_in_a_file_becomes_the_void_class(name: str, void_id: int) -> None:
    stored = np.array([[0, 255], [255, 3]], np.uint8)
    ids = class_table(name).to_class_ids(stored, "map.png")
    np.testing.assert_array_equal(ids, [[0, void_id], [void_id, 3]])
    assert ids.dtype == np.uint8
    assert stored[0, 1] == 255


def test_unknown_label_id_names_file_and_id() -> None:
    labels = np.array([[0, 11], [12, 200]], np.uint8)
    with pytest.raises(DataError, match=r"map\.png: label id 12 .*'camvid'.*0\.\.11"):
        class_table("camvid").to_class_ids(labels, "map.png")


@pytest.mark.parametrize(
    "labels", [np.zeros((2, 2), np.int32), np.zeros((2, 2, 1), np.uint8)], ids=["int32", "3-D"]
)
def test_label_map_of_another_kind_is_refused(labels: np.ndarray) -> None:
    with pytest.raises(DataError, match="must be uint8"):
        class_table("camvid").to_class_ids(labels, "map.png")


def test_unknown_table_name_lists_the_known_ones() -> None:
    with pytest.raises(ConfigError, match=r"'imagenet'.*ade20k, cityscapes"):
        class_table("imagenet")


@pytest.mark.parametrize("table_id", [0, 8, 255])
def test_unknown_table_id_in_a_stream_is_refused(table_id: int) -> None:
    with pytest.raises(StreamError, match=f"class table {table_id}"):
        class_table_by_id(table_id)


@pytest.mark.parametrize("source", ["coco_stuff", "msrc", "camvid", "cityscapes", "ade20k"])
def test_every_class_of_another_table_is_one_natural_class(source: str) -> None:
    before, natural = class_table(source), class_table("natural")
    ids = relabelling(source, "natural")
    assert (ids.shape, ids.dtype) == ((before.num_classes,), np.uint8)
    assert set(np.flatnonzero(ids == 0)) <= set(before.void_ids)
    sharing_a_word = [
        (name, natural.names[ids[before.ids_of(name)[0]]])
        for name in before.names
        if natural.ids_of(name)
    ]
    assert len(sharing_a_word) > 5
    assert all(natural.ids_of(name) == natural.ids_of(called) for name, called in sharing_a_word)


@pytest.mark.parametrize(
    ("source", "name", "expected"),
    [
        ("coco_stuff", "playingfield", "grass"),
        ("coco_stuff", "stop sign", "sign"),
        ("coco_stuff", "unlabeled", "void"),
        ("msrc", "face", "person"),
        ("camvid", "Pole", "fence"),
        ("camvid", "Bicyclist", "person"),
        ("cityscapes", "terrain", "grass"),
        ("ade20k", "palm, palm tree", "tree"),
    ],
)
def test_classes_become_what_they_mean(source: str, name: str, expected: str) -> None:
    (before,) = class_table(source).ids_of(name)
    assert (relabelling(source, "natural")[before],) == class_table("natural").ids_of(expected)


def test_no_word_is_in_two_natural_classes_and_no_two_colours_are_alike() -> None:
    table = class_table("natural")
    words = [word.strip() for name in table.names for word in name.split(",")]
    assert len(words) == len(set(words))
    colours = np.array(table.palette, int)
    apart = np.linalg.norm(colours[:, None] - colours, axis=-1)
    assert apart[~np.eye(len(colours), dtype=bool)].min() > 40


def own_table(path: Path, merged: object) -> str:
    """A table of two classes that says `merged` of the classes of camvid."""
    classes = [["none", [0, 0, 0]], ["all, each", [9, 9, 9]]]
    stored = {"name": "two", "classes": classes, "void_ids": [0], "from": {"camvid": merged}}
    path.write_text(json.dumps(stored))
    return str(path)


def test_a_table_of_one_s_own_says_what_becomes_of_classes(tmp_path: Path) -> None:
    names = list(class_table("camvid").names)
    target = own_table(tmp_path / "two.json", {"none": names[11:], "each": names[:11]})
    np.testing.assert_array_equal(relabelling("camvid", target), [1] * 11 + [0])
    with pytest.raises(ConfigError, match=r"'two' does not say.*'msrc'"):
        relabelling("msrc", target)


@pytest.mark.parametrize(
    "change",
    [
        lambda names: {"none": names[11:], "each": names[1:11]},
        lambda names: {"none": names, "each": names[:1]},
        lambda names: {"none": [*names, "Car park"]},
        lambda names: {"road": names},
    ],
    ids=["a class missing", "a class twice", "an unknown class", "an unknown word"],
)
def test_what_is_said_of_classes_must_be_whole(
    tmp_path: Path, change: Callable[[list[str]], object]
) -> None:
    target = own_table(tmp_path / "two.json", change(list(class_table("camvid").names)))
    with pytest.raises(ConfigError, match="each class of 'camvid' once"):
        relabelling("camvid", target)


@pytest.mark.parametrize(
    "change",
    [
        {"name": 5},
        {"name": "\x1b]0;owned\x07"},
        {"classes": {"ab": "cd"}},
        {"classes": [["a\nb", [0, 0, 0]]]},
        {"classes": [["a", [0, 0, 0]], ["a", [1, 1, 1]]]},
        {"classes": [["a", [0, 0, 0.0]]]},
        {"classes": [["a", "012"]]},
        {"classes": [[["a"], [0, 0, 0]]]},
        {"void_ids": "0"},
        {"void_ids": [0, 0]},
        {"void_ids": [True]},
        {"void_ids": [1e300]},
        {"file_ids": {"01": 0}},
        {"file_ids": {"256": 0}},
        {"file_ids": {"\N{SUPERSCRIPT TWO}": 0}},
        {"file_ids": {"1": "0"}},
        {"file_ids": None},
        {"table_id": "255"},
        {"table_id": -1},
        {"table_id": 256},
    ],
    ids=str,
)
def test_a_table_with_a_wrong_type_twice_the_same_or_a_command_is_refused(
    tmp_path: Path, change: dict[str, object]
) -> None:
    sound = {"name": "a", "classes": [["b", [0, 0, 0]], ["c", [1, 1, 1]]], "void_ids": [0]}
    assert parse_class_table(sound, ConfigError).num_classes == 2
    with pytest.raises(ConfigError, match=r"^class table: .+") as caught:
        parse_class_table({**sound, **change}, ConfigError)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("merged", [5, {"none": "Car"}, {"none": [5]}], ids=str)
def test_what_is_said_of_classes_has_its_types(tmp_path: Path, merged: object) -> None:
    with pytest.raises(ConfigError, match=r"two\.json: from\.camvid"):
        relabelling("camvid", own_table(tmp_path / "two.json", merged))


def test_a_table_in_a_pipe_or_a_text_that_is_none_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.json")
    (tmp_path / "deep.json").write_text("[" * 100_000)
    for name, told in (("pipe", "not a regular file"), ("deep", "inside each other"), ("no", "No")):
        with pytest.raises(ConfigError, match=rf"{name}\.json.* {told}"):
            class_table(str(tmp_path / f"{name}.json"))


def test_table_survives_pickling_and_hashing() -> None:
    table = class_table("cityscapes")
    copy = pickle.loads(pickle.dumps(table))
    assert copy == table
    assert hash(copy) == hash(table)


@pytest.mark.parametrize(
    ("folder", "name"),
    [("ade_samples", "ade20k"), ("camvid", "camvid"), ("cityscapes_samples", "cityscapes"),
     ("coco_stuff", "coco_stuff"), ("msrc21", "msrc")],
)  # fmt: skip
def test_names_agree_with_the_tables_beside_real_pictures(
    shared_data: Path, folder: str, name: str
) -> None:
    stored = json.loads((shared_data / folder / "classes.json").read_text())
    table = class_table(name)
    assert {int(i): table.names[int(i)] for i in stored["classes"]} == {
        int(i): class_name for i, class_name in stored["classes"].items()
    }
    for class_id, colour in stored.get("palette", {}).items():
        assert table.palette[int(class_id)] == tuple(colour)
