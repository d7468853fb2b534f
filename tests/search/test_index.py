"""The index agrees with the files, whatever happened to them or to it."""

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from dsslic_jax.errors import DataError
from dsslic_jax.search import index as index_module
from dsslic_jax.search.finding import find_files
from dsslic_jax.search.index import Index
from dsslic_jax.search.reading import Entry, read_entry
from tests.conftest import ROOT
from tests.search.streams import CAR, MSRC, ROAD, SKY, map_of, own_table, save, stream

Areas = dict[str, dict[int, int] | None]


class Search:
    """Searches of one folder through one index; counts the files that they had to read."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self.path = folder, folder / "index.sqlite"
        self.read: list[str] = []
        self.problems: list[str] = []
        monkeypatch.setattr(index_module, "read_entry", self._read)

    def _read(self, path: str) -> Entry:
        self.read.append(Path(path).name)
        return read_entry(path)

    def _report(self, path: str, error: Exception) -> None:
        self.problems.append(f"{Path(path).name}: {error}")

    def entries(self, *places: Path) -> list[Entry]:
        self.read, self.problems = [], []
        names = [str(place) for place in places or (self.folder,)]
        found = list(find_files(names, self._report))
        with Index(self.path) as index:
            index.forget_vanished(names, found)
            return list(index.entries(found, self._report))

    def areas(self, *places: Path) -> Areas:
        entries = self.entries(*places)
        assert entries == [read_entry(entry.path) for entry in entries]
        return {Path(e.path).name: None if e.pixels is None else dict(e.pixels) for e in entries}

    def rows(self) -> list[str]:
        """The names of the files that the index holds."""
        with sqlite3.connect(f"file:{self.path}?mode=ro", uri=True) as database:
            paths = [os.fsdecode(path) for (path,) in database.execute("SELECT path FROM files")]
        database.close()
        return sorted(Path(path).name for path in paths)


@pytest.fixture
def search(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Search:
    save(tmp_path / "a.dsslic", {SKY: 60, CAR: 40})
    save(tmp_path / "b" / "msrc.dsslic", {7: 30, 12: 70}, MSRC)
    save(tmp_path / "b" / "none.dsslic", None)
    save(tmp_path / "b" / "own.dsslic", {1: 100}, own_table("cup", "saucer"))
    return Search(tmp_path, monkeypatch)


ALL: Areas = {
    "a.dsslic": {SKY: 60, CAR: 40},
    "msrc.dsslic": {7: 30, 12: 70},
    "none.dsslic": None,
    "own.dsslic": {1: 100},
}


def test_coarse_maps_are_remembered_like_others(search: Search) -> None:
    path = search.folder / "coarse.dsslic"
    path.write_bytes(stream(map_of({SKY: 30}), label_scale=4))
    for read in ([path.name], []):
        assert search.areas(path) == {path.name: {SKY: 48}} and search.read == read


def test_files_are_read_once(search: Search) -> None:
    assert search.areas() == ALL and search.read == list(ALL)
    assert search.areas() == ALL and search.read == [] and search.problems == []


def test_new_changed_and_vanished_files_are_seen(search: Search) -> None:
    search.areas()
    save(search.folder / "b" / "new.dsslic", {ROAD: 100})
    save(search.folder / "a.dsslic", {SKY: 20, CAR: 80})
    (search.folder / "b" / "none.dsslic").unlink()
    (search.folder / "b" / "own.dsslic").unlink()
    expected = {"a.dsslic": {SKY: 20, CAR: 80}, "msrc.dsslic": {7: 30, 12: 70}}
    assert search.areas() == expected | {"new.dsslic": {ROAD: 100}}
    assert search.read == ["a.dsslic", "new.dsslic"]
    assert search.rows() == ["a.dsslic", "msrc.dsslic", "new.dsslic"]
    with sqlite3.connect(search.path) as database:
        assert database.execute("SELECT * FROM own_tables").fetchall() == []
    database.close()


def test_a_file_of_the_same_size_and_another_time_is_read_again(search: Search) -> None:
    search.areas()
    path = search.folder / "a.dsslic"
    before = path.stat()
    save(path, {SKY: 60, ROAD: 40})
    assert path.stat().st_size == before.st_size
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns + 1))
    assert search.areas()["a.dsslic"] == {SKY: 60, ROAD: 40}
    assert search.read == ["a.dsslic"]


def test_a_file_damaged_later_is_named_every_time_and_forgotten(search: Search) -> None:
    search.areas()
    path = search.folder / "a.dsslic"
    path.write_bytes(path.read_bytes()[:30])
    for _ in range(2):
        assert list(search.areas()) == ["msrc.dsslic", "none.dsslic", "own.dsslic"]
        assert search.problems == [
            "a.dsslic: the stream is cut inside its header: nothing can be decoded"
        ]
    assert "a.dsslic" not in search.rows()


def test_only_what_is_below_the_folders_searched_is_forgotten(search: Search) -> None:
    save(search.folder / "b2.dsslic", {SKY: 100})
    save(search.folder / "b-" / "x.dsslic", {SKY: 100})
    search.areas()
    for name in ("a.dsslic", "b2.dsslic", "b-/x.dsslic", "b/own.dsslic"):
        (search.folder / name).unlink()
    assert list(search.areas(search.folder / "b")) == ["msrc.dsslic", "none.dsslic"]
    assert search.rows() == ["a.dsslic", "b2.dsslic", "msrc.dsslic", "none.dsslic", "x.dsslic"]
    assert search.areas(search.folder / "a.dsslic") == {}
    assert search.rows() == ["b2.dsslic", "msrc.dsslic", "none.dsslic", "x.dsslic"]


def test_names_that_are_no_text_and_times_far_away_are_kept(search: Search) -> None:
    path = Path(os.fsdecode(os.fsencode(search.folder) + b"/\xff\n.dsslic"))
    save(path, {CAR: 100})
    os.utime(path, ns=(0, -5_000_000_000))
    for expected in ([path.name], []):
        assert search.areas(path) == {path.name: {CAR: 100}} and search.read == expected
    times = {index_module._stored_time(t) for t in (-5, 1 << 63, (1 << 63) + 1, (1 << 63) - 1)}
    assert len(times) == 4 and all(abs(time) <= 1 << 63 for time in times)


def test_own_tables_are_stored_once_each(search: Search) -> None:
    for name in ("x", "y"):
        save(search.folder / f"{name}.dsslic", {1: 100}, own_table("cup", "saucer"))
    save(search.folder / "z.dsslic", {0: 100}, own_table("cup", "spoon"))
    search.areas()
    with sqlite3.connect(search.path) as database:
        assert database.execute("SELECT count(*) FROM own_tables").fetchone() == (2,)
    database.close()
    names = {Path(e.path).stem: e.classes.names for e in search.entries()}
    assert search.read == []
    assert names["x"] == names["own"] == ("cup", "saucer") and names["z"] == ("cup", "spoon")


def test_an_index_killed_in_the_middle_goes_on_from_there(search: Search) -> None:
    for i in range(10):
        save(search.folder / f"{i}.dsslic", {SKY: 100 - i, CAR: i} if i else {SKY: 100})
    program = f"""
import os, signal
from pathlib import Path
from dsslic_jax.search import index
from dsslic_jax.search.finding import find_files
read, done = index.read_entry, []
def reading(path):
    if len(done) == 8:
        os.kill(os.getpid(), signal.SIGKILL)
    done.append(path)
    return read(path)
index.read_entry, index._BATCH = reading, 3
with index.Index(Path({str(search.path)!r})) as opened:
    list(opened.entries(find_files([{str(search.folder)!r}], print), print))
"""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    killed = subprocess.run(
        [sys.executable, "-c", program], env=environment, timeout=60, check=False
    )
    assert killed.returncode == -signal.SIGKILL
    assert search.rows() == [f"{i}.dsslic" for i in range(6)]  # two batches of three
    areas = search.areas()
    assert len(areas) == 14 and areas["7.dsslic"] == {SKY: 93, CAR: 7}
    assert len(search.read) == 8


def test_an_index_that_needs_no_change_may_be_read_only(search: Search) -> None:
    search.areas()
    with sqlite3.connect(search.path) as writer:
        writer.execute("BEGIN IMMEDIATE")  # nobody else can write now
        assert search.areas() == ALL
    writer.close()


def test_an_index_that_cannot_be_written_is_one_line(
    search: Search, monkeypatch: pytest.MonkeyPatch
) -> None:
    search.areas()
    save(search.folder / "new.dsslic", {SKY: 100})
    monkeypatch.setattr(index_module, "_LOCK_TIMEOUT_S", 0.01)
    with sqlite3.connect(search.path) as writer:
        writer.execute("BEGIN IMMEDIATE")
        with pytest.raises(DataError, match=r"the index cannot be used \(database is locked\)"):
            search.entries()
    writer.close()
    search.path = search.folder / "no" / "index"
    with pytest.raises(DataError, match="the index cannot be used"):
        search.entries()


def foreign_files(folder: Path) -> Iterator[Path]:
    text, database = folder / "text", folder / "database"
    text.write_bytes(b"not a database, but long enough to be read as the header of one" * 20)
    yield text
    yield save(folder / "picture.dsslic", {SKY: 100})
    with sqlite3.connect(database) as connection:
        connection.execute("CREATE TABLE files (path BLOB PRIMARY KEY)")
    connection.close()
    yield database


def test_a_file_that_is_no_index_is_refused_and_left_alone(search: Search) -> None:
    for path in foreign_files(search.folder):
        before = path.read_bytes()
        search.path = path
        with pytest.raises(DataError, match="no search index; give another --index"):
            search.entries()
        assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("PRAGMA user_version = 2", "another version"),
        ("CREATE TRIGGER t AFTER DELETE ON files BEGIN DELETE FROM own_tables; END", "its tables"),
        ("DROP TABLE own_tables", "its tables"),
        ("ALTER TABLE files ADD COLUMN more", "its tables"),
        ('UPDATE files SET pixels = \'{"0": 60, "200": 40}\'', "the row of"),
        ("UPDATE files SET pixels = '{\"0\": 60}'", "the row of"),
        ('UPDATE files SET pixels = \'{"0": 160, "1": -60}\'', "the row of"),
        ("UPDATE files SET pixels = '[]'", "the row of"),
        ("UPDATE files SET pixels = printf('%.*c', 100000, '[')", "the row of"),
        ("UPDATE files SET pixels = printf('%.*c', 2000000, 'x')", "damaged search index"),
        ("UPDATE files SET width = -10, height = -10", "the row of"),
        ("UPDATE files SET width = 'x'", "the row of"),
        ("UPDATE files SET width = NULL", "the row of"),
        ("UPDATE files SET class_table = 77", "the row of"),
        ("UPDATE files SET class_table = 777", "the row of"),
        ("UPDATE files SET class_table = NULL", "the row of"),
        ("UPDATE files SET fingerprint = 3", "the row of"),
        ("UPDATE own_tables SET json = '[1]'", "the row of"),
        ("UPDATE own_tables SET json = 5", "the row of"),
        ("UPDATE files SET pixels = '{\"0\": 1e999}'", "the row of"),
        ('UPDATE files SET pixels = \'{"00": 60, "8": 40}\'', "the row of"),
        ("UPDATE files SET pixels = 5", "the row of"),
    ],
)
def test_an_index_that_somebody_changed_is_refused_in_one_line(
    statement: str, message: str, search: Search
) -> None:
    search.areas()
    with sqlite3.connect(search.path) as database:
        database.execute(statement)
    database.close()
    with pytest.raises(DataError) as caught:
        search.entries()
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_a_damaged_index_never_ends_in_anything_but_one_line(search: Search) -> None:
    search.areas()
    data = search.path.read_bytes()
    written = [position for position, byte in enumerate(data) if byte]
    refused = 0
    for position in written[::7]:
        damaged = bytearray(data)
        damaged[position] ^= 0xFF
        search.path.write_bytes(damaged)
        try:
            search.entries()
        except DataError as error:
            assert "\n" not in str(error)
            refused += 1
    assert 10 < refused < len(written[::7])
