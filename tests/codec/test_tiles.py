"""Tiles and windows cover a picture once, and windows see what is around."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dsslic_jax.codec.networks.padded_windows import cut, padded_side, paste, scaled
from dsslic_jax.codec.tiles import grown, tiles, windows

SIDES = st.integers(1, 40).map(lambda side: 8 * side)


@settings(max_examples=60, derandomize=True, database=None, deadline=None)
@given(SIDES, SIDES, st.sampled_from([8, 16, 64]), st.sampled_from([0, 8, 24]))
def test_windows_have_one_shape_and_their_cores_cover_once(
    height: int, width: int, side: int, margin: int
) -> None:
    covered = np.zeros((height, width), int)
    shapes = set()
    for window, core, inner in windows(height, width, side, margin):
        shapes.add(tuple(piece.stop - piece.start for piece in window))
        covered[core] += 1
        for outer, piece, inside, length in zip(window, core, inner, (height, width), strict=True):
            assert 0 <= outer.start <= piece.start < piece.stop <= outer.stop <= length
            assert outer.start % 8 == piece.start % 8 == 0
            assert (inside.start, inside.stop) == (
                piece.start - outer.start,
                piece.stop - outer.start,
            )
            assert outer.start == 0 or piece.start - outer.start >= margin
            assert outer.stop == length or outer.stop - piece.stop >= margin
    assert (covered == 1).all() and len(shapes) == 1


@settings(max_examples=40, derandomize=True, database=None, deadline=None)
@given(st.integers(1, 99), st.integers(1, 99), st.integers(1, 50), st.integers(0, 20))
def test_tiles_cover_once_and_grow_as_far_as_the_picture(
    height: int, width: int, side: int, margin: int
) -> None:
    picture = np.arange(height * width).reshape(height, width)
    covered = np.zeros(picture.shape, int)
    for tile in tiles(height, width, side):
        covered[tile] += 1
        outer, inner = grown(tile, margin, height, width)
        np.testing.assert_array_equal(picture[outer][inner], picture[tile])
    assert (covered == 1).all()


@pytest.mark.parametrize(
    ("side", "padded"),
    [(1, 32), (32, 32), (33, 64), (250, 256), (257, 288), (360, 384), (480, 480), (512, 512),
     (513, 576), (768, 768), (1000, 1024), (1025, 1152), (12288, 12288)],
)  # fmt: skip
def test_the_ladder_by_hand(side: int, padded: int) -> None:
    assert padded_side(side, 8) == padded


def test_the_ladder_pads_by_an_eighth_at_most_and_has_few_rungs() -> None:
    sides = range(256, 4097)
    rungs = [padded_side(side, 8) for side in sides]
    assert all(side <= rung < 1.13 * side for side, rung in zip(sides, rungs, strict=True))
    assert len(set(rungs)) == 33  # eight an octave
    assert padded_side(100, 64) == 128 and padded_side(65, 64) == 128


def test_cutting_repeats_edges_and_pasting_leaves_them_out() -> None:
    small = np.arange(6, dtype=np.uint8).reshape(2, 3)
    tile = (slice(1, 4), slice(2, 5))
    np.testing.assert_array_equal(cut(small, tile), np.full((3, 3), 5))
    paste(small, tile, np.full((3, 3), 9, np.uint8))
    assert small.tolist() == [[0, 1, 2], [3, 4, 9]]
    assert scaled((slice(8, 32), slice(0, 16)), 8) == (slice(1, 4), slice(0, 2))
