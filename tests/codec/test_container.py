"""The stream's layout byte by byte, and that nothing but a whole stream or a whole prefix is read."""

from __future__ import annotations

import tracemalloc
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dsslic_jax.codec import container
from dsslic_jax.errors import StreamError

FINGERPRINT = bytes(range(1, 9))
LAYERS = [("s", "jxl", b"labels"), ("c", "flif", b"compact image"), ("r", "bpg", bytes(range(40)))]
STREAM = container.write(130, 65, 3, 8, FINGERPRINT, LAYERS)
ENDS = {"s": 66, "c": 79, "r": 119}  # 60 + 6, + 13, + 40
CHECKSUM = slice(56, 60)


def forged(edits: dict[int, int], stream: bytes = STREAM) -> bytes:
    """The stream with header bytes replaced and its header checksum made right again."""
    changed = bytearray(stream)
    for offset, value in edits.items():
        changed[offset] = value
    changed[CHECKSUM] = zlib.crc32(changed[: CHECKSUM.start]).to_bytes(4, "little")
    return bytes(changed)


def test_the_layout_is_the_documented_one() -> None:
    head = b"DSLC" + bytes([1, 0])  # version, flags
    head += b"\x82\0\0\0" + b"\x41\0\0\0"  # 130, 65
    head += bytes([3, 3, 0, 3]) + FINGERPRINT  # camvid, alpha 2**3, RGB, three layers
    for kind, coder, payload in (
        (b"s", 2, b"labels"),
        (b"c", 1, b"compact image"),
        (b"r", 16, bytes(range(40))),
    ):
        head += kind + bytes([coder, len(payload), 0, 0, 0])
        head += zlib.crc32(payload).to_bytes(4, "little")
    head += zlib.crc32(head).to_bytes(4, "little")
    assert len(head) == 60
    assert STREAM == head + b"labels" + b"compact image" + bytes(range(40))


def test_what_is_written_is_read_back() -> None:
    header = container.read_header(STREAM)
    assert (header.width, header.height, header.table_id, header.alpha) == (130, 65, 3, 8)
    assert (header.fingerprint, header.size) == (FINGERPRINT, 60)
    assert [(layer.kind, layer.coder) for layer in header.layers] == [
        ("s", "jxl"),
        ("c", "flif"),
        ("r", "bpg"),
    ]
    payloads = {kind: payload for kind, _, payload in LAYERS}
    assert container.read_layers(STREAM, header) == payloads
    assert container.layer_lengths(STREAM) == {"header": 60, "s": 6, "c": 13, "r": 40}


def test_reading_stops_at_the_layer_asked_for() -> None:
    header = container.read_header(STREAM)
    assert list(container.read_layers(STREAM, header, "s")) == ["s"]
    assert list(container.read_layers(STREAM, header, "c")) == ["s", "c"]


def test_every_flipped_bit_of_the_header_is_refused() -> None:
    for position in range(60 * 8):
        damaged = bytearray(STREAM)
        damaged[position // 8] ^= 1 << position % 8
        with pytest.raises(StreamError):
            container.read_header(bytes(damaged))


@pytest.mark.parametrize("kind", "scr")
def test_a_flipped_bit_in_a_layer_is_refused_and_earlier_layers_still_read(kind: str) -> None:
    header = container.read_header(STREAM)
    kinds = "scr"[: "scr".index(kind)]
    for offset in range(ENDS[kinds[-1]] if kinds else 60, ENDS[kind]):
        damaged = bytearray(STREAM)
        damaged[offset] ^= 0x10
        with pytest.raises(StreamError, match=f"layer {kind} is damaged"):
            container.read_layers(bytes(damaged), header)
        if kinds:
            assert list(container.read_layers(bytes(damaged), header, kinds[-1])) == list(kinds)


def test_a_stream_cut_anywhere_gives_its_whole_layers_or_is_refused() -> None:
    header = container.read_header(STREAM)
    for length in range(len(STREAM)):
        cut = STREAM[:length]
        whole = [kind for kind, end in ENDS.items() if end <= length]
        if length < 60:
            with pytest.raises(StreamError):
                container.read_header(cut)
        elif not whole:
            with pytest.raises(StreamError, match="cut before the end of layer s"):
                container.read_layers(cut, container.read_header(cut))
        else:
            assert container.read_header(cut) == header
            assert list(container.read_layers(cut, header)) == whole


@pytest.mark.parametrize("upto", "scr")
def test_bytes_after_the_last_layer_are_refused(upto: str) -> None:
    with pytest.raises(StreamError, match="bytes follow the last layer"):
        container.read_layers(STREAM + b"\0", container.read_header(STREAM), upto)


@pytest.mark.parametrize(
    ("width", "height"), [(60_000, 60_000), (16_384, 16_385), (2**32 - 1, 1), (0, 5), (5, 0)]
)
def test_impossible_sizes_are_refused_before_anything_is_allocated(width: int, height: int) -> None:
    stream = container.write(width, height, 3, 8, FINGERPRINT, LAYERS)
    tracemalloc.start()
    try:
        with pytest.raises(StreamError, match=f"declares {width}x{height} pixels"):
            container.read_header(stream)
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


def test_the_largest_size_is_read() -> None:
    header = container.read_header(container.write(16_384, 8_192, 3, 8, FINGERPRINT, LAYERS))
    assert header.width * header.height == 2**27


@pytest.mark.parametrize(
    ("edits", "message"),
    [
        ({0: ord("X")}, "not a .dsslic stream"),
        ({4: 2}, "stream version 2"),
        ({5: 1}, "flags 1"),
        ({15: 7}, "2\\*\\*7"),
        ({16: 1}, "colour 1"),
        ({17: 0}, "damaged"),  # no layers: the checksum is then looked for where s begins
        ({17: 2}, "damaged"),
        ({17: 255}, "cut inside its header"),
        ({26: ord("c")}, "not s, c, r"),
        ({26: 255}, "not s, c, r"),
        ({27: 3}, "coder 3"),
        ({27: 16}, "layer s .* bpg"),
        ({37: 16}, "layer c .* bpg"),
        ({47: 2}, "layer r .* jxl"),
    ],
)
def test_what_this_version_does_not_know_is_refused(edits: dict[int, int], message: str) -> None:
    with pytest.raises(StreamError, match=message):
        container.read_header(forged(edits))


@pytest.mark.parametrize("data", [b"", b"DSLC", b"\x89PNG\r\n\x1a\n" + bytes(60)])
def test_other_files_are_refused(data: bytes) -> None:
    with pytest.raises(StreamError, match=r"not a \.dsslic stream"):
        container.read_header(data)


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
    assert read(b"DSLC" + data if magic else data) is None


@settings(max_examples=200, derandomize=True, database=None, deadline=None)
@given(
    st.dictionaries(st.integers(4, 55), st.integers(0, 255), max_size=3),
    st.integers(60, len(STREAM)),
    st.binary(max_size=4),
)
def test_forged_headers_give_whole_layers_or_are_refused(
    edits: dict[int, int], length: int, tail: bytes
) -> None:
    data = forged(edits)[:length] + tail
    made = read(data)
    if made is not None:
        header, layers = made
        assert 0 < header.width * header.height <= 2**28 and header.alpha <= 64
        assert list(layers) == list("scr")[: len(layers)]
        assert data[60:].startswith(b"".join(layers.values()))
