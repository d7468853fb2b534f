"""Samples on their way into BPG and out of it: colours, halved chroma, bit depths, picture files."""

import io
import zlib

import numpy as np
import pytest
from PIL import Image

from dsslic_jax.codec.coders.bpg.planes import (
    double,
    halve,
    narrow,
    rgb_to_ycbcr,
    stretch,
    widen,
    ycbcr_to_rgb,
)
from dsslic_jax.codec.coders.programs.pictures import read_png_48, read_pnm, write_png, write_pnm
from dsslic_jax.errors import CoderFailed
from tests.codec.pictures import at_depth, picture_of


def test_colours_agree_with_pillow_to_the_last_step() -> None:
    picture = picture_of("noise", (64, 64, 3))
    ours = np.stack(rgb_to_ycbcr(picture, 8), axis=-1).astype(int)
    pillows = np.asarray(Image.fromarray(picture).convert("YCbCr")).astype(int)
    assert np.abs(ours - pillows).max() <= 1


@pytest.mark.parametrize(
    ("bit_depth", "red"), [(8, [76, 85, 255]), (10, [306, 339, 1023])], ids=["8", "10"]
)
def test_red_has_the_planes_worked_by_hand(bit_depth: int, red: list[int]) -> None:
    # Y = 0.299 white; Cb = middle - 0.168736 white; Cr = middle + white / 2, clipped to white
    picture = at_depth(np.uint8([[[255, 0, 0]]]), bit_depth)
    assert [int(plane[0, 0]) for plane in rgb_to_ycbcr(picture, bit_depth)] == red


@pytest.mark.parametrize(("bit_depth", "shown_bits"), [(8, 8), (10, 16)])
def test_grays_survive_the_colour_transform_and_colours_nearly(bit_depth, shown_bits) -> None:
    white = (1 << bit_depth) - 1
    generator = np.random.default_rng(0)
    dtype = np.uint8 if bit_depth == 8 else np.uint16
    picture = generator.integers(0, white + 1, (200, 100, 3)).astype(dtype)
    picture[0, :, :] = picture[0, :, :1]
    shown = ycbcr_to_rgb(rgb_to_ycbcr(picture, bit_depth), bit_depth, shown_bits)
    back = shown if bit_depth == 8 else narrow(shown)
    np.testing.assert_array_equal(back[0], picture[0])
    assert np.abs(back.astype(int) - picture).max() <= 2


@pytest.mark.parametrize("shown_bits", [8, 16])
def test_ten_bit_colours_are_shown_within_a_step_of_the_exact_transform(shown_bits: int) -> None:
    generator = np.random.default_rng(1)
    luma, cb, cr = generator.integers(0, 1024, (3, 100, 100)).astype(np.uint16)
    blue, red = cb.astype(float) - 512, cr.astype(float) - 512
    exact = np.stack(
        [
            luma + 1.402 * red,
            luma - (0.114 * 1.772 * blue + 0.299 * 1.402 * red) / 0.587,
            luma + 1.772 * blue,
        ],
        axis=-1,
    )
    white = (1 << shown_bits) - 1
    exact = np.clip(exact * (white / 1023), 0, white)
    shown = ycbcr_to_rgb([luma, cb, cr], 10, shown_bits)
    assert shown.dtype == (np.uint8 if shown_bits == 8 else np.uint16)
    assert np.abs(shown - exact).max() < 0.65  # half a step, and fixed-point coefficients
    ramp = np.arange(1024, dtype=np.uint16)
    assert np.abs(stretch(ramp, 10, shown_bits) - ramp * (white / 1023)).max() < 0.55


def test_sixteen_bits_hold_ten_however_they_are_reduced() -> None:
    samples = np.arange(1024, dtype=np.uint16)
    wide = widen(samples)
    assert wide[[0, 1, 512, 1022, 1023]].tolist() == [0, 64, 32800, 65471, 65535]
    np.testing.assert_array_equal(narrow(wide), samples)
    np.testing.assert_array_equal(wide >> 6, samples)
    assert narrow(np.uint16([32, 33, 65502, 65503])).tolist() == [0, 1, 1022, 1023]


@pytest.mark.parametrize("left_sited", [False, True])
@pytest.mark.parametrize(("bit_depth", "gray"), [(8, 200), (10, 801)])
@pytest.mark.parametrize("size", [(1, 1), (1, 7), (9, 2), (16, 16)])
def test_even_chroma_stays_as_it_is(size, bit_depth, gray, left_sited) -> None:
    plane = np.full(size, gray, np.uint8 if bit_depth == 8 else np.uint16)
    halved = halve(plane)
    assert halved.shape == (-(-size[0] // 2), -(-size[1] // 2))
    np.testing.assert_array_equal(
        double(halved, size, bit_depth, left_sited=left_sited), plane, strict=True
    )


def test_halved_chroma_stands_in_the_middle_of_four_samples() -> None:
    rows, columns = np.mgrid[0:40, 0:40]
    ramp = (4 * rows + 2 * columns).astype(np.uint8)
    block_rows, block_columns = np.mgrid[0:20, 0:20]
    middles = 8 * block_rows + 2 + 4 * block_columns + 1
    np.testing.assert_array_equal(halve(ramp)[3:-3, 3:-3], middles[3:-3, 3:-3])


def test_chroma_is_halved_by_a_lanczos_filter_of_three_lobes() -> None:
    distances = np.arange(-5, 5) + 0.5  # luma samples from the middle that chroma stands in
    lanczos = np.sinc(distances / 2) * np.sinc(distances / 6)
    responses = []
    for column in range(16, 26):  # around chroma sample 10, which stands at 20.5
        plane = np.full((20, 40), 300, np.uint16)
        plane[:, column] = 300 + 640
        responses.append((int(halve(plane)[5, 10]) - 300) / 640)
    np.testing.assert_allclose(responses, lanczos / lanczos.sum(), atol=0.9 / 64)


def test_doubled_chroma_stands_where_its_format_says() -> None:
    ramp = np.tile(np.arange(0, 160, 8, dtype=np.uint8), (4, 1))
    between = double(ramp, (8, 40), 8, left_sited=False)[4, 10:30]
    np.testing.assert_array_equal(between, 4 * np.arange(10, 30) - 2)  # 8k stands at 2k + 1/2
    left = double(ramp, (8, 40), 8, left_sited=True)[4, 10:30]
    np.testing.assert_array_equal(left, 4 * np.arange(10, 30))


def test_pnm_files_are_those_pillow_reads_and_writes(tmp_path) -> None:
    for shape in [(5, 7), (5, 7, 3)]:
        picture = picture_of("noise", shape)
        (tmp_path / "ours.pnm").write_bytes(write_pnm(picture))
        np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "ours.pnm")), picture)
        Image.fromarray(picture).save(tmp_path / "pillow.ppm")
        np.testing.assert_array_equal(read_pnm((tmp_path / "pillow.ppm").read_bytes()), picture)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_png_holds_colour_samples_of_eight_and_sixteen_bits(dtype) -> None:
    picture = np.random.default_rng(0).integers(0, np.iinfo(dtype).max, (5, 7, 3)).astype(dtype)
    data = write_png(picture)
    if dtype == np.uint8:
        np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(data))), picture)
        with pytest.raises(CoderFailed, match="48 bits"):
            read_png_48(data, picture.shape)
    else:
        np.testing.assert_array_equal(read_png_48(data, picture.shape), picture, strict=True)


def test_sixteen_bit_png_is_laid_out_as_its_standard_says() -> None:
    rows = b"".join(b"\x00" + bytes([value] * 12) for value in (1, 2))  # no filter, two pixels
    chunks = [(b"IHDR", bytes.fromhex("00000002 00000002 10 02 00 00 00"))]
    chunks += [(b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    data = b"\x89PNG\r\n\x1a\n" + b"".join(
        len(body).to_bytes(4, "big") + name + body + zlib.crc32(name + body).to_bytes(4, "big")
        for name, body in chunks
    )
    picture = read_png_48(data, (2, 2, 3))
    np.testing.assert_array_equal(picture, np.repeat([[[0x0101]], [[0x0202]]], 2, 1).repeat(3, 2))


def test_png_of_another_size_or_damaged_is_refused() -> None:
    data = write_png(np.zeros((5, 7, 3), np.uint16))
    huge = data[:16] + (2**31 - 1).to_bytes(4, "big") * 2 + data[24:]
    for shape, bad, message in [
        ((7, 5, 3), data, "7x5 where"),
        ((5, 7, 3), huge, "2147483647x2147483647"),
        ((5, 7, 3), data[:20], "something other"),
        ((5, 7, 3), b"", "something other"),
        ((5, 7, 3), b"junk" * 20, "something other"),
        ((5, 7, 3), data[:50], "cannot be read"),
    ]:
        with pytest.raises(CoderFailed, match=message):
            read_png_48(bad, shape)
