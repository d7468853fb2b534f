"""The `.dsslic` files below given folders."""

import os
import stat
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from dsslic_jax.errors import DataError

SUFFIX = ".dsslic"
Report = Callable[[str, Exception], None]  # takes a path and what is wrong with it


class FoundFile(NamedTuple):
    """A file and what the file system says of it."""

    path: str
    key: bytes  # path_key of it
    size: int  # bytes
    mtime_ns: int


def path_key(path: str) -> bytes:
    """The absolute path, symbolic links as they are, in the operating system's bytes: names need not be text."""
    return os.fsencode(os.path.abspath(path))


def find_files(places: Iterable[str], report: Report) -> Iterator[FoundFile]:
    """Each `.dsslic` file (in any case) below the folders among `places`, and the files among them, once.

    Folders are read in the order of their names and symbolic links are followed, but no folder is read twice. What
    cannot be read, is no regular file or leads back to a folder above it goes to `report`.
    """
    seen: set[bytes] = set()
    folders: set[tuple[int, int]] = set()
    for place in places:
        for file in _walk(place, folders, report):
            if file.key not in seen:
                seen.add(file.key)
                yield file


def _walk(place: str, seen: set[tuple[int, int]], report: Report) -> Iterator[FoundFile]:
    """`find_files` for one place; `seen` holds device and inode of the folders read."""
    pending = [place]
    while pending:
        path = pending.pop()
        try:
            status = os.stat(path)
            if stat.S_ISDIR(status.st_mode):
                if _is_new(path, status, seen):
                    pending += _candidates(path)
            elif stat.S_ISREG(status.st_mode):
                yield FoundFile(path, path_key(path), status.st_size, status.st_mtime_ns)
            else:
                raise DataError("not a regular file")
        except (OSError, DataError) as error:
            report(path, error)


def _candidates(folder: str) -> list[str]:
    """What a folder holds that may be or lead to a `.dsslic` file, in falling order of name."""
    with os.scandir(folder) as entries:
        wanted = (e for e in entries if e.name.lower().endswith(SUFFIX) or _may_be_folder(e))
        return sorted((entry.path for entry in wanted), reverse=True)


def _may_be_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a symbolic link to itself, for one
        return False


def _is_new(folder: str, status: os.stat_result, seen: set[tuple[int, int]]) -> bool:
    """Whether a folder has not been read yet. Raises DataError for a symbolic link back to a folder above it."""
    identity = status.st_dev, status.st_ino
    if identity not in seen:
        seen.add(identity)
        return True
    if os.path.islink(folder):
        above, target = os.path.realpath(os.path.dirname(folder)), os.path.realpath(folder)
        if os.path.commonpath([above, target]) == target:
            raise DataError("a symbolic link to a folder above it: not followed")
    return False
