"""Which files an evaluation takes as pictures."""

from pathlib import Path

import pytest

from dsslic_jax.errors import ConfigError, DataError
from dsslic_jax.evaluate.measuring.points import find_pictures


def touch(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).touch()
    return folder


def test_pictures_come_sorted_by_name_without_hidden_and_other_files(tmp_path: Path) -> None:
    touch(tmp_path, "b.PNG", "a.png", ".c.png", "README.md", "a.txt")
    (tmp_path / "more").mkdir()
    assert [path.name for path in find_pictures(tmp_path)] == ["a.png", "b.PNG"]


def test_limit_takes_the_first_pictures(tmp_path: Path) -> None:
    touch(tmp_path, "c.png", "b.png", "a.png")
    assert [path.name for path in find_pictures(tmp_path, limit=2)] == ["a.png", "b.png"]


def test_a_limit_below_one_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="limit is 0"):
        find_pictures(touch(tmp_path, "a.png"), limit=0)


def test_lossy_sources_are_refused_unless_allowed(tmp_path: Path) -> None:
    touch(tmp_path, "a.png", "b.jpg")
    with pytest.raises(DataError, match=r"b\.jpg: already lossy"):
        find_pictures(tmp_path)
    assert len(find_pictures(tmp_path, allow_lossy=True)) == 2


def test_two_pictures_with_one_stem_are_refused(tmp_path: Path) -> None:
    touch(tmp_path, "a.png", "b.png", "b.jpg")
    with pytest.raises(DataError, match="2 pictures are called b"):
        find_pictures(tmp_path, allow_lossy=True)


def test_missing_and_empty_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such folder"):
        find_pictures(tmp_path / "nowhere")
    with pytest.raises(DataError, match="no pictures"):
        find_pictures(touch(tmp_path, "notes.txt"))
