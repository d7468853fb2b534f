"""The stream's layout byte by byte, and that nothing but a whole stream or a whole prefix is read."""

import json
import tracemalloc
import zlib
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dsslic_jax.classes.table import UNREGISTERED, ClassTable, class_table
from dsslic_jax.codec.stream import container
from dsslic_jax.codec.stream.container import Header, HeaderCut
from dsslic_jax.errors import DataError, StreamError

FINGERPRINT = bytes(range(1, 9))
HEADER = Header(130, 65, class_table("camvid"), 8, FINGERPRINT)
LAYERS = [("s", "jxl", b"labels"), ("c", "flif", b"compact image"), ("r1", "bpg", bytes(range(40)))]
STREAM = container.write(HEADER, LAYERS)
SIZE = 4 + 2 + 3 + 2 + 8 + 1 + 3 * 6 + 4  # 130 takes two bytes, the other numbers one
ENDS = {"s": SIZE + 6, "c": SIZE + 19, "r1": SIZE + 59}
OWN = ClassTable("pets", UNREGISTERED, ("cat", "dög", "?"), (2,), ((1, 2, 3),) * 3, {})


def forged(edits: dict[int, int], stream: bytes = STREAM) -> bytes:
    """The stream with header bytes replaced and its header checksum made right again."""
    changed = bytearray(stream)
    for offset, value in edits.items():
        changed[offset] = value
    changed[SIZE - 4 : SIZE] = zlib.crc32(changed[: SIZE - 4]).to_bytes(4, "little")
    return bytes(changed)


def test_the_layout_is_the_documented_one() -> None:
    head = b"DSLC" + bytes([2, 0])  # version, flags
    head += b"\x81\x02" + b"\x41"  # 130 = 1 * 128 + 2, 65
    head += bytes([3, 3]) + FINGERPRINT + bytes([3])  # camvid, RGB and alpha 2**3, three layers
    for kind_and_coder, payload in (
        (0 << 5 | 2, b"labels"),
        (1 << 5 | 1, b"compact image"),
        (2 << 5 | 16, bytes(range(40))),
    ):
        head += bytes([kind_and_coder, len(payload)]) + zlib.crc32(payload).to_bytes(4, "little")
    head += zlib.crc32(head).to_bytes(4, "little")
    assert len(head) == SIZE
    assert STREAM == head + b"labels" + b"compact image" + bytes(range(40))


def test_what_is_written_is_read_back() -> None:
    header = container.read_header(STREAM)
    assert replace(header, layers=(), size=0) == HEADER
    assert header.size == SIZE
    assert [(layer.name, layer.kind, layer.coder) for layer in header.layers] == [
        ("s", "s", "jxl"),
        ("c", "c", "flif"),
        ("r1", "r", "bpg"),
    ]
    payloads = {name: payload for name, _, payload in LAYERS}
    assert container.read_layers(STREAM, header) == payloads
    assert container.layer_lengths(STREAM) == {"header": SIZE, "s": 6, "c": 13, "r1": 40}


@pytest.mark.parametrize("grey", [False, True])
@pytest.mark.parametrize("colour", container.COLOURS)
@pytest.mark.parametrize("table", [class_table("ade20k"), OWN])
@pytest.mark.parametrize("metadata", [{}, {"icc": b"profile", "exif": b"Exif\0\0" + bytes(300)}])
def test_every_field_survives(grey: bool, colour: str, table: ClassTable, metadata: dict) -> None:
    written = Header(70000, 1, table, 64, FINGERPRINT, colour=colour, grey=grey, metadata=metadata)
    read = container.read_header(container.write(written, LAYERS))
    assert replace(read, layers=(), size=0) == written


@pytest.mark.parametrize("log2_scale", range(6))
@pytest.mark.parametrize("colour", container.COLOURS)
def test_the_label_scale_is_in_the_high_bits_of_the_shape(log2_scale: int, colour: str) -> None:
    written = replace(HEADER, label_scale=1 << log2_scale, colour=colour)
    stream = container.write(written, LAYERS)
    assert stream[10] == 3 | container.COLOURS.index(colour) << 4 | log2_scale << 5
    read = container.read_header(stream)
    assert replace(read, layers=(), size=0) == written
    # of 65 rows and 130 columns
    expected = [(65, 130), (33, 65), (17, 33), (9, 17), (5, 9), (3, 5)][log2_scale]
    assert read.label_shape == expected


def test_a_label_scale_without_labels_is_refused() -> None:
    stream = container.write(replace(HEADER, label_scale=4), LAYERS[1:])
    with pytest.raises(StreamError, match="label scale and holds no layer s"):
        container.read_header(stream)


def test_the_largest_header_of_three_layers_is_within_64_bytes_and_16_more_for_each_further() -> (
    None
):
    sizes = []
    for layers in (3, 4):
        header = replace(HEADER, width=1 << 27, height=1)
        written = container.write(header, [("s", "jxl", b"")] + [("c", "jxl", b"")] + [
            (f"r{i}", "bpg", b"") for i in range(1, layers - 1)
        ])  # fmt: skip
        sizes.append(
            container.read_header(written).size + 4 * layers
        )  # five bytes a length at most
    assert sizes[0] <= 64 and sizes[1] - sizes[0] <= 16


def test_labels_may_be_left_out_and_residual_layers_may_be_many() -> None:
    layers = [("c", "jxl", b"c")] + [(f"r{i}", "bpg", bytes([i])) for i in range(1, 17)]
    header = replace(HEADER, labels_at_decoder=True)
    data = container.write(header, layers)
    read = container.read_header(data)
    assert read.labels_at_decoder and read.layer("s") is None
    assert [*container.read_layers(data, read)] == [name for name, _, _ in layers]
    assert [*container.read_layers(data, read, "r2")] == ["c", "r1", "r2"]
    with pytest.raises(StreamError, match="no layer s; it has c, r1"):
        container.read_layers(data, read, "s")
    with pytest.raises(StreamError, match="s, c, r1, r2"):
        container.read_header(container.write(HEADER, [*layers, ("r17", "bpg", b"")]))


def test_reading_stops_at_the_layer_asked_for() -> None:
    header = container.read_header(STREAM)
    assert list(container.read_layers(STREAM, header, "s")) == ["s"]
    assert list(container.read_layers(STREAM, header, "c")) == ["s", "c"]
    with pytest.raises(StreamError, match="no layer r2"):
        container.read_layers(STREAM, header, "r2")


def test_every_flipped_bit_of_the_header_is_refused() -> None:
    for position in range(SIZE * 8):
        damaged = bytearray(STREAM)
        damaged[position // 8] ^= 1 << position % 8
        with pytest.raises(StreamError):
            container.read_header(bytes(damaged))


@pytest.mark.parametrize("name", ENDS)
def test_a_flipped_bit_in_a_layer_is_refused_and_earlier_layers_still_read(name: str) -> None:
    header = container.read_header(STREAM)
    before = [*ENDS][: [*ENDS].index(name)]
    for offset in range(ENDS[before[-1]] if before else SIZE, ENDS[name]):
        damaged = bytearray(STREAM)
        damaged[offset] ^= 0x10
        with pytest.raises(StreamError, match=f"layer {name} is damaged"):
            container.read_layers(bytes(damaged), header)
        if before:
            assert list(container.read_layers(bytes(damaged), header, before[-1])) == before


def test_a_stream_cut_anywhere_gives_its_whole_layers_or_is_refused() -> None:
    header = container.read_header(STREAM)
    for length in range(len(STREAM)):
        cut = STREAM[:length]
        whole = [name for name, end in ENDS.items() if end <= length]
        if length < SIZE:
            with pytest.raises(StreamError if length < 6 else HeaderCut):
                container.read_header(cut)
        elif not whole:
            with pytest.raises(StreamError, match="cut before the end of layer s"):
                container.read_layers(cut, container.read_header(cut))
        else:
            assert container.read_header(cut) == header
            assert list(container.read_layers(cut, header)) == whole


@pytest.mark.parametrize("upto", ["s", "c", "r"])
def test_bytes_after_the_last_layer_are_refused(upto: str) -> None:
    with pytest.raises(StreamError, match="bytes follow the last layer"):
        container.read_layers(STREAM + b"\0", container.read_header(STREAM), upto)


@pytest.mark.parametrize(
    ("width", "height"), [(60_000, 60_000), (16_384, 16_385), (2**32 - 1, 1), (0, 5), (5, 0)]
)
def test_impossible_sizes_are_refused_before_anything_is_allocated(width: int, height: int) -> None:
    stream = container.write(replace(HEADER, width=width, height=height), LAYERS)
    tracemalloc.start()
    try:
        with pytest.raises(StreamError, match=f"declares {width}x{height} pixels"):
            container.read_header(stream)
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


def test_the_largest_size_is_read() -> None:
    header = container.read_header(
        container.write(replace(HEADER, width=16_384, height=8_192), LAYERS)
    )
    assert header.width * header.height == 2**27


@pytest.mark.parametrize(
    ("edits", "message"),
    [
        ({0: ord("X")}, "not a .dsslic stream"),
        ({4: 1}, "stream version 1"),
        ({5: 8}, "flags 8"),
        ({5: 2}, "holds layer s and says that it does not"),
        ({6: 0x80, 7: 1}, "impossible number"),  # a leading zero group
        ({9: 99}, "class table 99"),
        ({10: 7}, "alpha 2\\*\\*7"),
        ({10: 0xC3}, "label scale 2\\*\\*6"),
        ({10: 0xE3}, "label scale 2\\*\\*7"),
        ({10: 0x0F}, "alpha 2\\*\\*15"),
        ({19: 0}, "not s, c, r1"),
        ({19: 2}, "damaged"),  # the checksum is then looked for where the third layer stands
        ({20: 1 << 5 | 1}, "not s, c, r1"),
        ({20: 7 << 5 | 1}, "layer kind 7"),
        ({20: 4}, "coder 4"),
        ({20: 16}, "kind 0 with coder 16"),
        ({26: 1 << 5 | 16}, "kind 1 with coder 16"),
        ({32: 2 << 5 | 3}, "kind 2 with coder 3"),
        ({32: 2 << 5 | 2}, "kind 2 with coder 2"),
    ],
)
def test_what_this_version_does_not_know_is_refused(edits: dict[int, int], message: str) -> None:
    with pytest.raises(StreamError, match=message):
        container.read_header(forged(edits))


@pytest.mark.parametrize("data", [b"", b"DSLC", b"\x89PNG\r\n\x1a\n" + bytes(60)])
def test_other_files_are_refused(data: bytes) -> None:
    with pytest.raises(StreamError, match=r"not a \.dsslic stream"):
        container.read_header(data)


def with_extension(extension: bytes, table_id: int) -> bytes:
    head = b"DSLC" + bytes([2, 4, 8, 8, table_id, 3]) + FINGERPRINT + bytes([1])
    head += bytes([1 << 5 | 2, 0]) + zlib.crc32(b"").to_bytes(4, "little")
    head += container.write_varint(len(extension)) + extension
    return head + zlib.crc32(head).to_bytes(4, "little")


def chunk(tag: int, data: bytes) -> bytes:
    return bytes([tag]) + container.write_varint(len(data)) + data


TABLE = {"name": "pets", "classes": [["cat", [0, 0, 0]]], "void_ids": []}


def sent(table: object) -> bytes:
    return chunk(1, zlib.compress(json.dumps(table).encode()))


@pytest.mark.parametrize(
    "extension",
    [
        b"",
        chunk(1, b"not zlib"),
        chunk(1, zlib.compress(b"[" * 100_000)),
        chunk(1, zlib.compress(bytes(10_000_000))),  # a bomb
        chunk(1, zlib.compress(json.dumps(TABLE).encode())[:-5]),
        sent({**TABLE, "table_id": 3}),
        sent({**TABLE, "classes": []}),
        sent({**TABLE, "classes": [["cat", [0, 0]]]}),
        sent({**TABLE, "classes": [["cat", [0, 0, 256]]]}),
        sent({**TABLE, "classes": [[str(i), [0, 0, 0]] for i in range(257)]}),
        sent({**TABLE, "classes": [["x" * 500, [0, 0, 0]]]}),
        sent({**TABLE, "void_ids": [1]}),
        sent({**TABLE, "void_ids": "0"}),
        sent({**TABLE, "void_ids": [float("inf")]}),
        sent({**TABLE, "name": "\ud800"}),
        sent({**TABLE, "name": "\x1b[2J"}),
        sent({**TABLE, "name": ["pets"]}),
        sent({**TABLE, "classes": {"cat": [0, 0, 0]}}),
        chunk(1, zlib.compress(json.dumps(TABLE).encode()[:-1] + b', "void_ids": [1e999]}')),
        chunk(1, zlib.compress(json.dumps(TABLE).replace("[]", "[" * 9000).encode())),
        sent([]),
        b"\x01",
        b"\x01\x05abc",
    ],
)
def test_a_sent_class_table_that_is_none_is_refused_without_memory(extension: bytes) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(StreamError) as caught:
            container.read_header(with_extension(extension, UNREGISTERED))
        assert str(caught.value).isprintable()
        assert tracemalloc.get_traced_memory()[1] < 3_000_000
    finally:
        tracemalloc.stop()


def test_unknown_extensions_are_passed_over() -> None:
    header = container.read_header(with_extension(sent(TABLE) + chunk(77, b"later"), UNREGISTERED))
    assert header.classes.names == ("cat",) and header.metadata == {}


def test_a_class_table_that_no_decoder_takes_is_not_written() -> None:
    names = tuple(f"{i:03}" + "\N{CJK UNIFIED IDEOGRAPH-4E00}" * 197 for i in range(100))
    table = replace(OWN, names=names, palette=((0, 0, 0),) * 100, void_ids=())
    with pytest.raises(DataError, match=r"the class table takes .* shorten the names"):
        container.write(replace(HEADER, classes=table), LAYERS)


def test_too_much_metadata_is_refused() -> None:
    with pytest.raises(DataError, match="leave them out"):
        container.write(replace(HEADER, metadata={"icc": bytes(1 << 20)}), LAYERS)
    with pytest.raises(StreamError, match="too much"):
        container.read_header(with_extension(chunk(2, bytes(1 << 20)), 3))


def read(data: bytes) -> tuple[container.Header, dict[str, bytes]] | None:
    """Header and layers, or None where the stream is refused as it should be."""
    try:
        header = container.read_header(data)
        return header, container.read_layers(data, header)
    except StreamError:
        return None


@settings(max_examples=100, derandomize=True, database=None, deadline=None)
@given(st.binary(max_size=200), st.booleans())
def test_arbitrary_bytes_are_refused_without_another_error(data: bytes, magic: bool) -> None:
    assert read(b"DSLC\x02\x00" + data if magic else data) is None


@settings(max_examples=300, derandomize=True, database=None, deadline=None)
@given(
    st.dictionaries(st.integers(4, SIZE - 5), st.integers(0, 255), max_size=3),
    st.integers(SIZE, len(STREAM)),
    st.binary(max_size=4),
)
def test_forged_headers_give_whole_layers_or_are_refused(
    edits: dict[int, int], length: int, tail: bytes
) -> None:
    data = forged(edits)[:length] + tail
    made = read(data)
    if made is not None:
        header, layers = made
        assert 0 < header.width * header.height <= 2**27 and header.alpha <= 64
        assert [*layers] == [layer.name for layer in header.layers][: len(layers)]
        assert data[header.size :].startswith(b"".join(layers.values()))
