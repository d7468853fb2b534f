"""Headers of `.dsslic` files, read without the rest of the file."""

from __future__ import annotations

from typing import IO

from dsslic_jax.codec.stream.container import Header, HeaderCut, read_header

_FIRST_BLOCK = 1 << 12  # holds any header without metadata


def read_header_of(file: IO[bytes]) -> tuple[Header, bytes]:
    """The header of the stream that begins where `file` stands, and all bytes read for it.

    Raises StreamError as `container.read_header` does.
    """
    data, block = b"", _FIRST_BLOCK
    while more := file.read(block):  # ends: `read_header` refuses headers that claim to be long
        data, block = data + more, 4 * block
        try:
            return read_header(data), data
        except HeaderCut:
            continue
    return read_header(data), data
