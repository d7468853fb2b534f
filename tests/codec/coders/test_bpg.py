"""The embedded BPG coder: fidelity, settings, threads. What libbpg makes of it: test_libbpg.py."""

import contextlib
import itertools
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from dsslic_jax.codec.coders.bpg import embedded as bpg
from dsslic_jax.codec.coders.bpg.coder import BpgCoder
from dsslic_jax.codec.coders.bpg.embedded import COLOURS, EmbeddedBpg, x265_quantiser
from dsslic_jax.errors import CoderFailed, CoderUnavailable, ConfigError
from tests.codec.pictures import at_depth, picture_of, psnr_db, smooth_picture


@pytest.mark.parametrize(("bit_depth", "white"), [(8, 255), (10, 1023)])
@pytest.mark.parametrize("colour", COLOURS)
def test_each_finer_quantiser_costs_bytes_and_gives_decibels(colour, bit_depth, white) -> None:
    shapes = np.kron(smooth_picture(9, 12), np.ones((8, 8, 1), np.uint8))  # chroma worth halving
    picture = at_depth(shapes, bit_depth)
    files = [EmbeddedBpg().encode(picture, qp, colour, bit_depth) for qp in (45, 35, 25, 15)]
    decoded = [EmbeddedBpg().decode(data, picture.shape) for data in files]
    assert all(other.dtype == picture.dtype for other in decoded)
    fidelity = [psnr_db(picture * (255 / white), other * (255 / white)) for other in decoded]
    lengths = [len(data) for data in files]
    assert lengths == sorted(set(lengths))
    assert fidelity == sorted(set(fidelity))
    assert fidelity[-1] > (30 if colour == "ycbcr420" else 42)


def test_ten_bits_hold_what_eight_cannot() -> None:
    ramp = np.linspace(400, 440, 96)
    picture = np.round(np.broadcast_to(ramp[:, None, None], (96, 96, 3))).astype(np.uint16)
    data = EmbeddedBpg().encode(picture, 0, "ycbcr444", 10)
    error = np.abs(EmbeddedBpg().decode(data, picture.shape).astype(int) - picture)
    assert error.mean() < 0.25  # rounded to 8 bits, whose steps are 4, it would be 1


@pytest.mark.parametrize("bit_depth", [8, 10])
@pytest.mark.parametrize(("height", "width"), [(1, 1), (300, 1), (17, 33), (31, 64)])
def test_small_and_odd_pictures_come_back_in_their_size(height, width, bit_depth) -> None:
    picture = at_depth(smooth_picture(height, width), bit_depth)
    for colour in COLOURS:
        data = EmbeddedBpg().encode(picture, 0, colour, bit_depth)
        decoded = EmbeddedBpg().decode(data, picture.shape)
        assert (decoded.shape, decoded.dtype) == (picture.shape, picture.dtype)
        if colour != "ycbcr420":
            assert np.abs(decoded.astype(int) - picture).mean() < (2 if bit_depth == 8 else 8)


def test_encoding_is_the_same_alone_and_in_a_pool_of_threads() -> None:
    def coded(job: tuple[int, str, int]) -> tuple[bytes, bytes]:
        seed, colour, bit_depth = job
        picture = at_depth(smooth_picture(40 + 8 * seed, 56, seed), bit_depth)
        data = EmbeddedBpg().encode(picture, 26, colour, bit_depth)
        return data, EmbeddedBpg().decode(data, picture.shape).tobytes()

    jobs = list(itertools.product(range(3), COLOURS, (8, 10)))
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(coded, jobs))
    assert together == [coded(job) for job in jobs]


@pytest.mark.parametrize("bit_depth", [8, 10])
def test_nothing_is_printed(bit_depth, capfd) -> None:
    picture = at_depth(smooth_picture(40, 40), bit_depth)
    data = EmbeddedBpg().encode(picture, 26, "ycbcr444", bit_depth)
    EmbeddedBpg().decode(data, picture.shape)
    with contextlib.suppress(CoderFailed):
        EmbeddedBpg().decode(data[:-40] + bytes(40), picture.shape)
    assert capfd.readouterr() == ("", "")


def test_x265_gets_what_bpgenc_would_give_an_intra_picture() -> None:
    assert [x265_quantiser(qp) for qp in (0, 2, 3, 4, 28, 51)] == [0, 0, 0, 1, 25, 48]


@pytest.mark.parametrize(
    ("quality", "stretch", "qp", "gain"),
    [
        (100, 1, 0, 1),
        (0, 1, 51, 1),
        (50, 1, 25, 2 ** (-0.5 / 6)),
        (50, 2, 19, 2 ** (-0.5 / 6)),
        (100, 2, 0, 1),
        (0, 0.5, 51, 1),
    ],
)
def test_quality_is_a_quantiser_and_a_gain(
    quality: float, stretch: float, qp: int, gain: float
) -> None:
    made = BpgCoder(EmbeddedBpg()).setting(quality, stretch)
    assert made == (qp, pytest.approx(gain))


@pytest.mark.parametrize(
    ("quality", "strength"), [(0, 204), (25, 153), (50, 102), (99, 2), (99.9, 1), (100, 1)]
)
def test_strength_is_four_times_the_quantiser(quality: float, strength: int) -> None:
    assert BpgCoder(EmbeddedBpg()).strength(quality) == strength


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ((-1, "ycbcr444", 8), r"0\.\.51, not -1"),
        ((52, "ycbcr444", 8), r"0\.\.51, not 52"),
        ((26, "ycbcr422", 8), "ycbcr444, ycbcr420, rgb444, not 'ycbcr422'"),
        ((26, "ycbcr444", 9), "8 or 10 bits per sample, not 9"),
        ((26, "ycbcr444", 12), "8 or 10 bits per sample, not 12"),
    ],
)
def test_settings_bpg_is_not_coded_with_are_refused(settings, message) -> None:
    with pytest.raises(ConfigError, match=message):
        EmbeddedBpg().encode(picture_of("noise", (32, 32, 3)), *settings)


@pytest.mark.parametrize(
    ("picture", "bit_depth", "message"),
    [
        (np.zeros((32, 32, 3), np.uint16), 8, r"codes uint8 \[H,W,3\], not uint16"),
        (np.zeros((32, 32, 3), np.uint8), 10, r"codes uint16 \[H,W,3\], not uint8"),
        (np.zeros((32, 32), np.uint8), 8, r"not uint8 \[32, 32\]"),
        (np.zeros((32, 32, 4), np.uint8), 8, r"not uint8 \[32, 32, 4\]"),
        (np.full((32, 32, 3), 1024, np.uint16), 10, r"0\.\.1023, not 1024"),
    ],
)
def test_pictures_of_another_kind_than_the_depth_says_are_refused(
    picture, bit_depth, message
) -> None:
    with pytest.raises(CoderFailed, match=message):
        EmbeddedBpg().encode(picture, 26, "ycbcr444", bit_depth)


def test_x265_refusing_a_picture_is_reported() -> None:
    with pytest.raises(CoderFailed, match="8x40"):
        bpg.encode_picture(smooth_picture(40, 8), 26, "ycbcr444", 8)


def test_without_pyav_the_error_says_what_to_install(monkeypatch) -> None:
    data = EmbeddedBpg().encode(smooth_picture(40, 56), 26, "ycbcr444", 8)
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(CoderUnavailable, match="pip install av"):
        EmbeddedBpg().decode(data, (40, 56, 3))
