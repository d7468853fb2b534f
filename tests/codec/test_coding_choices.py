"""What an encoder may choose: layers, targets, labels, compact step, weights, colours, precision."""

import itertools
from dataclasses import replace

import numpy as np
import pytest

from dsslic_jax.bundle.model import Bundle
from dsslic_jax.classes.table import UNREGISTERED, class_table
from dsslic_jax.codec.codec import Codec
from dsslic_jax.codec.label_scale import coarse_labels, repeated
from dsslic_jax.codec.layers.labels import decode_labels
from dsslic_jax.codec.stream import container
from dsslic_jax.errors import (
    ConfigError,
    ModelError,
    StreamError,
)
from tests.codec.pictures import psnr_db, smooth_picture
from tests.codec.streams import encode, label_map
from tests.model_fixture import make_bundle, with_weight


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
    with pytest.raises(ModelError, match="has no SegNet"):
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


@pytest.mark.parametrize("size", [(1, 1), (7, 5), (33, 50)])
def test_networks_see_coarse_labels_as_the_decoder_has_them(
    size: tuple[int, int], encoder: Codec, decoder: Codec
) -> None:
    picture, labels = smooth_picture(*size), label_map(*size)
    labels[:, ::3] = 8
    data = encode(encoder, picture, labels, label_scale=4, weights="car=8", label_loss=0.01)
    decoded = decoder.decode(data)
    assert decoded.header.label_scale == 4
    assert decoded.labels.shape == size and decoded.labels.max() < 12
    blocks = repeated(coarse_labels(decoded.labels, 4), 4, *size)
    np.testing.assert_array_equal(decoded.labels, blocks)
    # The same map sent whole gives the same pictures.
    whole = encode(encoder, picture, decoded.labels, weights="car=8")
    for part in ("compact", "coarse", "picture"):
        np.testing.assert_array_equal(getattr(decoded, part), getattr(decoder.decode(whole), part))


def test_simplifying_is_of_the_coarse_map(encoder: Codec, decoder: Codec) -> None:
    labels = np.zeros((64, 64), np.uint8)
    labels[8:16, 8:16] = 3  # one of 64 samples of the coarse map, a 64th of the pixels
    picture = smooth_picture(64, 64)
    for loss, kept in ((0.015, 64), (0.016, 0)):
        data = encode(encoder, picture, labels, label_scale=8, label_loss=loss)
        assert (decoder.decode(data).labels == 3).sum() == kept


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
