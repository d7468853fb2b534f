"""The `.dsslic` stream: a header that describes every layer, then the layers s, c, r in that order.

All numbers are little-endian. The header is 26 bytes, 10 for each layer, and a CRC-32 of both (4): 60 bytes for
three layers.

    magic "DSLC" | version u8 | flags u8 (0) | width u32 | height u32 | class table u8 | log2 alpha u8 |
    colour u8 (0: RGB) | layer count u8 | model fingerprint 8 bytes
    per layer: kind u8 ("s", "c" or "r") | coder u8 | length u32 | CRC-32 u32
    CRC-32 of all the above

A prefix of the file that ends with a layer decodes to that layer. Coders do not notice damage by themselves
(a flipped bit decodes to another picture), so every layer's CRC is checked before a coder sees it.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

from dsslic_jax.errors import StreamError
from dsslic_jax.files import MAX_PIXELS

MAGIC = b"DSLC"
VERSION = 1
COLOUR_RGB = 0
LAYER_ORDER = "scr"
LAYER_CODERS = {"s": ("flif", "jxl"), "c": ("flif", "jxl"), "r": ("bpg",)}
CODER_IDS = {"flif": 1, "jxl": 2, "bpg": 16}
CODER_NAMES = {number: name for name, number in CODER_IDS.items()}

_FIXED = struct.Struct("<4sBBIIBBBB8s")
_LAYER = struct.Struct("<BBII")
_CRC = struct.Struct("<I")


@dataclass(frozen=True)
class Layer:
    """One layer as the header describes it."""

    kind: str  # "s", "c" or "r"
    coder: str  # "flif", "jxl" or "bpg"
    length: int  # bytes
    crc32: int


@dataclass(frozen=True)
class Header:
    """What a stream says of itself before its first layer."""

    width: int
    height: int
    table_id: int  # class table, dsslic_jax/classes.py
    alpha: int
    fingerprint: bytes  # of the model that decodes it, 8 bytes
    layers: tuple[Layer, ...]

    @property
    def size(self) -> int:
        """Bytes the header takes."""
        return _FIXED.size + len(self.layers) * _LAYER.size + _CRC.size


def write(
    width: int,
    height: int,
    table_id: int,
    alpha: int,
    fingerprint: bytes,
    layers: Sequence[tuple[str, str, bytes]],
) -> bytes:
    """A stream of `layers` = (kind, coder, payload) in order. The inverse of `read`."""
    described = tuple(
        Layer(kind, coder, len(payload), zlib.crc32(payload)) for kind, coder, payload in layers
    )
    head = _FIXED.pack(
        MAGIC,
        VERSION,
        0,
        width,
        height,
        table_id,
        alpha.bit_length() - 1,
        COLOUR_RGB,
        len(described),
        fingerprint,
    )
    for layer in described:
        head += _LAYER.pack(ord(layer.kind), CODER_IDS[layer.coder], layer.length, layer.crc32)
    head += _CRC.pack(zlib.crc32(head))
    return head + b"".join(payload for _, _, payload in layers)


def read_header(data: bytes) -> Header:
    """The header of a stream. Raises StreamError where it is not one of ours, damaged, or asks too much."""
    if len(data) < _FIXED.size or data[:4] != MAGIC:
        raise StreamError("not a .dsslic stream: it does not begin with a DSLC header")
    _, version, flags, width, height, table_id, log2_alpha, colour, count, fingerprint = (
        _FIXED.unpack_from(data)
    )
    if version != VERSION or flags != 0 or colour != COLOUR_RGB:
        raise StreamError(
            f"stream version {version}, flags {flags}, colour {colour}: this program reads version "
            f"{VERSION}, flags 0, colour {COLOUR_RGB}; use a newer one"
        )
    end = _FIXED.size + count * _LAYER.size
    if len(data) < end + _CRC.size:
        raise StreamError("the stream is cut inside its header: nothing can be decoded")
    if _CRC.unpack_from(data, end)[0] != zlib.crc32(data[:end]):
        raise StreamError("the stream's header is damaged (its checksum does not match)")
    if not width or not height or width * height > MAX_PIXELS:
        raise StreamError(f"the stream declares {width}x{height} pixels; the limit is {MAX_PIXELS}")
    if log2_alpha > 6:
        raise StreamError(f"the stream declares alpha 2**{log2_alpha}; the largest is 64")
    layers = []
    for i in range(count):
        kind, coder, length, crc32 = _LAYER.unpack_from(data, _FIXED.size + i * _LAYER.size)
        if coder not in CODER_NAMES:
            raise StreamError(f"the stream names a coder {coder} that this program does not know")
        layers.append(Layer(chr(kind), CODER_NAMES[coder], length, crc32))
    if "".join(layer.kind for layer in layers) != LAYER_ORDER:
        raise StreamError("the stream's layers are not s, c, r in this order")
    for layer in layers:
        if layer.coder not in LAYER_CODERS[layer.kind]:
            raise StreamError(f"layer {layer.kind} cannot be coded with {layer.coder}")
    return Header(width, height, table_id, 2**log2_alpha, fingerprint, tuple(layers))


def read_layers(data: bytes, header: Header, upto: str = "r") -> dict[str, bytes]:
    """The layers that `data` holds whole, by kind, from the first to `upto`.

    Stops before a layer that is cut off. Raises StreamError where a layer is damaged, where bytes follow the
    last one, or where not even the first is whole.
    """
    found: dict[str, bytes] = {}
    start = header.size
    for layer in header.layers[: LAYER_ORDER.index(upto) + 1]:
        payload = data[start : start + layer.length]
        if len(payload) < layer.length:
            break
        if zlib.crc32(payload) != layer.crc32:
            raise StreamError(f"layer {layer.kind} is damaged (its checksum does not match)")
        found[layer.kind] = payload
        start += layer.length
    if not found:
        raise StreamError("the stream is cut before the end of layer s: nothing can be decoded")
    if len(data) > header.size + sum(layer.length for layer in header.layers):
        raise StreamError("bytes follow the last layer: not a stream as it was written")
    return found


def layer_lengths(data: bytes) -> dict[str, int]:
    """Bytes of the header and of each layer: {"header": …, "s": …, "c": …, "r": …}."""
    header = read_header(data)
    return {"header": header.size} | {layer.kind: layer.length for layer in header.layers}
