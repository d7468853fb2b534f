"""The embedded BPG coder against libbpg's own decoder, hand-worked bytes and damaged files."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from dsslic_jax.codec import bpg, bpg_file
from dsslic_jax.codec.bpg import EmbeddedBpg, bpgenc_quantiser, x265_quantiser
from dsslic_jax.codec.bpg_file import BpgHeader, read_ue7, write_ue7
from dsslic_jax.codec.hevc_bits import (
    BitReader,
    BitWriter,
    add_emulation_prevention,
    remove_emulation_prevention,
)
from dsslic_jax.codec.hevc_headers import CodingTools, parse_bpg_header, write_bpg_header
from dsslic_jax.codec.ycbcr import rgb_to_ycbcr, ycbcr_to_rgb
from dsslic_jax.errors import CoderFailed, CoderUnavailable, ConfigError
from tests.codec.pictures import picture_of, psnr_db, smooth_picture

SIZES = [(1, 1), (300, 1), (1, 300), (17, 33), (64, 64), (200, 96)]
SOUND_TOOLS = CodingTools(3, 3, 2, 3, 3, 1, None, 1, None)


def bpgdec(programs: dict[str, str], folder, data: bytes, suffix: str = "ppm") -> np.ndarray:
    """What libbpg's decoder shows for `data`, uint8 [H,W,3]."""
    (folder / "in.bpg").write_bytes(data)
    command = [programs["bpgdec"], "-o", folder / f"out.{suffix}", folder / "in.bpg"]
    subprocess.run(command, check=True)
    return np.asarray(Image.open(folder / f"out.{suffix}"))


@pytest.mark.parametrize("quality", [0, 60, 100])
@pytest.mark.parametrize(("height", "width"), SIZES)
def test_libbpg_shows_the_pixels_we_decode(height, width, quality, programs, tmp_path) -> None:
    picture = smooth_picture(height, width)
    data = EmbeddedBpg().encode(picture, quality)
    shown = bpgdec(programs, tmp_path, data)
    assert shown.shape == (max(height, 32), max(width, 32), 3)
    decoded = EmbeddedBpg().decode(data, picture.shape)
    np.testing.assert_array_equal(decoded, shown[:height, :width])
    if quality == 100:
        assert psnr_db(picture, decoded) > 45


def test_libbpg_shows_noise_as_we_do_so_colours_agree_far_from_gray(programs, tmp_path) -> None:
    picture = picture_of("noise", (128, 128, 3))
    data = EmbeddedBpg().encode(picture, 100)
    np.testing.assert_array_equal(
        bpgdec(programs, tmp_path, data), EmbeddedBpg().decode(data, picture.shape)
    )


def test_libbpg_shows_rgb_coded_files_as_we_do(programs, tmp_path) -> None:
    picture = smooth_picture(40, 56)
    data = bpg.encode_picture(picture, 10, bpg_file.COLOUR_RGB)
    shown = bpgdec(programs, tmp_path, data, "png")
    np.testing.assert_array_equal(shown, bpg.decode_picture(data))
    assert psnr_db(picture, shown) > 40


def test_libbpg_shows_gray_files_as_we_do(programs, tmp_path) -> None:
    luma = smooth_picture(33, 50)[..., 0]
    data = bpg.encode_planes_to_bpg([luma], BpgHeader(50, 33, bpg_file.FORMAT_GRAY), 10)
    shown = bpgdec(programs, tmp_path, data)
    np.testing.assert_array_equal(shown, bpg.decode_picture(data))
    assert psnr_db(np.repeat(luma[..., None], 3, axis=-1), shown) > 40


def test_halved_chroma_is_written_for_libbpg_but_not_read(programs, tmp_path) -> None:
    luma = smooth_picture(33, 51)[..., 0]
    chroma = np.full((17, 26), 128, np.uint8)
    header = BpgHeader(51, 33, bpg_file.FORMAT_420_JPEG)
    data = bpg.encode_planes_to_bpg([luma, chroma, chroma], header, 10)
    assert psnr_db(np.repeat(luma[..., None], 3, axis=-1), bpgdec(programs, tmp_path, data)) > 40
    with pytest.raises(CoderFailed, match="4:2:0"):
        bpg.decode_picture(data)


def test_encoding_is_deterministic() -> None:
    picture = smooth_picture(70, 90)
    assert EmbeddedBpg().encode(picture, 50) == EmbeddedBpg().encode(picture, 50)


def test_quality_maps_linearly_onto_bpgencs_scale() -> None:
    assert [bpgenc_quantiser(quality) for quality in (0, 1, 50, 80, 99, 100)] == [
        51,
        50,
        26,
        10,
        1,
        0,
    ]
    steps = np.diff([bpgenc_quantiser(quality) for quality in range(101)])
    assert set(steps) == {0, -1}
    assert [x265_quantiser(quality) for quality in (0, 50, 95, 100)] == [48, 23, 0, 0]


@pytest.mark.parametrize("quality", [-1, 101])
def test_quality_outside_0_to_100_is_refused(quality: int) -> None:
    with pytest.raises(ConfigError, match=r"0\.\.100"):
        EmbeddedBpg().encode(smooth_picture(32, 32), quality)


def test_more_quality_costs_bytes_and_gives_decibels() -> None:
    picture = smooth_picture(64, 96)
    streams = [EmbeddedBpg().encode(picture, quality) for quality in (0, 25, 50, 75)]
    lengths = [len(data) for data in streams]
    fidelity = [psnr_db(picture, EmbeddedBpg().decode(data, picture.shape)) for data in streams]
    assert lengths == sorted(set(lengths))
    assert fidelity == sorted(set(fidelity))


def test_ue7_numbers_have_the_bytes_worked_by_hand() -> None:
    for number, written in [
        (0, "00"),
        (127, "7f"),
        (128, "8100"),
        (300, "822c"),
        (2**21, "81808000"),
    ]:
        assert write_ue7(number).hex() == written
        assert read_ue7(bytes.fromhex(written), 0) == (number, len(written) // 2)


@pytest.mark.parametrize("written", ["", "81", "ffffffffff7f"])
def test_ue7_numbers_cut_short_or_too_large_are_refused(written: str) -> None:
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


def test_colours_agree_with_pillow_to_the_last_step() -> None:
    picture = picture_of("noise", (64, 64, 3))
    ours = np.stack(rgb_to_ycbcr(picture), axis=-1).astype(int)
    pillows = np.asarray(Image.fromarray(picture).convert("YCbCr")).astype(int)
    assert np.abs(ours - pillows).max() <= 1
    red, gray = np.uint8([[[255, 0, 0]]]), np.uint8([[[9, 9, 9]]])
    assert [int(plane[0, 0]) for plane in rgb_to_ycbcr(red)] == [76, 85, 255]
    np.testing.assert_array_equal(ycbcr_to_rgb(rgb_to_ycbcr(gray)), gray)


def test_the_file_begins_as_the_bpg_specification_says() -> None:
    data = EmbeddedBpg().encode(smooth_picture(48, 300), 50)
    assert data[:9].hex() == "425047fb" + "60" + "00" + "822c" + "30"  # 4:4:4 8 bit, YCbCr, 300, 48
    length, start = read_ue7(data, 9)
    assert length == len(data) - start


@pytest.fixture(scope="module")
def sound() -> bytes:
    return EmbeddedBpg().encode(smooth_picture(40, 56), 50)


def test_a_file_cut_anywhere_is_refused(sound: bytes) -> None:
    for kept in range(len(sound)):
        with pytest.raises(CoderFailed):
            EmbeddedBpg().decode(sound[:kept], (40, 56, 3))


def test_a_file_with_a_tail_is_refused(sound: bytes) -> None:
    with pytest.raises(CoderFailed, match="has a tail"):
        EmbeddedBpg().decode(sound + b"\x00", (40, 56, 3))


@pytest.mark.parametrize("shape", [(40, 57, 3), (39, 56, 3), (20, 56, 3), (40, 56), (40, 56, 4)])
def test_a_file_of_another_shape_is_refused(sound: bytes, shape: tuple[int, ...]) -> None:
    with pytest.raises(CoderFailed, match=r"expected|not"):
        EmbeddedBpg().decode(sound, shape)


def test_an_enormous_size_is_refused_before_decoding(sound: bytes, monkeypatch) -> None:
    monkeypatch.setattr(bpg, "decode_picture", lambda data: pytest.fail("was decoded"))
    enormous = sound[:6] + write_ue7(2**31) + write_ue7(2**31) + sound[8:]
    with pytest.raises(CoderFailed, match="2147483648x2147483648"):
        EmbeddedBpg().decode(enormous, (40, 56, 3))


@pytest.mark.parametrize(
    ("position", "value"),
    [
        (0, 0x43),
        (4, 0x62),
        (4, 0x70),
        (4, 0x40),
        (4, 0xE0),
        (5, 0x01),
        (5, 0x02),
        (5, 0x04),
        (5, 0x20),
    ],
    ids="magic 10bit alpha 422 format7 animated limited premultiplied ycgco".split(),
)
def test_kinds_of_bpg_that_are_not_ours_are_refused(
    sound: bytes, position: int, value: int
) -> None:
    changed = bytearray(sound)
    changed[position] = value
    with pytest.raises(CoderFailed):
        EmbeddedBpg().decode(bytes(changed), (40, 56, 3))


def test_extension_data_is_skipped(sound: bytes) -> None:
    _, start = read_ue7(sound, 8)
    extension = b"\x01\x02\x03"
    extended = (
        sound[:5]
        + bytes([sound[5] | 8])
        + sound[6:start]
        + write_ue7(3)
        + extension
        + sound[start:]
    )
    np.testing.assert_array_equal(
        EmbeddedBpg().decode(extended, (40, 56, 3)), EmbeddedBpg().decode(sound, (40, 56, 3))
    )


def test_a_second_sps_cannot_smuggle_in_another_size(sound: bytes) -> None:
    _, stream, _ = bpg_file.demux(EmbeddedBpg().encode(smooth_picture(400, 400), 0))
    foreign = b"\x00\x00\x01" + bpg_file.split_nal_units(stream)[1]
    length, start = read_ue7(sound, 8)
    smuggled = sound[:8] + write_ue7(length + len(foreign)) + sound[start:] + foreign
    with pytest.raises(CoderFailed, match="unit of type 33"):
        EmbeddedBpg().decode(smuggled, (40, 56, 3))


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


def test_damaged_files_raise_coder_failed_or_decode_but_nothing_else(sound: bytes) -> None:
    generator = np.random.default_rng(2)
    outcomes = {"refused": 0, "silent": 0}
    for trial in range(200):
        damaged = bytearray(sound)
        reach = len(sound) if trial % 2 else 40
        damaged[generator.integers(0, reach)] ^= 1 << generator.integers(0, 8)
        try:
            assert EmbeddedBpg().decode(bytes(damaged), (40, 56, 3)).shape == (40, 56, 3)
            outcomes["silent"] += 1
        except CoderFailed:
            outcomes["refused"] += 1
    assert min(outcomes.values()) > 10, "docstrings say that damage shows only sometimes"


def test_x265_refusing_a_picture_is_reported() -> None:
    with pytest.raises(CoderFailed, match="8x40"):
        bpg.encode_picture(smooth_picture(40, 8), 10)


def test_without_pyav_the_error_says_what_to_install(monkeypatch, sound: bytes) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(CoderUnavailable, match="pip install av"):
        EmbeddedBpg().decode(sound, (40, 56, 3))
