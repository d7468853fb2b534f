"""What a search knows of one file: its header and how layer s opens, read with as few bytes as possible."""

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from io import FileIO

import numpy as np

from dsslic_jax.classes.table import ClassTable
from dsslic_jax.codec.layers.labels import decode_label_layer, read_counts
from dsslic_jax.codec.stream import container
from dsslic_jax.codec.stream.container import read_header_of
from dsslic_jax.errors import DsslicError, StreamError
from dsslic_jax.search.finding import FoundFile, Report
from dsslic_jax.system.untrusted import open_regular

# No coder of labels needs that many; a hostile header may claim any length.
_LABEL_BYTES_PER_PIXEL, _LABEL_BYTES_AT_LEAST = 2, 1 << 12


@dataclass(frozen=True, slots=True)
class Entry:
    """One file as searches see it."""

    path: str
    size: int  # bytes
    mtime_ns: int
    width: int  # pixels
    height: int
    classes: ClassTable
    fingerprint: bytes  # of the model that decodes it
    # Of each class id present; None where the file has no labels. Blocks of a label scale above 1 count whole, also
    # where the border cuts them.
    pixels: Mapping[int, int] | None


def read_entry(path: str) -> Entry:
    """Reads the entry of a file. Raises StreamError for what is no sound stream up to layer s, DataError, OSError."""
    header, payload, status = _read(path)
    pixels = None
    if payload is not None:
        samples, _ = read_counts(payload, header)
        pixels = {i: n * header.label_scale**2 for i, n in samples.items()}
    return Entry(
        path=path,
        size=status.st_size,
        mtime_ns=status.st_mtime_ns,
        width=header.width,
        height=header.height,
        classes=header.classes,
        fingerprint=header.fingerprint,
        pixels=pixels,
    )


def read_entries(found: Iterable[FoundFile], report: Report) -> Iterator[Entry]:
    """The entry of each file; what is wrong with one goes to `report`."""
    for file in found:
        try:
            yield read_entry(file.path)
        except (DsslicError, OSError) as error:
            report(file.path, error)


def read_label_map(entry: Entry) -> np.ndarray:
    """Decodes layer s of a file with labels, uint8 [H, W].

    Raises:
      StreamError: as `read_entry` does, or the file has changed, or its map is not what layer s says.
      CoderUnavailable, CoderFailed: the layer's coder is missing or failed.
    """
    header, payload, status = _read(entry.path)
    if payload is None or (status.st_size, status.st_mtime_ns) != (entry.size, entry.mtime_ns):
        raise StreamError("the file changed while it was searched: search again")
    return decode_label_layer(header, payload)


def _read(path: str) -> tuple[container.Header, bytes | None, os.stat_result]:
    """The header, layer s with its checksum checked (None where there is none), and the file's status."""
    with open_regular(path) as file:
        status = os.fstat(file.fileno())
        header, data = read_header_of(file)
        layer = header.layer("s")
        if layer is None:
            return header, None, status
        limit = _LABEL_BYTES_PER_PIXEL * header.width * header.height + _LABEL_BYTES_AT_LEAST
        if layer.length > limit:
            raise StreamError(f"the stream declares {layer.length} bytes of labels: too much")
        end = header.size + layer.length
        data = _extend(data, file, end)
    return header, container.read_layers(data[:end], header, "s")["s"], status


def _extend(data: bytes, file: FileIO, size: int) -> bytes:
    """`data`, the beginning of `file` read so far, made `size` bytes long, or the whole file where that is shorter."""
    while len(data) < size and (more := file.read(size - len(data))):
        data += more
    return data
