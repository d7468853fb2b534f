"""The BPG file and its HEVC headers: bytes worked by hand, and files that are not to be trusted."""

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest

from dsslic_jax.codec.coders.bpg import hevc
from dsslic_jax.codec.coders.bpg.embedded import EmbeddedBpg
from dsslic_jax.codec.coders.bpg.file import (
    COLOUR_RGB,
    COLOUR_YCBCR,
    FORMAT_420_JPEG,
    FORMAT_444,
    BpgHeader,
    demux,
    mux,
    parse_header,
    read_ue7,
    split_nal_units,
)
from dsslic_jax.codec.coders.bpg.hevc_bits import (
    BitReader,
    BitWriter,
    add_emulation_prevention,
    remove_emulation_prevention,
)
from dsslic_jax.codec.coders.bpg.hevc_headers import (
    CodedPicture,
    CodingTools,
    parse_bpg_header,
    parse_sps,
    rebuild_parameter_sets,
    write_bpg_header,
)
from dsslic_jax.codec.varint import write_varint
from dsslic_jax.errors import CoderFailed
from tests.codec.pictures import at_depth, smooth_picture

SHAPE = (40, 56, 3)
SOUND_TOOLS = CodingTools(3, 3, 2, 3, 3, 1, None, 1, None)


@pytest.fixture(scope="module")
def sound() -> bytes:
    return EmbeddedBpg().encode(smooth_picture(40, 56), 26, "ycbcr444", 8)


@pytest.fixture
def must_not_decode(monkeypatch) -> None:
    monkeypatch.setattr(
        "dsslic_jax.codec.coders.bpg.embedded.decode_planes", lambda *_: pytest.fail("was decoded")
    )


def with_picture_data(sound: bytes, change: Callable[[bytes], bytes]) -> bytes:
    """`sound`, which states its size in two bytes, with other bytes after its HEVC header's length."""
    _, start = read_ue7(sound, 8)
    body = change(sound[start:])
    return sound[:8] + write_varint(len(body)) + body


# Numbers and bits


def test_ue7_numbers_have_the_bytes_worked_by_hand() -> None:
    for number, written in [
        (0, "00"),
        (127, "7f"),
        (128, "8100"),
        (300, "822c"),
        (2**21, "81808000"),
    ]:
        assert write_varint(number).hex() == written
        assert read_ue7(bytes.fromhex(written), 0) == (number, len(written) // 2)


@pytest.mark.parametrize("written", ["", "81", "ffffffffff7f", "8001"])
def test_ue7_numbers_cut_short_too_large_or_too_long_are_refused(written: str) -> None:
    with pytest.raises(CoderFailed):
        read_ue7(bytes.fromhex(written), 0)


def test_exp_golomb_numbers_have_the_bits_of_the_standards_table() -> None:
    writer = BitWriter()
    writer.ue(0, 1, 2, 3, 6, 7)  # 1 010 011 00100 00111 0001000
    data = writer.padded(stop_bit=False)
    assert format(int.from_bytes(data, "big"), "b") == "101001100100001110001000"
    assert writer.padded(stop_bit=True) == data + b"\x80"
    assert BitReader(data).ues(6) == [0, 1, 2, 3, 6, 7]


def test_emulation_bytes_go_where_the_standard_puts_them() -> None:
    plain = "0000000001" + "000002" + "000003" + "000004"
    protected = "000003000003" + "01" + "00000302" + "00000303" + "000004"
    assert add_emulation_prevention(bytes.fromhex(plain)).hex() == protected
    assert remove_emulation_prevention(bytes.fromhex(protected)).hex() == plain


# The picture header


@pytest.mark.parametrize(
    ("colour", "bit_depth", "bytes_4_and_5", "kind"),
    [
        ("ycbcr444", 8, "6000", (FORMAT_444, COLOUR_YCBCR)),
        ("ycbcr420", 8, "2000", (FORMAT_420_JPEG, COLOUR_YCBCR)),
        ("rgb444", 8, "6010", (FORMAT_444, COLOUR_RGB)),
        ("ycbcr444", 10, "6200", (FORMAT_444, COLOUR_YCBCR)),
        ("ycbcr420", 10, "2200", (FORMAT_420_JPEG, COLOUR_YCBCR)),
        ("rgb444", 10, "6210", (FORMAT_444, COLOUR_RGB)),
    ],
)
def test_files_begin_as_the_bpg_specification_says(colour, bit_depth, bytes_4_and_5, kind) -> None:
    picture = at_depth(smooth_picture(48, 300), bit_depth)
    data = EmbeddedBpg().encode(picture, 26, colour, bit_depth)
    assert data[:9].hex() == "425047fb" + bytes_4_and_5 + "822c" + "30"  # 300 x 48
    length, start = read_ue7(data, 9)
    assert length == len(data) - start
    assert parse_header(data) == (BpgHeader(300, 48, *kind, bit_depth), start)


@pytest.mark.parametrize(
    ("position", "value", "message"),
    [
        (0, 0x43, "not a BPG file"),
        (4, 0x61, "9 bits"),
        (4, 0x63, "11 bits"),
        (4, 0x64, "12 bits"),
        (4, 0x66, "14 bits"),
        (4, 0x6F, "23 bits"),
        (4, 0x70, "opaque"),
        (4, 0x40, "pixel format 2"),
        (4, 0xA0, "pixel format 5"),
        (4, 0xE0, "pixel format 7"),
        (5, 0x01, "still"),
        (5, 0x02, "full-range"),
        (5, 0x04, "opaque"),
        (5, 0x20, "colour space 2"),
        (5, 0xF0, "colour space 15"),
        (8, 0xFF, "cut short|states"),
    ],
)
@pytest.mark.usefixtures("must_not_decode")
def test_headers_of_files_that_are_not_ours_are_refused(sound, position, value, message) -> None:
    changed = bytearray(sound)
    changed[position] = value
    with pytest.raises(CoderFailed, match=message):
        EmbeddedBpg().decode(bytes(changed), SHAPE)


@pytest.mark.parametrize("pixel_format", [0, 1, 4])
def test_rgb_without_three_whole_planes_is_refused(sound: bytes, pixel_format: int) -> None:
    changed = sound[:4] + bytes([pixel_format << 5, 0x10]) + sound[6:]
    with pytest.raises(CoderFailed, match="colour space 1"):
        parse_header(changed)


@pytest.mark.usefixtures("must_not_decode")
def test_an_enormous_size_is_refused_before_decoding(sound: bytes) -> None:
    enormous = sound[:6] + write_varint(2**31) * 2 + sound[8:]
    with pytest.raises(CoderFailed, match="2147483648x2147483648"):
        EmbeddedBpg().decode(enormous, SHAPE)


@pytest.mark.parametrize("shape", [(40, 57, 3), (39, 56, 3), (20, 56, 3), (40, 56), (40, 56, 4)])
@pytest.mark.usefixtures("must_not_decode")
def test_a_file_of_another_shape_is_refused(sound: bytes, shape: tuple[int, ...]) -> None:
    with pytest.raises(CoderFailed, match=r"expected|not"):
        EmbeddedBpg().decode(sound, shape)


def test_extension_data_is_skipped(sound: bytes) -> None:
    _, start = read_ue7(sound, 8)
    extension = write_varint(3) + b"\x01\x02\x03"
    extended = sound[:5] + bytes([sound[5] | 8]) + sound[6:start] + extension + sound[start:]
    np.testing.assert_array_equal(
        EmbeddedBpg().decode(extended, SHAPE), EmbeddedBpg().decode(sound, SHAPE)
    )


def test_a_file_cut_anywhere_is_refused(sound: bytes) -> None:
    for kept in range(len(sound)):
        with pytest.raises(CoderFailed):
            EmbeddedBpg().decode(sound[:kept], SHAPE)


def test_a_file_with_a_tail_is_refused(sound: bytes) -> None:
    with pytest.raises(CoderFailed, match="has a tail"):
        EmbeddedBpg().decode(sound + b"\x00", SHAPE)


# HEVC inside


def test_a_second_sps_cannot_smuggle_in_another_size_or_depth(sound: bytes) -> None:
    foreign = rebuild_parameter_sets(SOUND_TOOLS, CodedPicture(4096, 4096, 3, 10))
    smuggled = with_picture_data(
        sound, lambda body: body + b"\x00\x00\x01" + split_nal_units(foreign)[1]
    )
    with pytest.raises(CoderFailed, match="unit of type 33"):
        EmbeddedBpg().decode(smuggled, SHAPE)


def test_messages_between_the_slices_are_dropped(sound: bytes) -> None:
    message = b"\x00\x00\x01" + bytes([39 << 1, 1]) + b"\x81\x02hi\x80"
    talkative = with_picture_data(sound, lambda body: body + message)
    assert demux(talkative) == demux(sound)


def test_samples_of_another_depth_than_the_file_states_are_not_wrapped() -> None:
    coded = CodedPicture(32, 32, 3, bit_depth=10)
    stream = hevc.encode_planes([np.zeros((32, 32), np.uint16)] * 3, coded, 30)
    assert parse_sps(split_nal_units(stream)[1])[1] == coded
    mux(BpgHeader(32, 32, bit_depth=10), stream)
    for other in [
        BpgHeader(32, 32, bit_depth=8),
        BpgHeader(32, 40, bit_depth=10),
        BpgHeader(32, 32, FORMAT_420_JPEG, bit_depth=10),
    ]:
        with pytest.raises(CoderFailed, match="not what it was asked for"):
            mux(other, stream)


def test_parameter_sets_survive_being_taken_apart_and_rebuilt() -> None:
    for coded in [CodedPicture(4096, 8, 0, 8), CodedPicture(64, 72, 1, 10)]:
        sps = split_nal_units(rebuild_parameter_sets(SOUND_TOOLS, coded))[1]
        assert parse_sps(sps) == (SOUND_TOOLS, coded)


def test_luma_and_chroma_of_different_depths_are_refused() -> None:
    coded = CodedPicture(64, 64, 3, 8)
    sps = split_nal_units(rebuild_parameter_sets(SOUND_TOOLS, coded))[1]
    digits = format(int.from_bytes(sps, "big"), f"0{8 * len(sps)}b")
    width = format(65, "b").zfill(
        13
    )  # ue(64), as the sides are written; then no window, two depths
    before = digits.index(width + width + "0" + "1" + "1") + 27
    deeper = digits[:before] + "1" + "010" + digits[before + 2 :]
    deeper += "0" * (-len(deeper) % 8)
    changed = int(deeper, 2).to_bytes(len(deeper) // 8, "big")
    with pytest.raises(CoderFailed, match="different depths"):
        parse_sps(changed)


@pytest.mark.parametrize(
    ("option", "message"),
    [("scaling-list=default", "scaling lists"), ("temporal-layers=2:bframes=2", "sub-layers")],
)
def test_what_bpg_cannot_carry_is_not_written(option, message, monkeypatch) -> None:
    monkeypatch.setattr(hevc, "_X265_PARAMS", f"{hevc._X265_PARAMS}:{option}")
    with pytest.raises(CoderFailed, match=message):
        EmbeddedBpg().encode(smooth_picture(40, 56), 26, "ycbcr444", 8)


def test_coding_tools_survive_the_bpg_header() -> None:
    for tools in (
        SOUND_TOOLS,
        CodingTools(4, 1, 3, 2, 1, 0, (7, 7, 0, 2, 1), 0, None),
        CodingTools(3, 3, 2, 3, 3, 1, None, 1, 0b101000001),
    ):
        assert parse_bpg_header(write_bpg_header(tools)) == tools


@pytest.mark.parametrize(
    "blocks", [(3, 4, 2, 3), (3, 0, 2, 0), (30, 0, 2, 3), (3, 3, 3, 2), (3, 3, 2, 4), (4, 0, 2, 3)]
)
def test_block_sizes_that_hevc_does_not_have_are_refused(blocks: tuple[int, ...]) -> None:
    header = write_bpg_header(CodingTools(*blocks, 0, 1, None, 1, None))
    with pytest.raises(CoderFailed, match="block sizes"):
        parse_bpg_header(header)


def test_raw_blocks_deeper_than_the_files_samples_are_refused(sound: bytes) -> None:
    def with_deep_blocks(body: bytes) -> bytes:
        length, start = read_ue7(body, 0)
        tools = parse_bpg_header(body[start : start + length])
        header = write_bpg_header(dataclasses.replace(tools, pcm=(15, 15, 0, 2, 1)))
        return write_varint(len(header)) + header + body[start + length :]

    with pytest.raises(CoderFailed, match="cannot be decoded"):
        EmbeddedBpg().decode(with_picture_data(sound, with_deep_blocks), SHAPE)


def test_damaged_files_raise_coder_failed_or_decode_but_nothing_else(sound: bytes) -> None:
    generator = np.random.default_rng(2)
    outcomes = {"refused": 0, "silent": 0}
    for trial in range(200):
        damaged = bytearray(sound)
        reach = len(sound) if trial % 2 else 40
        damaged[generator.integers(0, reach)] ^= 1 << generator.integers(0, 8)
        try:
            assert EmbeddedBpg().decode(bytes(damaged), SHAPE).shape == SHAPE
            outcomes["silent"] += 1
        except CoderFailed:
            outcomes["refused"] += 1
    assert min(outcomes.values()) > 10, "docstrings say that damage shows only sometimes"
