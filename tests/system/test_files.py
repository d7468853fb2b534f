"""Files appear whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dsslic_jax.system import files
from dsslic_jax.system.files import write_atomically


def test_a_file_is_written_and_replaced_with_its_folders(tmp_path: Path) -> None:
    path = tmp_path / "some" / "folder" / "file"
    for data in (b"old", b"new", b""):
        write_atomically(path, data)
        assert path.read_bytes() == data and list(path.parent.iterdir()) == [path]


def disk_full(temporary: Path, path: Path, data: bytes) -> bool:
    temporary.write_bytes(data[:1])
    raise OSError("No space left on device")


def test_a_failed_write_leaves_the_old_file_and_no_temporary_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "mean.csv"
    write_atomically(path, b"old")
    monkeypatch.setattr(files, "_write_nameless", disk_full)
    with pytest.raises(OSError, match="No space"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old" and list(tmp_path.iterdir()) == [path]


def test_a_file_system_without_nameless_files_will_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "_write_nameless", lambda *arguments: False)
    write_atomically(tmp_path / "file", b"data")
    assert (tmp_path / "file").read_bytes() == b"data" and len(list(tmp_path.iterdir())) == 1


@pytest.mark.skipif(not hasattr(os, "O_TMPFILE"), reason="this system has no nameless files")
def test_while_a_file_is_written_its_folder_shows_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    link = os.link

    def watched(*arguments: object, **options: object) -> None:
        seen.append(list(tmp_path.iterdir()))
        link(*arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "link", watched)
    path = tmp_path / "file"
    write_atomically(path, b"data")
    assert seen == [[]] and path.read_bytes() == b"data"
    write_atomically(path, b"other")
    assert seen == [[], [path], [path]] and path.read_bytes() == b"other"
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o666 & ~_umask()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


@pytest.mark.parametrize("name", ["", ".", "folder", "/"])
def test_a_folder_is_not_overwritten(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "folder").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(IsADirectoryError) as caught:
        write_atomically(Path(name), b"data")
    assert caught.value.filename == str(Path(name))
    assert list(tmp_path.iterdir()) == [tmp_path / "folder"]
