"""Layer s: its counts, its map, and label maps made simpler."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dsslic_jax.classes.table import class_table
from dsslic_jax.codec.coders.coder import Context
from dsslic_jax.codec.coders.jxl import Jxl
from dsslic_jax.codec.coders.registry import OpenCoders
from dsslic_jax.codec.label_scale import LABEL_SCALES, coarse_labels, repeated, simplify
from dsslic_jax.codec.layers.labels import (
    count_labels,
    decode_label_layer,
    decode_labels,
    encode_label_layer,
    read_counts,
)
from dsslic_jax.codec.stream import container
from dsslic_jax.errors import CoderFailed, ConfigError, DsslicError, StreamError

MAP = np.zeros((20, 30), np.uint8)
MAP[5:9, 3:13], MAP[19, 29] = 7, 182  # 40 pixels, and 1 void


def header_of(
    labels: np.ndarray, coder: str = "jxl", table: str = "coco_stuff", label_scale: int = 1
) -> container.Header:
    height, width = labels.shape
    layer = container.Layer("s", coder, 0, 0)
    return container.Header(
        width, height, class_table(table), 8, bytes(8), (layer,), label_scale=label_scale
    )


def test_the_layer_opens_with_the_documented_counts() -> None:
    payload = encode_label_layer(MAP, Jxl())
    # three classes less one; id 0: 559 = 4 * 128 + 47; id 7: 40; id 182 = 7 + 175, its count left out
    assert payload[:7] == bytes([2, 0, 0x84, 47, 7, 40, 175])
    assert read_counts(payload, header_of(MAP)) == ({0: 559, 7: 40, 182: 1}, 7)
    ranks = np.searchsorted([0, 7, 182], MAP).astype(np.uint8)
    np.testing.assert_array_equal(Jxl().decode(payload[7:], MAP.shape), ranks)


def test_counts_are_read_from_the_opening_alone() -> None:
    payload = encode_label_layer(MAP, Jxl())
    assert read_counts(payload[:7], header_of(MAP)) == read_counts(payload, header_of(MAP))
    for length in range(7):
        with pytest.raises(StreamError):
            read_counts(payload[:length], header_of(MAP))


@pytest.mark.parametrize("value", [0, 5, 182])
def test_a_map_of_one_class_is_two_bytes(value: int) -> None:
    labels = np.full((9, 4), value, np.uint8)
    payload = encode_label_layer(labels, Jxl())
    assert payload == bytes([0, value])
    np.testing.assert_array_equal(decode_label_layer(header_of(labels), payload), labels)
    with pytest.raises(StreamError, match="bytes follow"):
        decode_label_layer(header_of(labels), payload + b"\0")


@pytest.mark.parametrize("coder", ["context", "jxl"])
@settings(max_examples=20, derandomize=True, database=None, deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 183), st.integers(0, 999))
def test_any_map_comes_back(coder: str, height: int, width: int, classes: int, seed: int) -> None:
    labels = np.random.default_rng(seed).integers(0, classes, (height, width)).astype(np.uint8)
    payload = encode_label_layer(labels, OpenCoders().decoder("s", coder))
    decoded = decode_label_layer(header_of(labels, coder), payload)
    np.testing.assert_array_equal(decoded, labels)
    counts, _ = read_counts(payload, header_of(labels))
    np.testing.assert_array_equal(
        [counts.get(i, 0) for i in range(256)], np.bincount(labels.ravel(), minlength=256)
    )


def test_counting_in_bands_counts_everything() -> None:
    labels = np.random.default_rng(0).integers(0, 256, (2500, 7)).astype(np.uint8)
    np.testing.assert_array_equal(count_labels(labels), np.bincount(labels.ravel(), minlength=256))


@pytest.mark.parametrize(
    ("payload", "message"),
    [
        (b"", "empty"),
        (bytes([1, 0, 0, 5]), "counts that cannot be"),  # no pixel of a class
        (bytes([1, 0, 100, 0]), "counts that cannot be"),  # an id twice
        (bytes([1, 0, 0x84, 88, 5]), "counts that cannot be"),  # 600 of 600, none left
        (bytes([1, 0, 0x85, 0, 5]), "counts that cannot be"),  # 640 of 600
        (bytes([1, 0, 100, 200]), "label 200; class table coco_stuff has 183"),
        (bytes([1, 200, 100, 200]), "label 400"),
        (bytes([255, *[1, 1] * 200]), "cut short|counts that cannot be"),
    ],
)
def test_impossible_counts_are_refused(payload: bytes, message: str) -> None:
    with pytest.raises(StreamError, match=message):
        read_counts(payload, header_of(MAP))


def test_a_map_that_is_not_what_its_counts_say_is_refused() -> None:
    payload = encode_label_layer(MAP, Jxl())
    other = MAP.copy()
    other[0, 0] = 7
    wrong = payload[:7] + encode_label_layer(other, Jxl())[7:]
    with pytest.raises(StreamError, match="does not have the counts"):
        decode_label_layer(header_of(MAP), wrong)
    beyond = payload[:7] + Jxl().encode(np.full(MAP.shape, 9, np.uint8))  # rank 9 of three
    with pytest.raises(DsslicError):
        decode_label_layer(header_of(MAP), beyond)


def test_a_coder_that_loses_a_label_silently_is_caught_while_encoding() -> None:
    class Lossy(Jxl):
        def encode(self, picture: np.ndarray, context: Context | None = None) -> bytes:
            changed = picture.copy()
            changed[0, 0] ^= 1
            return super().encode(changed)

    with pytest.raises(CoderFailed, match="did not give back"):
        encode_label_layer(MAP, Lossy())


SIZES = [(1, 1), (7, 5), (33, 50), (1, 300), (300, 1), (520, 9)]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("scale", LABEL_SCALES)
def test_a_coarse_map_has_the_most_frequent_label_of_each_block(
    scale: int, size: tuple[int, int]
) -> None:
    labels = np.random.default_rng(scale).integers(0, 4, size).astype(np.uint8) * 50
    expected = [
        [
            np.bincount(labels[y : y + scale, x : x + scale].ravel()).argmax()  # the lowest of ties
            for x in range(0, size[1], scale)
        ]
        for y in range(0, size[0], scale)
    ]
    np.testing.assert_array_equal(coarse_labels(labels, scale), expected)


def test_a_tie_goes_to_the_lowest_id_and_border_blocks_count_what_they_have() -> None:
    labels = np.array([[9, 9, 3], [2, 2, 7], [5, 4, 6]], np.uint8)
    np.testing.assert_array_equal(coarse_labels(labels, 2), [[2, 3], [4, 6]])
    np.testing.assert_array_equal(repeated(np.array([[2, 3], [4, 6]]), 2, 3, 3), [
        [2, 2, 3], [2, 2, 3], [4, 4, 6],
    ])  # fmt: skip


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("scale", LABEL_SCALES)
def test_a_coarse_layer_decodes_to_blocks_of_the_whole_size(
    scale: int, size: tuple[int, int]
) -> None:
    labels = np.random.default_rng(scale).integers(0, 183, size).astype(np.uint8)
    coarse = coarse_labels(labels, scale)
    header = header_of(labels, label_scale=scale)
    payload = encode_label_layer(coarse, Jxl())
    decoded = decode_label_layer(header, payload)
    rows, columns = np.indices(size) // scale
    np.testing.assert_array_equal(decoded, coarse[rows, columns])
    counts, _ = read_counts(payload, header)
    assert sum(counts.values()) == coarse.size
    one_class = decode_label_layer(header, bytes([0, 7]))
    np.testing.assert_array_equal(one_class, np.full(size, 7))


@pytest.mark.parametrize("size", [(1, 1 << 22), (1 << 22, 1)])
def test_repeating_takes_no_more_than_twice_the_map_s_size(size: tuple[int, int]) -> None:
    coarse = coarse_labels(np.zeros(size, np.uint8), 32)
    tracemalloc.start()
    try:
        assert repeated(coarse, 32, *size).shape == size
        assert tracemalloc.get_traced_memory()[1] < 3 * (1 << 22)
    finally:
        tracemalloc.stop()


def test_a_stream_without_labels_says_so() -> None:
    data = container.write(
        container.Header(8, 8, class_table("camvid"), 8, bytes(8)), [("c", "jxl", b"c")]
    )
    with pytest.raises(StreamError, match="without labels"):
        decode_labels(data)


def test_regions_go_smallest_first_within_the_loss() -> None:
    labels = np.zeros((20, 20), np.uint8)
    labels[0, 0] = 1  # 1 pixel
    labels[5, 5:7] = 2  # 2 pixels
    labels[15, 15] = 3  # 1 pixel, of a class that has a large region too
    labels[10:13, 10:13] = 3  # 9 pixels
    changed = {
        loss: sorted(map(tuple, np.argwhere(simplify(labels, loss) != labels)))
        for loss in (0.002, 0.005, 0.01, 0.0324, 0.0325)
    }
    assert changed[0.002] == []  # 0.8 pixels
    assert changed[0.005] == [(0, 0), (15, 15)]
    assert changed[0.01] == [(0, 0), (5, 5), (5, 6), (15, 15)]
    assert changed[0.0324] == changed[0.01] and len(changed[0.0325]) == 13


def test_a_region_takes_the_label_beside_it() -> None:
    labels = np.repeat([[1] * 10 + [2] * 10], 8, 0).astype(np.uint8)
    labels[3, 4], labels[3, 15] = 5, 6
    simple = simplify(labels, 0.02)
    assert simple[3, 4] == 1 and simple[3, 15] == 2
    np.testing.assert_array_equal(np.unique(simple), [1, 2])


def test_simplifying_changes_no_more_than_was_allowed_and_saves_bytes() -> None:
    rng = np.random.default_rng(0)
    labels = np.kron(rng.integers(0, 5, (8, 8)), np.ones((8, 8), int)).astype(np.uint8)
    noise = rng.random(labels.shape) < 0.05
    labels[noise] = rng.integers(0, 5, noise.sum())
    sizes = []
    for loss in (0.0, 0.02, 0.1):
        simple = simplify(labels, loss)
        assert (simple != labels).mean() <= loss
        sizes.append(len(encode_label_layer(simple, Jxl())))
    assert sizes[0] > sizes[1] > sizes[2]


@pytest.mark.parametrize("loss", [-0.1, 1.0, 2.0])
def test_a_loss_out_of_range_is_refused(loss: float) -> None:
    with pytest.raises(ConfigError, match="share of the pixels"):
        simplify(MAP, loss)


def test_even_one_region_left_of_all_is_kept() -> None:
    labels = np.zeros((4, 4), np.uint8)
    np.testing.assert_array_equal(simplify(labels, 0.99), labels)
