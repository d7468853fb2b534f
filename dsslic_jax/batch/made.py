"""What each file of a folder run was made of: a hidden file of the target folder remembers it from run to run."""

import hashlib
import json
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

FILE = ".dsslic_made.jsonl"
_MAX_BYTES = 1 << 30


class Made:
    """The memory of one target folder: a line of JSON for each file made, the last one of a file counts.

    It may be lost or damaged: what it does not know is made again.
    """

    def __init__(self, folder: Path, settings: str) -> None:
        """`settings`: all that the files follow from beside their sources, as text."""
        self._folder = folder
        self._settings = hashlib.sha256(settings.encode()).hexdigest()
        self._turn = threading.Lock()
        self._known: dict[str, dict[str, Any]] = {}
        for line in self._lines():
            try:
                told = json.loads(line)
                self._known[told["file"]] = told
            except (ValueError, TypeError, KeyError, RecursionError):  # cut off as it was written
                continue

    def is_current(self, target: Path, made_of: Sequence[Path]) -> bool:
        """Whether a file is as it was made, by these settings, of what these sources hold now."""
        told = self._known.get(self._name(target))
        if told is None or told.get("settings") != self._settings or not self.is_ours(target):
            return False
        sources = told.get("sources")
        if not isinstance(sources, list) or len(sources) != len(made_of):
            return False
        return all(map(_is_same, sources, made_of))

    def is_ours(self, target: Path) -> bool:
        """Whether a file is as a run made it."""
        told = self._known.get(self._name(target), {})
        try:
            return told.get("stat") == _stat(target)
        except OSError:
            return False

    def add(self, target: Path, made_of: Sequence[Path]) -> None:
        """Remembers a file that was just made."""
        told: dict[str, Any] = {
            "file": self._name(target),
            "stat": _stat(target),
            "settings": self._settings,
            "sources": [[*_stat(path), _sha256(path)] for path in made_of],
        }
        with self._turn, (self._folder / FILE).open("a", encoding="ascii") as file:
            self._known[told["file"]] = told
            file.write(f"\n{json.dumps(told)}")  # whatever the line before was cut off at

    def _lines(self) -> list[str]:
        path = self._folder / FILE
        if not path.is_file() or path.stat().st_size > _MAX_BYTES:
            return []
        return path.read_text(encoding="ascii", errors="replace").splitlines()

    def _name(self, target: Path) -> str:
        return target.relative_to(self._folder).as_posix()


def _stat(path: Path) -> list[int]:
    """Bytes, and nanoseconds of the last change."""
    status = path.stat()
    return [status.st_size, status.st_mtime_ns]


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _is_same(told: Any, path: Path) -> bool:
    """Whether a source holds what it held: by size and time, or else by content."""
    try:
        size, _, sha256 = told
        now = _stat(path)
        return told[:2] == now or (size == now[0] and sha256 == _sha256(path))
    except (OSError, TypeError, ValueError):
        return False
