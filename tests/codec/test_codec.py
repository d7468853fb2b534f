"""Whole streams: what is decoded is what was encoded, and what does not fit is refused."""

from __future__ import annotations

import itertools
import tracemalloc
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dsslic_jax.bundle import Bundle
from dsslic_jax.classes import UNREGISTERED, class_table
from dsslic_jax.codec import container
from dsslic_jax.codec.codec import Codec, Decoded
from dsslic_jax.codec.labels import decode_labels
from dsslic_jax.errors import (
    CoderFailed,
    ConfigError,
    DataError,
    DsslicError,
    ModelError,
    StreamError,
)
from tests.codec.pictures import psnr_db, smooth_picture
from tests.model_fixture import coarse_part, make_bundle, segnet_part, with_weight

# Padded to 32x32 (the first two), 32x40, 40x32, 64x64 and 72x136.
SIZES = [(1, 1), (20, 32), (1, 40), (33, 17), (64, 64), (65, 130)]


@pytest.fixture(scope="module")
def encoder(tiny_bundle: Bundle) -> Codec:
    return Codec(tiny_bundle)


@pytest.fixture(scope="module")
def decoder(tiny_bundle: Bundle) -> Codec:
    """Another object, so that nothing passes from encoder to decoder but bytes."""
    return Codec(coarse_part(tiny_bundle))


def label_map(height: int, width: int) -> np.ndarray:
    blocks = np.random.default_rng(1).integers(0, 12, (height // 8 + 1, width // 8 + 1))
    return np.kron(blocks, np.ones((8, 8), int))[:height, :width].astype(np.uint8)


@dataclass
class Encoded:
    """A stream and what its encoder saw on the way."""

    data: bytes
    compact: np.ndarray
    coarse: np.ndarray


def encode(
    codec: Codec, picture: np.ndarray, label_map: np.ndarray | None = None, **chosen: Any
) -> bytes:
    return codec.encode(picture, label_map, replace(codec.settings, **chosen))


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
    with pytest.raises(ModelError, match="no coarse model"):
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


# What an encoder may choose


def test_each_residual_layer_comes_closer_and_prefixes_decode(
    encoder: Codec, decoder: Codec
) -> None:
    picture, labels = smooth_picture(64, 64), label_map(64, 64)
    data = encode(encoder, picture, labels, layers=3, quality=90.0)
    whole = decoder.decode(data)
    psnr = [psnr_db(picture, whole.coarse)]
    end = sum(container.layer_lengths(data)[name] for name in ("header", "s", "c"))
    for name in ("r1", "r2", "r3"):
        end += container.layer_lengths(data)[name]
        upto = decoder.decode(data, name)
        cut = decoder.decode(data[:end])
        assert upto.upto == cut.upto == name
        np.testing.assert_array_equal(upto.picture, cut.picture)
        psnr.append(psnr_db(picture, upto.picture))
    np.testing.assert_array_equal(upto.picture, whole.picture)
    assert all(later > before + 3 for before, later in itertools.pairwise(psnr))
    assert decoder.decode(data[: end - 1]).upto == "r2"


def test_one_quality_means_one_error_however_many_layers(encoder: Codec, decoder: Codec) -> None:
    picture, labels = smooth_picture(64, 64), label_map(64, 64)
    for residual, bits in (("min_max", 8), ("centred", 10)):
        how = {"quality": 70.0, "residual": residual, "residual_bits": bits}
        made = [decoder.decode(encode(encoder, picture, labels, layers=n, **how)) for n in (1, 3)]
        one, three = (psnr_db(picture, decoded.picture) for decoded in made)
        assert abs(one - three) < 1.5


@pytest.mark.parametrize("target", [{"target_bits_per_pixel": 4.0}, {"target_psnr_db": 33.0}])
def test_targets_are_met(target: dict[str, float], encoder: Codec, decoder: Codec) -> None:
    picture, labels = smooth_picture(96, 96), label_map(96, 96)
    data = encode(encoder, picture, labels, **target)
    if "target_psnr_db" in target:
        assert abs(psnr_db(picture, decoder.decode(data).picture) - 33.0) <= 0.1
    else:
        assert abs(8 * len(data) / 96**2 - 4.0) <= 0.08


def test_a_target_out_of_reach_is_refused_with_the_range(encoder: Codec) -> None:
    with pytest.raises(ConfigError, match=r"0.01 bits per pixel cannot be met: qualities 0 to 100"):
        encode(encoder, smooth_picture(64, 64), label_map(64, 64), target_bits_per_pixel=0.01)


def test_without_a_label_layer_the_networks_see_void(encoder: Codec, decoder: Codec) -> None:
    picture = smooth_picture(33, 17)
    data = encode(encoder, picture, labels="none")
    assert [*container.layer_lengths(data)] == ["header", "c", "r1"]
    decoded = decoder.decode(data)
    void = np.full((33, 17), 11, np.uint8)
    with_void = decoder.decode(encoder.encode(picture, void))
    np.testing.assert_array_equal(decoded.picture, with_void.picture)
    assert decoded.labels is None
    with pytest.raises(StreamError, match="without labels"):
        decode_labels(data)
    with pytest.raises(StreamError, match="no layer s"):
        decoder.decode(data, "s")


def test_labels_made_at_the_decoder_are_segnets_of_the_upsampled_compact_image(
    tiny_bundle: Bundle, encoder: Codec, decoder: Codec
) -> None:
    picture = smooth_picture(64, 40)
    data = encode(encoder, picture, label_map(64, 40), labels="decoder")
    assert "s" not in container.layer_lengths(data)
    header = container.read_header(data)
    assert header.labels_at_decoder and header.fingerprint == tiny_bundle.fingerprint_with_segnet
    other = Codec(tiny_bundle)
    decoded = other.decode(data)
    np.testing.assert_array_equal(decoded.labels, other.segment(other.upsample(decoded)))
    np.testing.assert_array_equal(
        decoded.coarse, other._predictor.predict(decoded.labels, decoded.compact)
    )
    with pytest.raises(ModelError, match="with a SegNet"):
        decoder.decode(data)
    changed = with_weight(tiny_bundle, "segnet/params/logits/bias", 1.0)
    with pytest.raises(StreamError, match="was made with model"):
        Codec(changed).decode(data)


@pytest.mark.parametrize("step", [2, 8, 64])
def test_a_coarser_compact_image_is_smaller_and_what_the_decoder_has(
    step: int, encoder: Codec, decoder: Codec
) -> None:
    picture, labels = smooth_picture(96, 64), label_map(96, 64)
    exact = decoder.decode(encoder.encode(picture, labels))
    data = encode(encoder, picture, labels, compact_step=step)
    decoded = decoder.decode(data)
    assert set(np.unique(decoded.compact)) <= {*range(0, 256, step), 255}
    assert np.abs(decoded.compact.astype(int) - exact.compact).max() <= step // 2
    lengths = (
        container.layer_lengths(data),
        container.layer_lengths(encoder.encode(picture, labels)),
    )
    assert lengths[0]["c"] < lengths[1]["c"]


def test_simpler_labels_are_what_is_coded(encoder: Codec, decoder: Codec) -> None:
    labels = label_map(64, 64)
    labels[3, 3] = 9 if labels[3, 3] != 9 else 8
    data = encode(encoder, smooth_picture(64, 64), labels, label_loss=0.001)
    np.testing.assert_array_equal(decoder.decode(data).labels, label_map(64, 64))


def test_weights_reach_the_stream_and_a_class_that_is_none_is_refused(
    encoder: Codec, decoder: Codec
) -> None:
    picture, labels = smooth_picture(64, 64), np.zeros((64, 64), np.uint8)
    labels[:, 32:] = 8  # "Car"
    plain, weighted = (
        decoder.decode(encode(encoder, picture, labels, quality=40.0, weights=weights)).picture
        for weights in ("", "car=16")
    )
    cars = np.s_[:, 48:]
    assert psnr_db(picture[cars], weighted[cars]) > psnr_db(picture[cars], plain[cars]) + 1
    with pytest.raises(ConfigError, match="with a class of camvid"):
        encode(encoder, picture, labels, weights="tiger=2")


@pytest.mark.parametrize("colour", ["ycbcr420", "rgb444"])
@pytest.mark.parametrize("bits", [8, 10])
def test_residuals_of_every_colour_and_depth_decode(
    colour: str, bits: int, encoder: Codec, decoder: Codec
) -> None:
    picture, labels = smooth_picture(33, 40), label_map(33, 40)
    data = encode(
        encoder, picture, labels, residual="centred", residual_bits=bits, residual_colour=colour,
        quality=80.0,
    )  # fmt: skip
    decoded = decoder.decode(data)
    assert psnr_db(picture, decoded.picture) > psnr_db(picture, decoded.coarse) + 3


def test_grey_and_metadata_are_in_the_header(encoder: Codec, decoder: Codec) -> None:
    grey = np.repeat(smooth_picture(20, 32)[..., :1], 3, -1)
    data = encoder.encode(grey, label_map(20, 32), grey=True, metadata={"icc": b"profile"})
    header = decoder.decode(data).header
    assert header.grey and header.metadata == {"icc": b"profile"}


def test_a_table_of_ones_own_travels_in_the_stream() -> None:
    own = replace(class_table("camvid"), name="mine", table_id=UNREGISTERED, file_ids={})
    bundle = replace(make_bundle(), classes=own)
    data = Codec(bundle).encode(smooth_picture(20, 32), label_map(20, 32))
    _, table = decode_labels(data)
    assert table == own
    registered = Codec(make_bundle()).encode(smooth_picture(20, 32), label_map(20, 32))
    assert len(registered) < len(data)


def test_another_precision_decodes_to_nearly_the_same(encoder: Codec, tiny_bundle: Bundle) -> None:
    picture, labels = smooth_picture(64, 64), label_map(64, 64)
    data = encoder.encode(picture, labels)
    exact = encoder.decode(data)
    coarse = Codec(tiny_bundle, precision="bfloat16").decode(data).coarse
    difference = np.abs(coarse.astype(int) - exact.coarse)
    assert 0 < difference.max() <= 4


def test_progress_names_the_phases_in_order(tiny_bundle: Bundle) -> None:
    told: list[str] = []
    codec = Codec(tiny_bundle, progress=lambda phase, done, total: told.append(phase))
    codec.decode(codec.encode(smooth_picture(20, 32)))
    assert told == [
        "labels", "compact image", "coarse picture", "residual",
        "coarse picture", "residual",
    ]  # fmt: skip
