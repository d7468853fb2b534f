"""Lossless JPEG XL: exact, bare codestreams, and strict about shapes."""

import sys

import imagecodecs
import numpy as np
import pytest

from dsslic_jax.codec.coders.jxl import Jxl
from dsslic_jax.errors import CoderFailed, CoderUnavailable
from tests.codec.pictures import COLOUR_SHAPES, KINDS, LABEL_SHAPES, picture_of


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", [*LABEL_SHAPES, *COLOUR_SHAPES, (5, 3), (3, 3, 3)])
def test_any_picture_comes_back_exactly(shape: tuple[int, ...], kind: str) -> None:
    picture = picture_of(kind, shape)
    decoded = Jxl().decode(Jxl().encode(picture), shape)
    assert decoded.dtype == np.uint8
    np.testing.assert_array_equal(decoded, picture)


def test_a_picture_that_is_a_view_is_coded_like_its_copy() -> None:
    picture = picture_of("noise", (40, 30, 3))
    assert Jxl().encode(picture[::2, ::-1]) == Jxl().encode(picture[::2, ::-1].copy())


def test_streams_are_bare_codestreams_without_a_container() -> None:
    assert Jxl().encode(picture_of("noise", (8, 8)))[:2] == b"\xff\x0a"


@pytest.mark.parametrize("shape", [(16, 9), (9, 17), (9, 16, 3), (1, 1), (4000, 4000)])
def test_a_stream_of_another_shape_is_refused(shape: tuple[int, ...]) -> None:
    data = Jxl().encode(picture_of("noise", (9, 16)))
    with pytest.raises(CoderFailed, match="sound picture of shape"):
        Jxl().decode(data, shape)


def test_a_sixteen_bit_stream_is_refused() -> None:
    data = imagecodecs.jpegxl_encode(
        np.zeros((9, 16), np.uint16), lossless=True, usecontainer=False
    )
    with pytest.raises(CoderFailed, match="no bare codestream"):
        Jxl().decode(data, (9, 16))


@pytest.mark.parametrize("kept", [0, 1, 2, 7, 40, -1])
def test_a_stream_that_was_cut_short_is_refused(kept: int) -> None:
    data = Jxl().encode(picture_of("noise", (16, 16, 3)))
    with pytest.raises(CoderFailed):
        Jxl().decode(data[:kept], (16, 16, 3))


def test_damaged_streams_raise_coder_failed_or_decode_but_nothing_else() -> None:
    data = Jxl().encode(picture_of("noise", (16, 16, 3)))
    generator = np.random.default_rng(1)
    refused = 0
    for _ in range(200):
        damaged = bytearray(data)
        damaged[generator.integers(0, 40)] ^= 1 << generator.integers(0, 8)
        try:
            assert Jxl().decode(bytes(damaged), (16, 16, 3)).shape == (16, 16, 3)
        except CoderFailed:
            refused += 1
    assert refused > 100


def test_without_imagecodecs_the_error_says_what_to_install(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "imagecodecs", None)
    with pytest.raises(CoderUnavailable, match="pip install imagecodecs"):
        Jxl().encode(np.zeros((4, 4), np.uint8))


def test_a_file_in_a_container_is_no_codestream() -> None:
    import imagecodecs

    boxed = imagecodecs.jpegxl_encode(
        picture_of("noise", (9, 16)), lossless=True, usecontainer=True
    )
    with pytest.raises(CoderFailed, match="no bare codestream"):
        Jxl().decode(boxed, (9, 16))
