"""libbpg's own decoder shows every kind of file written here, pixel for pixel as we decode it.

It shows 8 bits whatever a file has, so files of 10 bits are compared as `show(data, 8)`.
"""

import itertools

import numpy as np
import pytest

from dsslic_jax.codec.coders.bpg import embedded as bpg
from dsslic_jax.codec.coders.bpg.embedded import COLOURS, EmbeddedBpg, show
from dsslic_jax.codec.coders.bpg.file import (
    COLOUR_RGB,
    COLOUR_YCBCR,
    FORMAT_420_JPEG,
    FORMAT_420_MPEG2,
    FORMAT_444,
    FORMAT_GRAY,
    BpgHeader,
    mux,
)
from dsslic_jax.codec.coders.bpg.hevc import encode_planes
from dsslic_jax.codec.coders.bpg.hevc_headers import MIN_BLOCK
from dsslic_jax.codec.coders.bpg.libbpg import ExternalBpg
from tests.codec.pictures import at_depth, picture_of, psnr_db, smooth_picture

KINDS = {
    "gray": (FORMAT_GRAY, COLOUR_YCBCR),
    "jpeg 420": (FORMAT_420_JPEG, COLOUR_YCBCR),
    "mpeg2 420": (FORMAT_420_MPEG2, COLOUR_YCBCR),
    "ycbcr 444": (FORMAT_444, COLOUR_YCBCR),
    "rgb 444": (FORMAT_444, COLOUR_RGB),
}
SIZES = [(1, 1), (1, 300), (17, 33), (32, 31), (64, 64), (127, 128)]


def coded_noise(header: BpgHeader, *, extremes: bool, seed: int) -> bytes:
    """A BPG file of random planes, also where HEVC codes more than the picture; extremes: all or nothing."""
    coded = header.coded(MIN_BLOCK)
    generator = np.random.default_rng(seed)
    sides = [(coded.height, coded.width)]
    if coded.chroma_format:
        halved = coded.chroma_format == 1
        sides += [(coded.height >> halved, coded.width >> halved)] * 2
    white = (1 << coded.bit_depth) - 1
    planes = [
        generator.integers(0, 2, side) * white
        if extremes
        else generator.integers(0, white + 1, side)
        for side in sides
    ]
    return mux(header, encode_planes(planes, coded, qp=0))


@pytest.mark.parametrize("kind", KINDS)
def test_libbpg_shows_noise_of_every_kind_as_we_do(kind, libbpg_shows) -> None:
    files = [
        coded_noise(BpgHeader(width, height, *KINDS[kind], bit_depth), extremes=extremes, seed=seed)
        for seed, (height, width) in enumerate([(16, 16), (17, 35), (50, 31), (128, 96)])
        for extremes in (False, True)
        for bit_depth in (8, 10)
    ]
    for data, shown in zip(files, libbpg_shows(files), strict=True):
        np.testing.assert_array_equal(show(data, 8), shown)


@pytest.mark.parametrize("colour", COLOURS)
def test_libbpg_opens_what_the_embedded_coder_writes(colour, libbpg_shows) -> None:
    jobs = list(itertools.product(SIZES, (8, 10), (0, 37)))
    pictures = [smooth_picture(height, width) for (height, width), _, _ in jobs]
    files = [
        EmbeddedBpg().encode(at_depth(picture, bit_depth), qp, colour, bit_depth)
        for picture, (_, bit_depth, qp) in zip(pictures, jobs, strict=True)
    ]
    for data, shown, picture, job in zip(files, libbpg_shows(files), pictures, jobs, strict=True):
        (height, width), _, qp = job
        assert shown.shape == (max(height, 32), max(width, 32), 3)
        np.testing.assert_array_equal(show(data, 8), shown)
        if qp == 0 and colour != "ycbcr420":
            assert np.mean((shown[:height, :width].astype(float) - picture) ** 2) < 2.5  # 44 dB


def test_libbpg_opens_what_the_external_coder_writes(programs, libbpg_shows) -> None:
    external = ExternalBpg(programs)
    files = [
        external.encode(at_depth(smooth_picture(33, 51), bit_depth), 20, colour, bit_depth)
        for colour in COLOURS
        for bit_depth in (8, 10)
    ]
    for data, shown in zip(files, libbpg_shows(files), strict=True):
        np.testing.assert_array_equal(show(data, 8), shown)


def test_halved_chroma_shows_true_colours_in_libbpg(libbpg_shows) -> None:
    vertical, horizontal = np.mgrid[0:60, 0:76] / 76
    waves = np.stack([vertical, horizontal, (vertical + horizontal) / 2], axis=-1)
    picture = (128 + 100 * np.sin(6 * waves)).astype(np.uint8)
    (shown,) = libbpg_shows([EmbeddedBpg().encode(picture, 0, "ycbcr420", 8)])
    assert psnr_db(picture, shown) > 44


def test_rgb_files_of_equal_channels_are_shown_gray(libbpg_shows) -> None:
    picture = picture_of("equal channels", (40, 40, 3))
    (shown,) = libbpg_shows([bpg.encode_picture(picture, 0, "rgb444", 8)])
    assert psnr_db(picture, shown) > 44
