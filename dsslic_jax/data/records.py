"""Data sets packed into one ArrayRecord file a split: fewer files to open, random access.

A record is three lengths (unsigned 32-bit, little-endian) and then a name in UTF-8, a picture's file as it was and its
label map's file. `<root>/<split>.array_record`; `dsslic prepare` writes them.
"""

import io
import struct
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

from array_record.python.array_record_data_source import ArrayRecordDataSource
from array_record.python.array_record_module import ArrayRecordWriter

from dsslic_jax.classes.table import ClassTable
from dsslic_jax.data.elements import Element, paired
from dsslic_jax.errors import DataError
from dsslic_jax.pictures.reading import read_label_map, read_picture
from dsslic_jax.system.files import replacing

SUFFIX = ".array_record"
_LENGTHS = struct.Struct("<3I")
# One record a group: a group is what the reader has to read to get at one of its records.
_WRITER_OPTIONS = "group_size:1"


class RecordSource:
    """Random access to the pairs of one packed split, in the order in which they were written."""

    def __init__(self, root: Path, split: str, table: ClassTable) -> None:
        """Opens `root/split.array_record`, whose label maps follow `table`. Raises DataError where it is none."""
        path = root / f"{split}{SUFFIX}"
        if not path.is_file():
            raise DataError(f"{path} is not there: write it with `dsslic prepare SOURCE {root}`")
        try:
            self._records = ArrayRecordDataSource(str(path))
            self._count = len(self._records)
        except (RuntimeError, ValueError, OSError) as error:
            raise DataError(f"{path} is no ArrayRecord file: write it again ({error})") from error
        self.name = f"{root.name}/{split}"
        self._table = table

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int) -> Element:
        name, picture, labels = unpacked(self._records[index], f"{self.name}: record {index}")
        where = f"{self.name}: {name}"
        image = read_picture(io.BytesIO(picture), where)
        return paired(image, read_label_map(io.BytesIO(labels), self._table, where), name, where)


def packed(name: str, picture: bytes, labels: bytes) -> bytes:
    """One record."""
    parts = (name.encode(), picture, labels)
    return _LENGTHS.pack(*map(len, parts)) + b"".join(parts)


def unpacked(record: bytes, where: str) -> tuple[str, bytes, bytes]:
    """The inverse of `packed`. Raises DataError, which says `where`, for anything else."""
    if len(record) >= _LENGTHS.size:
        name, picture, labels = _LENGTHS.unpack_from(record)
        if _LENGTHS.size + name + picture + labels == len(record):
            rest = io.BytesIO(record[_LENGTHS.size :])
            return rest.read(name).decode(errors="replace"), rest.read(picture), rest.read(labels)
    raise DataError(f"{where} was not written by `dsslic prepare`")


def write_records(path: Path, records: Iterable[bytes]) -> None:
    """Writes a packed split, which appears whole or not at all."""
    with replacing(path) as temporary:
        with closing(ArrayRecordWriter(str(temporary), _WRITER_OPTIONS)) as writer:
            for record in records:
                writer.write(record)
