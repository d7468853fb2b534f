"""The 8-bit map of the residual against numbers worked by hand."""

from __future__ import annotations

import numpy as np
import pytest

from dsslic_jax.codec import residual
from dsslic_jax.errors import ConfigError, StreamError


def row(*values: int) -> np.ndarray:
    """uint8 [1, 1, 3]."""
    return np.array([[values]], np.uint8)


def test_the_map_matches_hand_worked_values() -> None:
    # r = -2, 0, 5; low -2, high 5: (0 + 2) * 255 / 7 = 72.86
    mapped, residual_range = residual.to_picture(row(10, 20, 30), row(12, 20, 25))
    assert residual_range == (-2, 5)
    assert mapped.dtype == np.uint8 and mapped.tolist() == [[[0, 73, 255]]]
    # 200 * 7 / 255 - 2 = 3.49
    assert residual.add_picture(row(12, 20, 25), row(0, 73, 200), (-2, 5)).tolist() == [
        [[10, 20, 28]]
    ]


def test_extremes_span_the_whole_map() -> None:
    mapped, residual_range = residual.to_picture(row(0, 255, 128), row(255, 0, 128))
    assert residual_range == (-255, 255)
    assert mapped.tolist() == [[[0, 255, 128]]]  # 127.5 rounds to even
    assert residual.add_picture(row(255, 0, 128), mapped, (-255, 255)).tolist() == [[[0, 255, 129]]]


@pytest.mark.parametrize("level", [-200, 0, 1, 255])
def test_a_constant_residual_is_exact_whatever_its_coder_does(level: int) -> None:
    prediction = np.full((4, 5, 3), 0 if level >= 0 else 230, np.uint8)
    picture = (prediction.astype(int) + level).astype(np.uint8)
    mapped, residual_range = residual.to_picture(picture, prediction)
    assert residual_range == (level, level) and not mapped.any()
    noisy = np.random.default_rng(0).integers(0, 256, mapped.shape, dtype=np.uint8)
    np.testing.assert_array_equal(residual.add_picture(prediction, noisy, residual_range), picture)


@pytest.mark.parametrize("largest", [1, 60, 127, 128, 200, 255])
def test_the_map_alone_errs_by_half_a_step_at_most(largest: int) -> None:
    x, prediction = np.meshgrid(np.arange(256), np.arange(256))  # every pair within `largest`
    near = np.abs(x - prediction) <= largest
    x, prediction = (a[near].astype(np.uint8).reshape(-1, 1, 1) for a in (x, prediction))
    mapped, residual_range = residual.to_picture(x, prediction)
    assert residual_range == (-largest, largest)
    made = residual.add_picture(prediction, mapped, residual_range)
    half_step = largest / 255  # of steps (2 largest) / 255 wide
    allowed = int(half_step + 0.5)  # x̂ is rounded to whole levels
    assert np.abs(made.astype(int) - x).max() == allowed


def test_the_sum_is_clipped_not_wrapped() -> None:
    # 250 + 10 and 3 - 10
    assert residual.add_picture(row(250, 3, 100), row(255, 0, 255), (-10, 10)).tolist() == [
        [[255, 0, 110]]
    ]


def test_mapping_and_range_take_five_bytes_little_endian() -> None:
    assert residual.pack_range("min_max", (-255, 255)) == b"\x00\x01\xff\xff\x00"
    assert residual.unpack_range(b"\x00\xfe\xff\x05\x00rest") == ((-2, 5), b"rest")


@pytest.mark.parametrize("low_high", [(3, 2), (-256, 0), (0, 256), (-32768, 32767)])
def test_a_range_no_residual_has_is_refused(low_high: tuple[int, int]) -> None:
    low, high = low_high
    payload = b"\0" + b"".join(n.to_bytes(2, "little", signed=True) for n in low_high)
    with pytest.raises(StreamError, match=f"range of {low} to {high}"):
        residual.unpack_range(payload)


@pytest.mark.parametrize("payload", [b"", b"\0\0\0\0"])
def test_a_layer_too_short_for_its_range_is_refused(payload: bytes) -> None:
    with pytest.raises(StreamError, match="too short"):
        residual.unpack_range(payload)


def test_a_mapping_there_is_not_is_refused_from_a_stream_and_from_a_model() -> None:
    with pytest.raises(StreamError, match="mapping 1"):
        residual.unpack_range(b"\x01\0\0\0\0")
    with pytest.raises(ConfigError, match=r"coding\.residual"):
        residual.check_mapping("centred")
