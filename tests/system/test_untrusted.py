"""Files and JSON of others: what is read is what was written, and everything else is refused in one line, at once."""

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NotRequired, TypedDict

import pytest

from dsslic_jax.errors import DataError, ModelError
from dsslic_jax.system.untrusted import parse_json, read_json, read_regular


class Inner(TypedDict):
    size: int
    note: NotRequired[str | None]


class Outer(TypedDict):
    inner: Inner
    share: float
    pairs: list[tuple[str, list[int]]]
    more: dict[str, bool]


@dataclass(frozen=True)
class Record:
    name: str
    counts: dict[str, int] | None
    whole: bool = False


SOUND = '{"inner": {"size": 3}, "share": 1, "pairs": [["a", [1, 2]]], "more": {"b": true}, "else": [null]}'


def test_what_fits_its_types_is_read_with_all_its_members() -> None:
    made = parse_json(SOUND.encode(), Outer, "it", DataError)
    assert made["pairs"] == [("a", [1, 2])] and made["share"] == 1 and made["else"] == [None]  # type: ignore[typeddict-item]
    text = '{"name": "\\ud83d\\ude00", "counts": null}'
    assert parse_json(text, Record, "it", DataError) == Record("\N{GRINNING FACE}", None)
    assert parse_json('{"\\\\": "[[["}', dict[str, str], "it", DataError) == {"\\": "[[["}


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("3", "true", "inner.size must be int, not True"),
        ("3", "3.0", "inner.size must be int"),
        ("3", '3, "note": 5', "inner.note must be str or null, not 5"),
        ('{"size": 3}', "[]", "inner must be an object, not []"),
        ('"inner"', '"other"', "it has no member 'inner'"),
        ("1,", '"1",', "share must be float, not '1'"),
        ("1,", "null,", "share must be float, not None"),
        ('["a", [1, 2]]', '["a"]', "pairs[0] must be a list of 2"),
        ('["a", [1, 2]]', "{}", "pairs[0] must be a list, not {}"),
        ('["a", [1, 2]]', '["a", [1, "2"]]', "pairs[0][1][1] must be int, not '2'"),
        ("true", "1", "more.b must be bool, not 1"),
        (SOUND, "[]", "it must be an object"),
    ],
)
def test_another_type_is_refused_by_the_place_where_it_stands(
    old: str, new: str, told: str
) -> None:
    with pytest.raises(ModelError, match=r"^the file: ") as caught:
        parse_json(SOUND.replace(old, new), Outer, "the file", ModelError)
    assert told in str(caught.value)


def test_a_record_has_its_members_and_no_others() -> None:
    for text, told in (
        ('{"name": "a"}', "no member 'counts'"),
        ('{"name": "a", "counts": {}, "size": 1}', "unknown member 'size'"),
        ('{"name": "a", "counts": {"b": 1.5}}', r"counts.b must be int"),
    ):
        with pytest.raises(DataError, match=told):
            parse_json(text, Record, "it", DataError)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        '"',
        '"\\',
        "1e999",
        "-1e999",
        "Infinity",
        "-Infinity",
        "NaN",
        "1" * 5000,
        "9" * 400 + ".5e-2",
        "[" * 65 + "]" * 65,
        "[" * 1_000_000,
        '{"a":' * 1_000_000,
        '["' + "\\" * 1_000_001,
        '"\\"' * 300_000,
        '"\\ud800"',
        '{"\\udfff": 1}',
        b'"\xed\xa0\x80"',
        b"\xff",
        b"\xef\xbb\xbf[]",
        '{"a": 1, "a": 2}',
        "{" + ",".join(f'"{i}":0' for i in range(100_000)) + ',"7":0}',
    ],
    ids=lambda text: repr(text[:12]),
)
def test_what_is_no_sound_json_is_refused_in_one_short_line_at_once(text: str | bytes) -> None:
    began = time.perf_counter()
    with pytest.raises(DataError) as caught:
        parse_json(text, Any, "the file", DataError)
    assert time.perf_counter() - began < 2
    assert str(caught.value).startswith("the file: ") and len(str(caught.value)) < 200
    assert "\n" not in str(caught.value)


def test_brackets_in_strings_and_beside_each_other_are_not_deep() -> None:
    assert parse_json('["' + "[" * 200 + '"]', list[str], "it", DataError) == ["[" * 200]
    assert len(parse_json("[" + "[]," * 200 + "[]]", list[list[int]], "it", DataError)) == 201
    deep = "[" * 64 + "]" * 64
    assert parse_json(deep, Any, "it", DataError)


def test_only_regular_files_of_bounded_size_are_read(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text("[1]")
    assert read_json(path, list[int], ModelError) == [1]
    assert read_regular(path, 3) == b"[1]"
    with pytest.raises(ModelError, match=r"a\.json is too long: 3 bytes, where 2"):
        read_json(path, list[int], ModelError, most_bytes=2)
    with pytest.raises(FileNotFoundError):
        read_json(tmp_path / "b.json", list[int], ModelError)
    with path.open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(ModelError, match="too long"):
        read_json(path, list[int], ModelError)


def test_pipes_and_devices_are_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "zero").symlink_to("/dev/zero")
    for name in ("pipe", "zero"):
        with pytest.raises(ModelError, match=f"{name} is not a regular file"):
            read_json(tmp_path / name, list[int], ModelError)
