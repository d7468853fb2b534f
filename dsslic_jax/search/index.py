"""A search's memory: an SQLite file of the entries read, brought up to date by each file's size and time of change."""

import json
import math
import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, TypeVar

from dsslic_jax.classes.table import (
    UNREGISTERED,
    ClassTable,
    class_table_by_id,
    class_table_json,
    parse_class_table,
)
from dsslic_jax.codec.label_scale import LABEL_SCALES, coarse_shape
from dsslic_jax.errors import DataError, DsslicError
from dsslic_jax.search.finding import FoundFile, Report, path_key
from dsslic_jax.search.reading import Entry, read_entry
from dsslic_jax.system.files import MAX_PIXELS
from dsslic_jax.system.printable import printable
from dsslic_jax.system.untrusted import parse_json, typed

_APPLICATION_ID = int.from_bytes(b"DSLC")  # in the SQLite file's own header
_SCHEMA_VERSION = 1
# A path is the operating system's bytes. class_table is the number in stream headers, or the id of an own table.
# pixels is JSON, {"class id": pixels}; NULL where the file has no labels.
_SCHEMA = {
    "files": "CREATE TABLE files (path BLOB PRIMARY KEY, size INTEGER, mtime_ns INTEGER, width INTEGER, "
    "height INTEGER, class_table INTEGER, fingerprint BLOB, pixels TEXT) WITHOUT ROWID",
    "own_tables": "CREATE TABLE own_tables (id INTEGER PRIMARY KEY, json BLOB NOT NULL, UNIQUE (json))",
}
_FIRST_OWN_TABLE = 256  # above every number in stream headers
_BATCH = 1000  # files read before they are committed: what a killed search loses
_LOCK_TIMEOUT_S = 30.0  # for another search that is updating the same index
_MAX_VALUE_BYTES = 1 << 20
_MAX_TABLES_REMEMBERED = 64
T = TypeVar("T")


class Index(AbstractContextManager["Index"]):
    """An index file, made where there is none; a context manager.

    Every method raises DataError for a file that is no such index, was made by another version, is damaged or cannot
    be written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._tables: dict[int, ClassTable] = {}
        with self._one_line():
            self._database = sqlite3.connect(path, timeout=_LOCK_TIMEOUT_S)
            self._database.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _MAX_VALUE_BYTES)
            try:
                self._prepare()
            except BaseException:
                self._database.close()
                raise

    def __exit__(self, *_: object) -> None:
        self._database.close()

    def entries(self, found: Iterable[FoundFile], report: Report) -> Iterator[Entry]:
        """The entry of each file, from the index where the file has not changed; the others are read and stored.

        What is wrong with a file goes to `report`.
        """
        with self._one_line():
            read = 0
            for file in found:
                row = self._database.execute(
                    "SELECT size, mtime_ns, width, height, class_table, fingerprint, pixels FROM files "
                    "WHERE path = ?",
                    (file.key,),
                ).fetchone()
                if row is not None and row[:2] == (file.size, _stored_time(file.mtime_ns)):
                    yield self._entry(file, row[2:])
                    continue
                try:
                    entry = read_entry(file.path)
                except (DsslicError, OSError) as error:
                    report(file.path, error)
                    if row is not None:
                        self._forget([file.key])
                    continue
                self._store(file.key, entry)
                read += 1
                if read % _BATCH == 0:
                    self._database.commit()
                yield entry
            self._database.commit()

    def forget_vanished(self, places: Iterable[str], found: Sequence[FoundFile]) -> None:
        """Forgets the files at or below `places` that are not among those found there."""
        there = {file.key for file in found}
        with self._one_line():
            for place in places:
                key = path_key(place)
                below = key.rstrip(os.fsencode(os.sep)) + os.fsencode(os.sep)
                after = below[:-1] + bytes([below[-1] + 1])
                rows = self._database.execute(
                    "SELECT path FROM files WHERE path = ? OR (path > ? AND path < ?)",
                    (key, below, after),
                )
                self._forget([path for (path,) in rows if path not in there])
            if self._database.in_transaction:
                self._database.execute(
                    "DELETE FROM own_tables WHERE id NOT IN (SELECT class_table FROM files)"
                )
            self._database.commit()

    def _prepare(self) -> None:
        """Makes the tables in an empty file; refuses a file with anything else in it than an index has."""
        database = self._database
        if not self._schema() and self._pragma("application_id") == 0:
            database.execute("BEGIN IMMEDIATE")  # one transaction: killed, it leaves an empty file
            for statement in _SCHEMA.values():
                database.execute(statement.replace("TABLE", "TABLE IF NOT EXISTS", 1))
            database.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
            database.execute(f"PRAGMA user_version = {_SCHEMA_VERSION}")
            database.commit()
        if self._pragma("application_id") != _APPLICATION_ID:
            raise self._foreign()
        if self._pragma("user_version") != _SCHEMA_VERSION:
            raise DataError(f"{self._path}: an index of another version; delete it to make it anew")
        if self._schema() != _SCHEMA:
            raise self._damaged("its tables are not those of an index")

    def _schema(self) -> dict[str, str]:
        query = "SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL"
        return dict(self._database.execute(query).fetchall())

    def _pragma(self, name: str) -> int:
        (value,) = self._database.execute(f"PRAGMA {name}").fetchone()
        return int(value)

    def _store(self, key: bytes, entry: Entry) -> None:
        pixels = None if entry.pixels is None else json.dumps(entry.pixels)
        status = key, entry.size, _stored_time(entry.mtime_ns)
        header = entry.width, entry.height, self._table_id(entry.classes), entry.fingerprint
        query = "INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
        self._database.execute(query, (*status, *header, pixels))

    def _forget(self, keys: Sequence[bytes]) -> None:
        if keys:  # an index that needs no change may be read-only
            self._database.executemany("DELETE FROM files WHERE path = ?", [(key,) for key in keys])

    def _table_id(self, table: ClassTable) -> int:
        if table.table_id != UNREGISTERED:
            return table.table_id
        text = json.dumps(class_table_json(table)).encode()
        self._database.execute(
            "INSERT OR IGNORE INTO own_tables (id, json) VALUES "
            "((SELECT max(?, ifnull(max(id) + 1, 0)) FROM own_tables), ?)",
            (_FIRST_OWN_TABLE, text),
        )
        query = "SELECT id FROM own_tables WHERE json = ?"
        (table_id,) = self._database.execute(query, (text,)).fetchone()
        return int(table_id)

    def _table(self, table_id: int) -> ClassTable:
        if table_id < _FIRST_OWN_TABLE:
            return class_table_by_id(table_id)
        if table_id not in self._tables:
            if len(self._tables) >= _MAX_TABLES_REMEMBERED:
                self._tables.clear()
            query = "SELECT json FROM own_tables WHERE id = ?"
            found = self._database.execute(query, (table_id,)).fetchone()
            stored = _parsed(found and found[0], dict[str, Any])
            self._tables[table_id] = parse_class_table(stored, DataError)
        return self._tables[table_id]

    def _entry(self, file: FoundFile, row: tuple[Any, ...]) -> Entry:
        """The entry that a row holds; the index may be anybody's, so it is checked like a file."""
        width, height, table_id, fingerprint, text = row
        pixels = None
        try:
            typed([width, height, table_id], tuple[int, int, int], "it", DataError)
            table = self._table(table_id)
            sound = min(width, height) > 0 and width * height <= MAX_PIXELS
            sound = sound and type(fingerprint) is bytes
            if sound and text is not None:
                ids = {str(i): i for i in range(table.num_classes)}
                areas = _parsed(text, dict[str, int])
                sound = areas.keys() <= ids.keys() and min(areas.values(), default=0) > 0
                sound = sound and sum(areas.values()) in _whole_blocks(width, height)
                pixels = {ids[i]: n for i, n in areas.items()} if sound else None
        except DsslicError as error:
            raise self._damaged(f"the row of {file.path}") from error
        if not sound:
            raise self._damaged(f"the row of {file.path}")
        return Entry(file.path, file.size, file.mtime_ns, width, height, table, fingerprint, pixels)

    def _foreign(self) -> DataError:
        return DataError(f"{self._path}: no search index; give another --index")

    def _damaged(self, what: object) -> DataError:
        what = printable(str(what))  # SQLite's own messages repeat what the file holds
        return DataError(
            f"{self._path}: a damaged search index ({what}); delete it to make it anew"
        )

    @contextmanager
    def _one_line(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.OperationalError as error:  # locked, read-only, a full disk
            raise DataError(
                f"{self._path}: the index cannot be used ({printable(str(error))})"
            ) from error
        except (sqlite3.Error, UnicodeDecodeError) as error:  # the latter of a broken error message
            if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_NOTADB:
                raise self._foreign() from error
            raise self._damaged(error) from error


def _parsed(text: object, kind: type[T]) -> T:
    """The JSON that a column holds, which may hold anything. Raises DataError."""
    if not isinstance(text, str | bytes):
        raise DataError("no text")
    return parse_json(text, kind, "it", DataError)


def _whole_blocks(width: int, height: int) -> set[int]:
    """What the pixels of an entry may sum to: those of whole blocks that cover the picture, at any label scale."""
    return {scale**2 * math.prod(coarse_shape(height, width, scale)) for scale in LABEL_SCALES}


def _stored_time(mtime_ns: int) -> int:
    """A time as SQLite can hold it, in 64 bits; only whether it changes matters."""
    return (mtime_ns + (1 << 63)) % (1 << 64) - (1 << 63)
