"""What each file of a folder run was made of: a hidden file of the target folder remembers it from run to run."""

import hashlib
import json
import threading
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from dsslic_jax.errors import DataError
from dsslic_jax.system.untrusted import parse_json, read_regular

FILE = ".dsslic_made.jsonl"
_MOST_BYTES = 1 << 30


@dataclass(frozen=True)
class _State:
    """A file as it was: its bytes, nanoseconds of its last change, and SHA-256 where it is a source."""

    size: int
    mtime_ns: int
    sha256: str = ""


@dataclass(frozen=True)
class _Entry:
    file: str  # below the target folder
    state: _State
    settings: str
    sources: list[_State]


class Made:
    """The memory of one target folder: a line of JSON for each file made, the last one of a file counts.

    It may be lost or damaged: what it does not know is made again.
    """

    def __init__(self, folder: Path, settings: str) -> None:
        """`settings`: all that the files follow from beside their sources, as text."""
        self._folder = folder
        self._settings = hashlib.sha256(settings.encode()).hexdigest()
        self._turn = threading.Lock()
        self._known: dict[str, _Entry] = {}
        for line in self._lines():
            try:
                entry = parse_json(line, _Entry, FILE, DataError)
            except DataError:  # cut off as it was written
                continue
            self._known[entry.file] = entry

    def is_current(self, target: Path, made_of: Sequence[Path]) -> bool:
        """Whether a file is as it was made, by these settings, of what these sources hold now."""
        entry = self._known.get(self._name(target))
        if entry is None or entry.settings != self._settings or not self.is_ours(target):
            return False
        same = len(entry.sources) == len(made_of)
        return same and all(map(_holds_the_same, entry.sources, made_of))

    def is_ours(self, target: Path) -> bool:
        """Whether a file is as a run made it."""
        entry = self._known.get(self._name(target))
        try:
            return entry is not None and entry.state == _state(target)
        except OSError:
            return False

    def add(self, target: Path, made_of: Sequence[Path]) -> None:
        """Remembers a file that was just made."""
        sources = [_state(path, _sha256(path)) for path in made_of]
        entry = _Entry(self._name(target), _state(target), self._settings, sources)
        with self._turn, (self._folder / FILE).open("a", encoding="ascii") as file:
            self._known[entry.file] = entry
            file.write(f"\n{json.dumps(asdict(entry))}")  # whatever the line before was cut off at

    def _lines(self) -> list[bytes]:
        try:
            return read_regular(self._folder / FILE, _MOST_BYTES).splitlines()
        except (OSError, DataError):
            return []

    def _name(self, target: Path) -> str:
        return ascii(str(target.relative_to(self._folder)))  # names need not be text


def _state(path: Path, sha256: str = "") -> _State:
    status = path.stat()
    return _State(status.st_size, status.st_mtime_ns, sha256)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _holds_the_same(before: _State, path: Path) -> bool:
    try:
        now = _state(path, before.sha256)
        return now == before or (now.size == before.size and _sha256(path) == before.sha256)
    except OSError:
        return False
