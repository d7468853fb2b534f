"""The files below folders: each once, in order, and what cannot be read is named."""

import os
from pathlib import Path

import pytest

from dsslic_jax.search.finding import find_files

Problems = list[tuple[str, str]]


def find(*places: Path) -> tuple[list[str], Problems]:
    problems: Problems = []

    def report(path: str, error: Exception) -> None:
        problems.append((path, str(error)))

    return [file.path for file in find_files([str(place) for place in places], report)], problems


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name in ("b/2.dsslic", "b/1.DSSLIC", "a.dsslic", "b/c/x.Dsslic", "b/no.png", "dsslic"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"12345")
    return tmp_path


def test_files_are_found_below_a_folder_in_order(tree: Path) -> None:
    names = ["a.dsslic", "b/1.DSSLIC", "b/2.dsslic", "b/c/x.Dsslic"]
    assert find(tree) == ([str(tree / name) for name in names], [])
    (file,) = find_files([str(tree / "a.dsslic")], lambda *_: pytest.fail())
    assert file.size == 5 and file.mtime_ns == os.stat(file.path).st_mtime_ns


def test_a_file_named_twice_is_found_once_and_any_name_will_do(tree: Path) -> None:
    found, _ = find(
        tree / "b" / "c", tree / "b", tree / "b", tree / "b/no.png", tree / "b/2.dsslic"
    )
    names = ["b/c/x.Dsslic", "b/1.DSSLIC", "b/2.dsslic", "b/no.png"]
    assert found == [str(tree / name) for name in names]


def test_a_link_to_a_folder_above_is_named_and_not_followed(tree: Path) -> None:
    (tree / "b" / "loop").symlink_to(tree)
    found, problems = find(tree)
    assert len(found) == 4
    assert problems == [
        (str(tree / "b" / "loop"), "a symbolic link to a folder above it: not followed")
    ]


def test_a_linked_folder_is_followed_once(
    tree: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (elsewhere / "z.dsslic").write_bytes(b"")
    for link in ("first", "second"):
        (tree / link).symlink_to(elsewhere)
    found, problems = find(tree)
    assert [path for path in found if path.endswith("z.dsslic")] == [str(tree / "first/z.dsslic")]
    assert problems == []


def test_what_cannot_be_read_is_named(tree: Path) -> None:
    (tree / "broken.dsslic").symlink_to(tree / "nothing")
    (tree / "itself.dsslic").symlink_to(tree / "itself.dsslic")
    os.mkfifo(tree / "pipe.dsslic")  # opening it would wait for ever
    found, problems = find(tree, tree / "missing")
    assert len(found) == 4
    assert [Path(path).name for path, _ in problems] == [
        "broken.dsslic",
        "itself.dsslic",
        "pipe.dsslic",
        "missing",
    ]
    assert problems[2][1] == "not a regular file" and "No such file" in problems[3][1]
