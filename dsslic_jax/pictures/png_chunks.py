"""Chunks of PNG files: those that say what colours mean, and those that Pillow would refuse the picture for."""

import io
import struct
import zlib
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

SIGNATURE = b"\x89PNG\r\n\x1a\n"
# What colours mean, by the name it has in a stream's metadata; of several the first counts (PNG specification, 4.3).
COLOUR_CHUNKS = {"cicp": b"cICP", "gama": b"gAMA", "chrm": b"cHRM"}
_LENGTHS = {b"cICP": 4, b"gAMA": 4, b"cHRM": 32}
# Of sRGB, in 100,000ths: what colours mean where nothing is said.
_SRGB = {
    b"gAMA": struct.pack(">I", 45455),
    b"cHRM": struct.pack(">8I", 31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000),
}
_MAX_INFLATED_BYTES = 1 << 20  # of a text or an ICC profile: Pillow's limit
_MAX_TEXT_BYTES = 1 << 26  # of all texts together, likewise
_TEXTS = (b"tEXt", b"zTXt", b"iTXt")


class Chunk(NamedTuple):
    """A chunk of a file."""

    kind: bytes  # 4 letters
    start: int  # of its length field
    length: int  # bytes of its data


def chunks(file: BinaryIO) -> Iterator[Chunk]:
    """The chunks of a PNG file, as far as they are there; none of another file."""
    file.seek(0)
    if file.read(len(SIGNATURE)) != SIGNATURE:
        return
    start, end = len(SIGNATURE), file.seek(0, io.SEEK_END)
    while start + 12 <= end:
        file.seek(start)
        length, kind = struct.unpack(">I4s", file.read(8))
        yield Chunk(kind, start, length)
        start += length + 12


def colour_chunks(file: BinaryIO) -> dict[str, bytes]:
    """What a PNG file says of its colours, by `COLOUR_CHUNKS`: cICP, or else gAMA and cHRM.

    Nothing where an ICC profile or sRGB counts instead, and where they say sRGB.
    """
    found: dict[bytes, bytes] = {}
    for chunk in chunks(file):
        if chunk.kind == b"IDAT":
            break
        if chunk.kind in (b"iCCP", b"sRGB"):
            found[chunk.kind] = b""
        elif chunk.length == _LENGTHS.get(chunk.kind):
            found[chunk.kind] = _data(file, chunk)
    if b"cICP" in found:
        return {"cicp": found[b"cICP"]}
    names = {name: kind for name, kind in COLOUR_CHUNKS.items() if kind in found}
    if b"iCCP" in found or b"sRGB" in found or all(found[k] == _SRGB[k] for k in names.values()):
        return {}
    return {name: found[kind] for name, kind in names.items()}


def without_unreadable(file: BinaryIO) -> tuple[BinaryIO, list[str]]:
    """The file, or a copy without the chunks for which Pillow refuses a sound picture; with the names of these.

    They are texts and ICC profiles of more than 1 MiB, and what is not needed to decode and has a wrong checksum.
    """
    spans, left_out, text_bytes = [], [], 0
    for chunk in chunks(file):
        if chunk.kind == b"IDAT" or not chunk.kind[:1].islower():  # needed to decode
            continue
        data = _data(file, chunk)
        size = _inflated_bytes(chunk.kind, data)
        text_bytes += size if chunk.kind in _TEXTS else 0
        broken = zlib.crc32(chunk.kind + data) != struct.unpack(">I", file.read(4).rjust(4))[0]
        if broken or size > _MAX_INFLATED_BYTES or text_bytes > _MAX_TEXT_BYTES:
            spans.append((chunk.start, chunk.start + chunk.length + 12))
            left_out.append(chunk.kind.decode("ascii", "replace"))
    file.seek(0)
    if not spans:
        return file, []
    whole, kept, position = file.read(), io.BytesIO(), 0
    for start, end in spans:
        kept.write(whole[position:start])
        position = end
    kept.write(whole[position:])
    kept.seek(0)
    return kept, left_out


def _data(file: BinaryIO, chunk: Chunk) -> bytes:
    file.seek(chunk.start + 8)
    return file.read(chunk.length)


def _inflated_bytes(kind: bytes, data: bytes) -> int:
    """How long a text or profile is when inflated, as far as the limit; 0 of other chunks."""
    if kind not in (*_TEXTS, b"iCCP"):
        return 0
    rest = data.partition(b"\0")[2]
    if kind == b"iTXt":
        if rest[:1] != b"\1":
            return len(rest)
        rest = rest[2:].partition(b"\0")[2].partition(b"\0")[2]
    elif kind == b"tEXt":
        return len(rest)
    else:
        rest = rest[1:]
    try:
        return len(zlib.decompressobj().decompress(rest, _MAX_INFLATED_BYTES + 1))
    except zlib.error:
        return 0
