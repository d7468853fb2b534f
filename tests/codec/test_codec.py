"""Whole streams: what is decoded is what was encoded, and what does not fit is refused."""

import tracemalloc
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dsslic_jax.bundle.model import Bundle
from dsslic_jax.classes.table import class_table
from dsslic_jax.codec.codec import Codec, Decoded
from dsslic_jax.codec.layers.labels import decode_labels
from dsslic_jax.codec.stream import container
from dsslic_jax.errors import (
    CoderFailed,
    DataError,
    DsslicError,
    ModelError,
    StreamError,
)
from tests.codec.pictures import psnr_db, smooth_picture
from tests.codec.streams import encode, label_map
from tests.model_fixture import coarse_part, make_bundle, segnet_part, with_weight

# Padded to 32x32 (the first two), 32x40, 40x32, 64x64 and 72x136.
SIZES = [(1, 1), (20, 32), (1, 40), (33, 17), (64, 64), (65, 130)]


@dataclass
class Encoded:
    """A stream and what its encoder saw on the way."""

    data: bytes
    compact: np.ndarray
    coarse: np.ndarray


def encode_watched(
    codec: Codec, picture: np.ndarray, labels: np.ndarray | None, **chosen: Any
) -> Encoded:
    predict = codec._predictor.predict
    seen = []

    def spy(labels: np.ndarray, compact: np.ndarray, *rest: Any) -> np.ndarray:
        made = predict(labels, compact, *rest)
        seen.append((compact, made))
        return made

    codec._predictor.predict = spy  # type: ignore[method-assign]
    try:
        data = encode(codec, picture, labels, **chosen)
    finally:
        codec._predictor.predict = predict  # type: ignore[method-assign]
    ((compact, coarse),) = seen
    return Encoded(data, compact, coarse)


@pytest.mark.parametrize("size", SIZES)
def test_labels_compact_image_and_prediction_are_decoded_exactly(
    size: tuple[int, int], encoder: Codec, decoder: Codec
) -> None:
    picture, labels = smooth_picture(*size), label_map(*size)
    encoded = encode_watched(encoder, picture, labels, quality=100)
    decoded = decoder.decode(encoded.data)
    assert decoded.upto == "r1"
    np.testing.assert_array_equal(decoded.labels, labels)
    np.testing.assert_array_equal(decoded.compact, encoded.compact)
    np.testing.assert_array_equal(decoded.coarse, encoded.coarse)
    for made in (decoder.upsample(decoded), decoded.coarse, decoded.picture):
        assert made.dtype == np.uint8 and made.shape == picture.shape
    # The map's step is 2 at most and BPG's finest quantiser adds little.
    assert np.abs(decoded.picture.astype(int) - picture).mean() < 2
    lengths = container.layer_lengths(encoded.data)
    assert sum(lengths.values()) == len(encoded.data) and lengths["header"] <= 64


def test_higher_quality_costs_bytes_and_comes_closer(encoder: Codec, decoder: Codec) -> None:
    picture, labels = smooth_picture(64, 64), label_map(64, 64)
    streams = [encode(encoder, picture, labels, quality=quality) for quality in (0, 50, 100)]
    made = [decoder.decode(stream) for stream in streams]
    assert len(streams[0]) < len(streams[1]) < len(streams[2])
    psnr = [psnr_db(picture, decoded.picture) for decoded in made]
    assert psnr_db(picture, made[0].coarse) < psnr[0] < psnr[1] < psnr[2]
    assert psnr[2] > 40


def test_no_quality_means_the_models_own(encoder: Codec) -> None:
    picture, labels = smooth_picture(20, 32), label_map(20, 32)
    own = encoder.bundle.coding["quality"]
    assert encoder.encode(picture, labels) == encode(encoder, picture, labels, quality=own)
    assert encoder.encode(picture, labels) != encode(encoder, picture, labels, quality=own - 20)


def test_prefixes_decode_to_the_same_parts_as_the_whole(encoder: Codec, decoder: Codec) -> None:
    data = encoder.encode(smooth_picture(33, 17), label_map(33, 17))
    whole = decoder.decode(data)
    lengths = container.layer_lengths(data)
    end_of_s = lengths["header"] + lengths["s"]
    end_of_c = end_of_s + lengths["c"]
    for upto, length in (("s", end_of_s), ("c", end_of_c)):
        for made in (decoder.decode(data, upto), decoder.decode(data[:length])):
            assert made.upto == upto
            check_same(made, whole, ("compact", "coarse") if upto == "c" else ())
    assert decoder.decode(data[: end_of_c - 1]).upto == "s"
    assert decoder.decode(data[:-1]).upto == "c"


def check_same(made: Decoded, whole: Decoded, parts: tuple[str, ...]) -> None:
    np.testing.assert_array_equal(made.labels, whole.labels)
    for part in ("compact", "coarse", "picture"):
        if part in parts:
            np.testing.assert_array_equal(getattr(made, part), getattr(whole, part))
        else:
            assert getattr(made, part) is None


def test_labels_decode_without_a_model(encoder: Codec) -> None:
    labels = label_map(20, 32)
    decoded, table = decode_labels(encoder.encode(smooth_picture(20, 32), labels))
    np.testing.assert_array_equal(decoded, labels)
    assert table.name == "camvid"


def test_without_labels_segnet_makes_them_and_never_void(
    tiny_bundle: Bundle, decoder: Codec
) -> None:
    (void,) = tiny_bundle.classes.void_ids
    preference = np.zeros(12, np.float32)
    preference[void], preference[4] = 2000.0, 1000.0
    codec = Codec(with_weight(tiny_bundle, "segnet/params/logits/bias", preference))
    picture = smooth_picture(20, 32)
    decoded = decoder.decode(codec.encode(picture))
    assert (decoded.labels == 4).all()
    np.testing.assert_array_equal(codec.segment(picture), decoded.labels)


def test_without_labels_or_segnet_the_ways_out_are_named(decoder: Codec) -> None:
    with pytest.raises(ModelError, match=r"--labels.*dsslic join"):
        decoder.encode(smooth_picture(20, 32))


def test_a_directory_with_segnet_alone_is_refused(tiny_bundle: Bundle) -> None:
    with pytest.raises(ModelError, match="has no CompNet and FineNet"):
        Codec(segnet_part(tiny_bundle))


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.zeros((32, 20), np.uint8), r"the picture is 32x20, its label map \(20, 32\)"),
        (np.zeros((20, 32, 1), np.uint8), "the picture is 32x20"),
        (np.full((20, 32), 12, np.uint8), "label id 12 is not in the class table 'camvid'"),
        (np.zeros((20, 32), np.int64), "must be uint8"),
        (np.zeros((20, 32), bool), "must be uint8"),
    ],
)
def test_labels_that_do_not_fit_are_refused(
    labels: np.ndarray, message: str, encoder: Codec
) -> None:
    with pytest.raises(DataError, match=message):
        encoder.encode(smooth_picture(20, 32), labels)


@pytest.mark.parametrize(
    ("picture", "message"),
    [
        (np.zeros((20, 32), np.uint8), r"uint8 \[H, W, 3\], not uint8 \(20, 32\)"),
        (np.zeros((20, 32, 4), np.uint8), "uint8"),
        (np.zeros((20, 32, 3), np.float32), "float32"),
        (np.zeros((0, 32, 3), np.uint8), "32x0 pixels"),
    ],
)
def test_pictures_that_do_not_fit_are_refused(
    picture: np.ndarray, message: str, encoder: Codec
) -> None:
    with pytest.raises(DataError, match=message):
        encoder.encode(picture, np.zeros(picture.shape[:2], np.uint8))


def test_another_models_stream_is_refused_by_its_fingerprint(encoder: Codec) -> None:
    other = Codec(coarse_part(make_bundle(seed=1)))
    data = encoder.encode(smooth_picture(20, 32), label_map(20, 32))
    with pytest.raises(StreamError) as caught:
        other.decode(data)
    assert encoder.bundle.fingerprint.hex() in str(caught.value)
    assert other.bundle.fingerprint.hex() in str(caught.value)


def stream(codec: Codec, size: tuple[int, int], layers: list[tuple[str, str, bytes]]) -> bytes:
    """A stream of the codec's own model with the layers a forger chose."""
    return container.write(header_of(codec, size), layers)


def header_of(codec: Codec, size: tuple[int, int]) -> container.Header:
    height, width = size
    return container.Header(width, height, codec.bundle.classes, 8, codec.bundle.fingerprint)


def layers_of(data: bytes) -> list[tuple[str, str, bytes]]:
    header = container.read_header(data)
    payloads = container.read_layers(data, header)
    return [(layer.name, layer.coder, payloads[layer.name]) for layer in header.layers]


def test_a_header_of_another_size_than_its_layers_is_refused(
    encoder: Codec, decoder: Codec
) -> None:
    layers = layers_of(encoder.encode(smooth_picture(20, 32), label_map(20, 32)))
    with pytest.raises(DsslicError):
        decoder.decode(stream(decoder, (20, 31), layers))
    wrong_c = layers_of(encoder.encode(smooth_picture(33, 17), label_map(33, 17)))[1]
    with pytest.raises(CoderFailed):
        decoder.decode(stream(decoder, (20, 32), [layers[0], wrong_c, layers[2]]))
    wrong_r = layers_of(encoder.encode(smooth_picture(33, 17), label_map(33, 17)))[2]
    with pytest.raises(CoderFailed):
        decoder.decode(stream(decoder, (20, 32), [layers[0], layers[1], wrong_r]))


def test_a_header_that_contradicts_its_fingerprint_is_refused(
    encoder: Codec, decoder: Codec
) -> None:
    layers = layers_of(encoder.encode(smooth_picture(20, 32), label_map(20, 32)))
    header = header_of(decoder, (20, 32))
    for change in ({"alpha": 16}, {"classes": class_table("msrc")}, {"colour": "ycbcr"}):
        data = container.write(replace(header, **change), layers)
        with pytest.raises(StreamError, match="contradicts the model"):
            decoder.decode(data)


def test_a_declared_giant_costs_no_memory(encoder: Codec, decoder: Codec) -> None:
    layers = layers_of(encoder.encode(smooth_picture(20, 32), label_map(20, 32)))
    data = stream(decoder, (60_000, 60_000), layers)
    tracemalloc.start()
    try:
        for decode in (decoder.decode, decode_labels):
            with pytest.raises(StreamError, match="60000x60000"):
                decode(data)
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


@settings(max_examples=60, derandomize=True, database=None, deadline=None)
@given(
    st.integers(0, 2),
    st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 255)), min_size=1, max_size=3),
    st.integers(0, 40),
)
def test_damage_behind_a_right_checksum_gives_a_picture_or_a_refusal(
    encoder: Codec, decoder: Codec, which: int, edits: list[tuple[int, int]], cut: int
) -> None:
    layers = layers_of(encoder.encode(smooth_picture(20, 32), label_map(20, 32)))
    name, coder, payload = layers[which]
    changed = bytearray(payload)
    for offset, value in edits:
        changed[offset % len(changed)] = value
    layers[which] = (name, coder, bytes(changed[: max(len(changed) - cut, 0)]))
    try:
        decoded = decoder.decode(stream(decoder, (20, 32), layers))
    except DsslicError:
        return
    assert decoded.picture.shape == (20, 32, 3) and decoded.labels.max() < 12


def test_a_model_set_to_external_coders_decodes_what_others_embedded(tiny_bundle: Bundle) -> None:
    external = replace(tiny_bundle, coding={**tiny_bundle.coding, "codecs": "external"})
    labels = np.zeros((32, 32), np.uint8)
    data = Codec(external, codecs="embedded").encode(np.full((32, 32, 3), 90, np.uint8), labels)
    assert Codec(external).decode(data).picture.shape == (32, 32, 3)
