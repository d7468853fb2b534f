"""The `.dsslic` stream: a header that describes every layer, then the layers in order. See docs/format.md.

A prefix of the file that ends with a layer decodes to that layer. Every layer's CRC is checked before a coder sees it.
"""

import json
import struct
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import IO, Any

from dsslic_jax.classes import table as tables
from dsslic_jax.classes.table import ClassTable
from dsslic_jax.codec.coders.coder import LAYERS
from dsslic_jax.codec.coders.registry import number_of, stream_name
from dsslic_jax.codec.label_scale import LABEL_SCALES, coarse_shape
from dsslic_jax.codec.varint import NumberCut, read_varint, write_varint
from dsslic_jax.errors import DataError, StreamError
from dsslic_jax.system.files import MAX_PIXELS
from dsslic_jax.system.untrusted import parse_json

MAGIC = b"DSLC"
VERSION = 2
MAX_RESIDUAL_LAYERS = 16
MAX_EXTENSION_BYTES = 1 << 20  # of the metadata together
COLOURS = ("rgb", "ycbcr")  # of the networks
METADATA_TAGS = {"icc": 2, "exif": 3, "cicp": 4, "gama": 5, "chrm": 6}

_TABLE_TAG = 1
_MAX_TABLE_BYTES = 1 << 16  # of a sent class table's JSON
_GREY, _LABELS_AT_DECODER, _EXTENSION = 1, 2, 4
_COLOUR_SHIFT, _LABEL_SCALE_SHIFT = 4, 5  # in the byte "shape", above log2 alpha
_FIRST_BLOCK = 1 << 12  # bytes, which hold any header without metadata
_START = struct.Struct("<4sBB")
_CRC = struct.Struct("<I")


@dataclass(frozen=True)
class Layer:
    """One layer as the header describes it."""

    name: str  # "s", "c", "r1", "r2", …
    coder: str  # the stream's name of it, such as "jxl"
    length: int  # bytes
    crc32: int

    @property
    def kind(self) -> str:
        """The layer's kind: "s", "c" or "r"."""
        return self.name[0]


@dataclass(frozen=True)
class Header:
    """What a stream says of itself before its first layer."""

    width: int  # true size in pixels
    height: int
    classes: ClassTable
    alpha: int
    fingerprint: bytes  # of the model that decodes it, 8 bytes
    layers: tuple[Layer, ...] = ()
    colour: str = "rgb"  # of the networks, one of COLOURS
    grey: bool = False  # the picture was grey: show one channel
    labels_at_decoder: bool = False  # s is not sent but made from the compact image
    label_scale: int = 1  # layer s has one sample for so many pixels a side, one of LABEL_SCALES
    metadata: Mapping[str, bytes] = field(default_factory=dict)  # by METADATA_TAGS
    size: int = 0  # bytes the header takes, once written or read

    @property
    def label_shape(self) -> tuple[int, int]:
        """Rows and columns of the map in layer s."""
        return coarse_shape(self.height, self.width, self.label_scale)

    def layer(self, name: str) -> Layer | None:
        """The layer called `name`, if the stream has it."""
        return next((layer for layer in self.layers if layer.name == name), None)


def write(header: Header, payloads: Sequence[tuple[str, str, bytes]]) -> bytes:
    """A stream of `payloads` = (layer name, coder, bytes) in order; `header.layers` is not looked at.

    Raises DataError for more than MAX_EXTENSION_BYTES of metadata, or a class table of more than _MAX_TABLE_BYTES.
    """
    extension = _write_extension(header)
    flags = _GREY * header.grey + _LABELS_AT_DECODER * header.labels_at_decoder
    flags += _EXTENSION * bool(extension)
    head = _START.pack(MAGIC, VERSION, flags)
    head += write_varint(header.width) + write_varint(header.height)
    head += bytes([header.classes.table_id])
    shape = header.alpha.bit_length() - 1 | COLOURS.index(header.colour) << _COLOUR_SHIFT
    shape |= LABEL_SCALES.index(header.label_scale) << _LABEL_SCALE_SHIFT
    head += bytes([shape]) + header.fingerprint + bytes([len(payloads)])
    for name, coder, payload in payloads:
        head += bytes([LAYERS.index(name[0]) << 5 | number_of(coder)])
        head += write_varint(len(payload)) + _CRC.pack(zlib.crc32(payload))
    if extension:
        head += write_varint(len(extension)) + extension
    head += _CRC.pack(zlib.crc32(head))
    return head + b"".join(payload for _, _, payload in payloads)


def read_header(data: bytes) -> Header:
    """The header of a stream. Raises StreamError where it is not one of ours, damaged, or asks too much.

    `data` may be the beginning of a stream; HeaderCut tells that it is too short a one.
    """
    if len(data) < _START.size or data[:4] != MAGIC:
        raise StreamError("not a .dsslic stream: it does not begin with a DSLC header")
    _, version, flags = _START.unpack_from(data)
    if version != VERSION or flags > _GREY | _LABELS_AT_DECODER | _EXTENSION:
        raise StreamError(
            f"stream version {version}, flags {flags}: this program reads version {VERSION}, flags "
            f"up to {_GREY | _LABELS_AT_DECODER | _EXTENSION}; use a newer one"
        )
    try:
        width, position = read_varint(data, _START.size, "the header")
        height, position = read_varint(data, position, "the header")
        table_id, shape = data[position], data[position + 1]
        fingerprint, count = data[position + 2 : position + 10], data[position + 10]
        layers, position = _read_layer_table(data, position + 11, count)
        extension = b""
        if flags & _EXTENSION:
            length, position = read_varint(data, position, "the header")
            if length > MAX_EXTENSION_BYTES:
                raise StreamError(f"the stream declares {length} bytes of metadata: too much")
            extension = data[position : position + length]
            position += length
        (crc32,) = _CRC.unpack_from(data, position)
    except (IndexError, struct.error, NumberCut) as error:
        raise HeaderCut() from error
    if crc32 != zlib.crc32(data[:position]):
        raise StreamError("the stream's header is damaged (its checksum does not match)")
    if not width or not height or width * height > MAX_PIXELS:
        raise StreamError(f"the stream declares {width}x{height} pixels; the limit is {MAX_PIXELS}")
    log2_alpha, log2_label_scale = shape & 0xF, shape >> _LABEL_SCALE_SHIFT
    if log2_alpha > 6 or log2_label_scale >= len(LABEL_SCALES):
        told = f"alpha 2**{log2_alpha}, label scale 2**{log2_label_scale}"
        raise StreamError(f"the stream declares {told}")
    chunks = _read_extension(extension)
    header = Header(
        width=width,
        height=height,
        classes=_class_table(table_id, chunks),
        alpha=1 << log2_alpha,
        fingerprint=fingerprint,
        layers=layers,
        colour=COLOURS[shape >> _COLOUR_SHIFT & 1],
        grey=bool(flags & _GREY),
        labels_at_decoder=bool(flags & _LABELS_AT_DECODER),
        label_scale=LABEL_SCALES[log2_label_scale],
        metadata={name: chunks[tag] for name, tag in METADATA_TAGS.items() if tag in chunks},
        size=position + _CRC.size,
    )
    if header.labels_at_decoder and header.layer("s"):
        raise StreamError("the stream holds layer s and says that it does not")
    if header.label_scale > 1 and not header.layer("s"):
        raise StreamError("the stream declares a label scale and holds no layer s")
    return header


class HeaderCut(StreamError):
    """The data end inside the header."""

    def __init__(self) -> None:
        super().__init__("the stream is cut inside its header: nothing can be decoded")


def read_header_of(file: IO[bytes]) -> tuple[Header, bytes]:
    """The header of the stream that begins where `file` stands, and all bytes read for it.

    Raises StreamError as `read_header` does.
    """
    data, block = b"", _FIRST_BLOCK
    while more := file.read(block):  # ends: `read_header` refuses headers that claim to be long
        data, block = data + more, 4 * block
        try:
            return read_header(data), data
        except HeaderCut:
            continue
    return read_header(data), data


def read_layers(data: bytes, header: Header, upto: str = "r") -> dict[str, bytes]:
    """The layers that `data` holds whole, by name, from the first to `upto`: a layer's name, or "r" for all.

    Stops before a layer that is cut off. Raises StreamError where a layer is damaged, where bytes follow the
    last one, where there is no layer `upto`, or where not even the first is whole.
    """
    names = [layer.name for layer in header.layers]
    if upto != "r" and upto not in names:
        raise StreamError(f"the stream has no layer {upto}; it has {', '.join(names)}")
    found: dict[str, bytes] = {}
    start = header.size
    for layer in header.layers[: None if upto == "r" else names.index(upto) + 1]:
        payload = data[start : start + layer.length]
        if len(payload) < layer.length:
            break
        if zlib.crc32(payload) != layer.crc32:
            raise StreamError(f"layer {layer.name} is damaged (its checksum does not match)")
        found[layer.name] = payload
        start += layer.length
    if not found:
        end = f"the end of layer {names[0]}"
        raise StreamError(f"the stream is cut before {end}: nothing can be decoded")
    if len(data) > header.size + sum(layer.length for layer in header.layers):
        raise StreamError("bytes follow the last layer: not a stream as it was written")
    return found


def layer_lengths(data: bytes) -> dict[str, int]:
    """Bytes of the header and of each layer: {"header": …, "s": …, "c": …, "r1": …}."""
    header = read_header(data)
    return {"header": header.size} | {layer.name: layer.length for layer in header.layers}


def _read_layer_table(data: bytes, position: int, count: int) -> tuple[tuple[Layer, ...], int]:
    layers: list[Layer] = []
    residuals = 0
    order = ""
    for _ in range(count):
        kind, number = data[position] >> 5, data[position] & 0x1F
        length, position = read_varint(data, position + 1, "the header")
        (crc32,) = _CRC.unpack_from(data, position)
        position += _CRC.size
        layer = LAYERS[kind : kind + 1]
        coder = stream_name(number, layer) if layer else None
        if coder is None:
            raise StreamError(
                f"the stream names layer kind {kind} with coder {number}, which this program does not "
                "know; it is damaged, was written by a newer version, or needs a coder registered first"
            )
        order += layer
        residuals += layer == "r"
        layers.append(Layer(f"r{residuals}" if layer == "r" else layer, coder, length, crc32))
    if order.removeprefix("s").rstrip("r") != "c" or residuals > MAX_RESIDUAL_LAYERS:
        raise StreamError("the stream's layers are not s, c, r1, r2, … in this order")
    return tuple(layers), position


def _write_extension(header: Header) -> bytes:
    told = header.metadata
    chunks = [(tag, told[name]) for name, tag in METADATA_TAGS.items() if name in told]
    if header.classes.table_id == tables.UNREGISTERED:
        table = tables.class_table_json(header.classes)
        table["file_ids"] = {}  # how files store ids is ours
        text = json.dumps(table).encode()
        if len(text) > _MAX_TABLE_BYTES:
            limit = f"the limit is {_MAX_TABLE_BYTES}: shorten the names of classes"
            raise DataError(f"the class table takes {len(text)} bytes; {limit}")
        chunks.insert(0, (_TABLE_TAG, zlib.compress(text, 9)))
    extension = b"".join(bytes([tag]) + write_varint(len(d)) + d for tag, d in chunks)
    if len(extension) > MAX_EXTENSION_BYTES:
        limit = f"the limit is {MAX_EXTENSION_BYTES}"
        raise DataError(f"the metadata take {len(extension)} bytes; {limit}: leave them out")
    return extension


def _read_extension(extension: bytes) -> dict[int, bytes]:
    """The chunks by tag. An unknown tag is kept: it changes nothing in how the picture decodes."""
    chunks: dict[int, bytes] = {}
    position = 0
    while position < len(extension):
        length, start = read_varint(extension, position + 1, "the header's metadata")
        if start + length > len(extension):
            raise StreamError("the header's metadata are cut short")
        chunks[extension[position]] = extension[start : start + length]
        position = start + length
    return chunks


def _class_table(table_id: int, chunks: Mapping[int, bytes]) -> ClassTable:
    if table_id != tables.UNREGISTERED:
        return tables.class_table_by_id(table_id)
    inflate = zlib.decompressobj()
    try:
        text = inflate.decompress(chunks[_TABLE_TAG], _MAX_TABLE_BYTES)
    except (KeyError, zlib.error) as error:
        raise StreamError("the stream sends no readable class table") from error
    if not inflate.eof:
        raise StreamError("the stream's class table is cut short or too long")
    stored = parse_json(text, dict[str, Any], "the stream's class table", StreamError)
    if "table_id" in stored:
        raise StreamError("the stream sends a class table with a number: only registered ones have")
    return tables.parse_class_table(stored, StreamError, "the stream's class table")
