"""Residual layers: how levels become codes and come back, in tiles too, and what cannot be a layer."""

import itertools
import struct
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dsslic_jax.codec.coders.coder import Context
from dsslic_jax.codec.layers import residual
from dsslic_jax.codec.layers.residual import ResidualSettings, Scale
from dsslic_jax.errors import DsslicError, StreamError
from tests.codec.pictures import psnr_db, smooth_picture
from tests.codec.residuals import FINE, Exact, bpg, coded, decoded

GREY = np.full((40, 56, 3), 128, np.uint8)


def test_min_max_stretches_the_range_over_all_codes() -> None:
    picture, coder = GREY.copy(), Exact()
    picture[0, 0, 0], picture[1, 1, 1] = 118, 138  # levels -10 … 10
    payload = coded(picture, GREY, None, FINE, coder)
    assert payload[:5] == b"\0" + struct.pack("<hh", -10, 10)
    codes = coder.seen[0]
    # 255 codes over 20 levels: level 0 is code 127.5, rounded to even.
    assert (codes[0, 0, 0], codes[1, 1, 1], codes[2, 2, 2]) == (0, 255, 128)
    np.testing.assert_array_equal(decoded(payload, GREY, None, coder), picture)


@pytest.mark.parametrize(("bits", "step", "middle"), [(8, 4096, 128), (10, 2048, 512)])
def test_centred_has_one_scale_and_clips(bits: int, step: int, middle: int) -> None:
    picture, coder = GREY.copy(), Exact(bits)
    so_far = GREY.copy()
    picture[0, 0], so_far[0, 0] = 255, 0  # a level of 255
    picture[1, 1] += 3
    how = replace(FINE, mapping="centred")
    payload = coded(picture, so_far, None, how, coder)
    assert payload[:3] == b"\1" + struct.pack("<H", step)
    codes = coder.seen[0]
    per_level = 4096 // step
    assert codes.dtype == (np.uint8 if bits == 8 else np.uint16)
    assert codes[2, 2, 0] == middle and codes[1, 1, 0] == middle + 3 * per_level
    assert codes[0, 0, 0] == (255 if bits == 8 else middle + 255 * per_level)
    made = decoded(payload, so_far, None, coder)
    assert made[0, 0, 0] == (127 if bits == 8 else 255)  # 8 bits clip at 127 levels
    np.testing.assert_array_equal(made[1:], picture[1:])


@settings(max_examples=30, derandomize=True, database=None, deadline=None)
@given(
    st.sampled_from(["min_max", "centred"]),
    st.sampled_from([8, 10]),
    st.floats(0, 100),
    st.integers(0, 999),
)
def test_the_mapping_alone_errs_by_half_a_code(
    mapping: str, bits: int, quality: float, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    reach = rng.integers(1, 120)
    picture = (128 + rng.integers(-reach // 2, reach // 2 + 1, (9, 11, 3))).astype(np.uint8)
    so_far = (128 + rng.integers(-reach // 2, reach // 2 + 1, (9, 11, 3))).astype(np.uint8)
    how = ResidualSettings(quality, mapping)
    payload = coded(picture, so_far, None, how, Exact(bits))
    made = decoded(payload, so_far, None, Exact(bits))
    # A step is at most 240 levels / 255 codes, and 1.13 times that where the quantiser has a fraction.
    assert np.abs(made.astype(int) - picture).max() <= 1


@pytest.mark.parametrize(
    ("extremes", "per_level", "qp"),
    [((0, 0), 4, 20), ((-128, 127), 4, 20), ((-129, 0), 2, 14), ((0, 128), 2, 14)],
)
def test_ten_bits_take_four_codes_a_level_or_two_finer_ones_where_four_would_clip(
    extremes: tuple[int, int], per_level: int, qp: int
) -> None:
    coder, picture, so_far = Exact(10), GREY.copy(), GREY.copy()
    for column, level in enumerate(extremes):
        picture[0, column], so_far[0, column] = max(level, 0), max(-level, 0)
    how = ResidualSettings(100 * (1 - 20 / 51), "centred")
    payload = coded(picture, so_far, None, how, coder)
    assert payload[1:3] == struct.pack("<H", 4096 // per_level)
    codes = coder.seen[0]
    assert coder.seen[1] == qp
    assert [codes[0, i, 0] for i in (0, 1)] == [512 + per_level * level for level in extremes]
    np.testing.assert_array_equal(decoded(payload, so_far, None, coder), picture)


# Prediction gain


def test_the_prediction_by_hand() -> None:
    so_far = np.array([0, 1, 100, 128, 131, 255], np.uint8)
    assert residual.prediction(so_far, 0).tolist() == [128] * 6
    # 64, 64.5, 114, 128, 129.5, 191.5
    assert residual.prediction(so_far, 0.5).tolist() == [64, 65, 114, 128, 130, 192]
    # 120, 120.0625, 126.25, 128, 128.1875, 135.9375
    assert residual.prediction(so_far, 1 / 16).tolist() == [120, 120, 126, 128, 128, 136]
    assert residual.prediction(so_far, 1) is so_far


@pytest.mark.parametrize("bits", [8, 10])
def test_gain_nought_codes_the_picture_itself(bits: int) -> None:
    picture, so_far, coder = smooth_picture(33, 50), smooth_picture(33, 50, seed=1), Exact(bits)
    how = replace(FINE, mapping="centred", prediction_gain=0.0)
    payload = coded(picture, so_far, None, how, coder)
    assert payload[:4] == bytes([128 | 1, 0]) + struct.pack("<H", {8: 4096, 10: 1024}[bits])
    np.testing.assert_array_equal(coder.seen[0], picture.astype(int) * (1 << bits - 8))
    np.testing.assert_array_equal(decoded(payload, so_far, None, coder), picture)
    plain = replace(how, prediction_gain=1.0)
    grey = np.full_like(picture, 128)
    assert coded(picture, grey, None, plain, coder)[1:] == payload[2:]


@pytest.mark.parametrize("size", [(1, 1), (7, 5), (33, 50)])
@pytest.mark.parametrize("mapping", ["min_max", "centred"])
@pytest.mark.parametrize("gain", [0.0, 5 / 16, 0.5, 15 / 16])
def test_a_part_of_the_prediction_comes_back(
    gain: float, mapping: str, size: tuple[int, int]
) -> None:
    picture, so_far = smooth_picture(*size), smooth_picture(*size, seed=1)
    how = replace(FINE, mapping=mapping, prediction_gain=gain)
    payload = coded(picture, so_far, None, how, bpg(10))
    assert payload[1] == gain * 16
    made = decoded(payload, so_far, None, bpg(10))
    assert np.abs(made.astype(int) - picture).mean() < 1


def test_the_span_is_of_what_is_left_after_the_gain() -> None:
    picture, so_far = np.full((9, 4, 3), 100, np.uint8), np.full((9, 4, 3), 28, np.uint8)
    picture[0] = 120  # 72 and 92 above x', 22 and 42 above 78
    assert residual.span(picture, so_far) == 92
    assert residual.span(picture, so_far, 0.5) == 42


@pytest.mark.parametrize("mapping", ["min_max", "centred"])
def test_bytes_and_closeness_rise_smoothly_with_quality(mapping: str) -> None:
    picture = smooth_picture(96, 96)
    picture[::7, ::5] ^= 24
    sizes, errors = [], []
    for quality in np.arange(40, 48, 1.0):
        how = ResidualSettings(float(quality), mapping)
        payload = coded(picture, np.full_like(picture, 128), None, how, bpg())
        made = decoded(payload, np.full_like(picture, 128), None, bpg())
        sizes.append(len(payload))
        errors.append(psnr_db(picture, made))
    # Whole quantisers alone would give four sizes for these eight qualities.
    assert len(set(sizes)) == 8
    assert sizes[-1] > sizes[0] and errors[-1] > errors[0] + 1
    assert all(later > 0.97 * earlier for earlier, later in itertools.pairwise(sizes))


@pytest.mark.parametrize("colour", ["ycbcr444", "ycbcr420", "rgb444"])
@pytest.mark.parametrize("bits", [8, 10])
@pytest.mark.parametrize("mapping", ["min_max", "centred"])
def test_every_kind_of_residual_brings_the_picture_closer(
    mapping: str, bits: int, colour: str
) -> None:
    picture = smooth_picture(48, 40)
    picture = picture // 2 + 64
    so_far = picture + (np.indices((48, 40)).sum(0) // 8 % 2 * 9).astype(np.uint8)[..., None]
    how = ResidualSettings(80, mapping)
    payload = coded(picture, so_far, None, how, bpg(bits, colour))
    made = decoded(payload, so_far, None, bpg())
    left = np.square(made.astype(float) - picture).mean()
    assert left < 0.25 * np.square(so_far.astype(float) - picture).mean()


def test_the_span_is_of_the_whole_picture() -> None:
    picture = np.full((1200, 4, 3), 100, np.uint8)
    picture[3, 0, 0], picture[1100, 2, 1] = 80, 117
    assert residual.span(picture, np.full_like(picture, 100)) == 37
    assert residual.span(picture, picture) == 1


def test_a_later_layers_quality_is_meant_for_the_first_ones_span() -> None:
    so_far, coder = GREY.copy(), Exact()
    so_far[::2, ::2] += (
        10  # levels -10 … 0: codes stand for an eighth of what they do over 80 levels
    )
    residual.encode(GREY, so_far, Context(), ResidualSettings(50), coder, 80)
    assert coder.seen[1] == 25 + 18  # three octaves of six steps
    residual.encode(GREY, so_far, Context(), replace(FINE, mapping="centred"), coder, 80)
    assert coder.seen[1] == 0


def test_scale_maps_there_and_back_by_hand() -> None:
    scale = Scale(low=-8.0, step=0.5)
    levels = np.array([-8.0, -7.6, 0.0, 119.5, 400.0], np.float32)
    assert scale.to_codes(levels, 8).tolist() == [0, 1, 16, 255, 255]
    assert scale.to_codes(levels, 10).tolist() == [0, 1, 16, 255, 816]
    assert scale.to_levels(np.array([0, 16, 255], np.uint8)).tolist() == [-8.0, 0.0, 119.5]


# In tiles


@pytest.fixture
def small_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(residual, "TILED_FROM_PIXELS", 64 * 64)
    monkeypatch.setattr(residual, "LOG2_TILE", 8)


@pytest.mark.usefixtures("small_tiles")
def test_tiles_come_back_in_their_places_with_weights_over_their_borders() -> None:
    picture, so_far = smooth_picture(270, 520), np.full((270, 520, 3), 100, np.uint8)
    labels = np.random.default_rng(0).integers(0, 2, picture.shape[:2]).astype(np.uint8)
    for weights in ({}, {1: 8.0}):
        how = ResidualSettings(100, "centred", weights)
        payload = coded(picture, so_far, labels, how, bpg(10))
        assert payload[0] == 1 | 32 | 16 * bool(weights)
        made = decoded(payload, so_far, labels, bpg())
        assert np.abs(made.astype(int) - picture).mean() < 1
        assert psnr_db(picture[250:260], made[250:260]) > 40  # no seam


def test_large_pictures_in_one_piece_or_in_large_tiles_are_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    picture = smooth_picture(270, 520)
    how = replace(FINE, mapping="centred")
    payload = coded(picture, picture, None, how, bpg())
    monkeypatch.setattr(residual, "TILED_FROM_PIXELS", 64 * 64)
    with pytest.raises(StreamError, match="520x270 pixels is in one piece: above 4096"):
        decoded(payload, picture, None, bpg())
    tiled = bytearray(coded(picture, picture, None, how, bpg()))
    assert tiled[0] & 32
    tiled[tiled.index(residual.LOG2_TILE)] = 12
    with pytest.raises(StreamError, match="impossible tiles"):
        decoded(bytes(tiled), picture, None, bpg())


@pytest.mark.usefixtures("small_tiles")
def test_damaged_tile_tables_are_refused() -> None:
    picture = smooth_picture(270, 520)
    how = replace(FINE, mapping="centred")
    payload = coded(picture, picture, None, how, bpg())
    for cut in range(3, 14):
        with pytest.raises(DsslicError):
            decoded(payload[:cut], picture, None, bpg())
    for log2_side in (0, 7, 15, 255):
        forged = payload[:3] + bytes([log2_side]) + payload[4:]
        with pytest.raises(StreamError, match="impossible tiles"):
            decoded(forged, picture, None, bpg())


# Damage


@pytest.mark.parametrize(
    ("payload", "message"),
    [
        (b"", "mapping this program does not know"),
        (b"\2", "mapping this program does not know"),
        (b"\x42\1", "mapping this program does not know"),
        (b"\x40", "cut short inside its opening"),
        (b"\x80", "cut short inside its opening"),
        (b"\xc1\x08", "cut short inside its opening"),
        (b"\x80\x10\0\0\1\0", "prediction gain of 16/16"),
        (b"\x81\xff\0\1", "prediction gain of 255/16"),
        (b"\x40\0\0\0\1\0", "enhancement of no strength"),
        (b"\xc1\x08\0\0\x10", "enhancement of no strength"),
        (b"\xc1\x08\1\0\x10", "network that this model does not have"),
        (b"\x80\1\0\0", "too short"),
        (b"\0\0", "too short|impossible"),
        (b"\0" + struct.pack("<hh", 5, 5), "range of 5 to 5"),
        (b"\1\0\0", "step of zero"),
        (b"\x11\0\1", "cut short inside its weights"),
        (b"\x11\0\1\2\3\4\5", "cut short inside its weights"),
        (b"\x11\0\1\0", "cut short inside its weights"),
    ],
)
def test_residual_layers_that_cannot_be_are_refused(payload: bytes, message: str) -> None:
    class Anything(Exact):
        def decode(self, data: bytes, shape: tuple[int, ...], context: Context) -> np.ndarray:
            return np.zeros(shape, np.uint8)

    with pytest.raises(StreamError, match=message):
        decoded(payload, GREY, np.zeros((40, 56), np.uint8), Anything())


def test_a_later_layer_has_no_prediction_gain() -> None:
    payload = coded(GREY, GREY, None, replace(FINE, prediction_gain=0.5), Exact())
    decoded(payload, GREY, None, Exact())
    with pytest.raises(StreamError, match="after the first declares a prediction gain"):
        decoded(payload, GREY, None, Exact(), first=False)
