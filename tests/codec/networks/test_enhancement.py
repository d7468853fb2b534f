"""A network that makes decoded pictures better: run where it helps, on both sides, and asked for by name."""

import numpy as np
import pytest
from scipy.ndimage import uniform_filter

from dsslic_jax.bundle.model import Bundle
from dsslic_jax.codec.codec import Codec
from dsslic_jax.codec.layers.labels import decode_labels
from dsslic_jax.codec.layers.residual import Opening, read_opening, with_strength
from dsslic_jax.codec.stream import container
from dsslic_jax.errors import StreamError
from tests.codec.pictures import smooth_picture
from tests.codec.streams import encode, label_map
from tests.model_fixture import coarse_part


class Fake:
    """Remembers what it was given; mixes a blurred picture in, or turns the picture to its negative."""

    def __init__(self, harms: bool = False) -> None:
        self.harms = harms
        self.given: list[tuple[np.ndarray, np.ndarray | None, int]] = []

    def __call__(self, picture: np.ndarray, labels: np.ndarray | None, strength: int) -> np.ndarray:
        self.given.append((picture, labels, strength))
        if self.harms:
            return 255 - picture
        blurred = uniform_filter(picture.astype(np.float32), (5, 5, 1), mode="nearest")
        return np.round(picture + strength / 255 * (blurred - picture)).astype(np.uint8)


def flat(height: int, width: int) -> np.ndarray:
    """A picture that blurring leaves as it is, so that blurring a coded one takes errors away."""
    rows, columns = np.indices((height, width))
    return np.stack([rows + columns, 200 - rows, 90 + columns // 2], -1).astype(np.uint8)


def codecs(bundle: Bundle, enhancer: Fake) -> tuple[Codec, Codec]:
    """An encoder, and a decoder with the same kind of network."""
    decoder = Codec(coarse_part(bundle), enhancer=Fake(enhancer.harms))
    return Codec(bundle, enhancer=enhancer), decoder


def openings(data: bytes) -> list[Opening]:
    layers = container.read_layers(data, container.read_header(data))
    return [read_opening(payload)[0] for name, payload in layers.items() if name[0] == "r"]


@pytest.mark.parametrize(
    ("opening", "packed"),
    [
        (Opening("min_max"), b"\0"),
        (Opening("centred", weighted=True, tiled=True), b"\x31"),
        (Opening("centred", prediction_gain=0.5), b"\x81\x08"),
        (Opening("min_max", strength=204), b"\x40\xcc"),
        (Opening("centred", True, False, 1 / 16, 1), b"\xd1\x01\x01"),
    ],
)
def test_a_layer_opens_with_the_documented_bytes(opening: Opening, packed: bytes) -> None:
    assert opening.pack() == packed
    assert read_opening(packed + b"rest") == (opening, len(packed))
    flagged, position = read_opening(with_strength(packed + b"rest", 77))
    assert flagged.strength == 77 and position == len(packed) + (opening.strength is None)


@pytest.mark.parametrize("size", [(1, 1), (7, 5), (33, 50)])
@pytest.mark.parametrize("layers", [1, 2])
def test_encoder_and_decoder_enhance_the_same_pictures(
    layers: int, size: tuple[int, int], tiny_bundle: Bundle
) -> None:
    encoder, decoder = codecs(tiny_bundle, Fake())
    picture, labels = flat(*size), label_map(*size)
    data = encode(encoder, picture, labels, quality=30.0, layers=layers, prediction_gain=0.5)
    assert decoder.decode(data).complete
    strengths = [opening.strength for opening in openings(data)]
    assert strengths[-1] in (None, 143)  # 4 * 35.7
    assert any(strengths) or size != (33, 50)
    tried = encoder.enhancer.given
    used = [given for given, strength in zip(tried, strengths, strict=True) if strength]
    for expected, given in zip(used, decoder.enhancer.given, strict=True):
        np.testing.assert_array_equal(given[0], expected[0])
        np.testing.assert_array_equal(given[1], labels)
        assert given[2] == expected[2]


def test_it_is_used_where_it_lowers_the_error(tiny_bundle: Bundle) -> None:
    encoder, decoder = codecs(tiny_bundle, Fake())
    picture, labels = flat(64, 64), label_map(64, 64)
    data = encode(encoder, picture, labels, quality=20.0)
    plain = encode(encoder, picture, labels, quality=20.0, enhance="off")
    assert openings(data)[0].strength == 163 and openings(plain)[0].strength is None
    assert len(data) == len(plain) + 1
    errors = [
        np.mean((picture - decoder.decode(each).picture.astype(float)) ** 2)
        for each in (data, plain)
    ]
    assert errors[0] < errors[1]
    np.testing.assert_array_equal(
        decoder.decode(data).picture,
        Fake()(decoder.decode(plain).picture, labels, 163),
    )


@pytest.mark.parametrize("how", [{}, {"layers": 3, "labels": "none"}])
def test_it_is_left_off_where_it_harms(how: dict[str, object], tiny_bundle: Bundle) -> None:
    encoder, _ = codecs(tiny_bundle, Fake(harms=True))
    picture, labels = smooth_picture(33, 50), label_map(33, 50)
    data = encode(encoder, picture, labels, **how)
    assert len(encoder.enhancer.given) == how.get("layers", 1)
    assert data == encode(encoder, picture, labels, enhance="off", **how)
    assert Codec(tiny_bundle).decode(data).complete


def test_without_labels_it_gets_none(tiny_bundle: Bundle) -> None:
    encoder, decoder = codecs(tiny_bundle, Fake())
    decoder.decode(encode(encoder, flat(64, 64), labels="none", quality=20.0))
    for ((_, labels, _),) in (encoder.enhancer.given, decoder.enhancer.given):
        assert labels is None


def test_targets_are_met_by_enhanced_pictures(tiny_bundle: Bundle) -> None:
    encoder, decoder = codecs(tiny_bundle, Fake())
    data = encode(encoder, flat(64, 64), label_map(64, 64), target_psnr_db=32.0)
    error = np.mean((flat(64, 64) - decoder.decode(data).picture.astype(float)) ** 2)
    assert openings(data)[0].strength
    assert abs(10 * np.log10(255**2 / error) - 32.0) <= 0.1


def test_a_model_without_the_network_says_so_and_decodes_what_comes_before(
    tiny_bundle: Bundle, decoder: Codec
) -> None:
    encoder, _ = codecs(tiny_bundle, Fake())
    labels = label_map(64, 64)
    data = encode(encoder, flat(64, 64), labels, quality=20.0)
    with pytest.raises(StreamError, match="a network that this model does not have"):
        decoder.decode(data)
    assert decoder.decode(data, "c").coarse is not None
    np.testing.assert_array_equal(decode_labels(data)[0], labels)
