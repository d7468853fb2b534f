"""Colours against Pillow and JFIF's printed matrix, and models that work in YCbCr."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from dsslic_jax.models.coarse import CoarseModel
from dsslic_jax.models.layers import init_params
from dsslic_jax.models.pixels import from_rgb, to_network, to_rgb

RNG = np.random.default_rng(8)
# JFIF 1.02: rows Y, Cb, Cr of columns R, G, B.
JFIF = np.array([[0.299, 0.587, 0.114], [-0.1687, -0.3313, 0.5], [0.5, -0.4187, -0.0813]])
MIDDLE = np.array([127.5, 128, 128])  # grey levels of 0


def test_ycbcr_is_pillow_s_within_rounding() -> None:
    pixels = RNG.integers(0, 256, (64, 64, 3), np.uint8)
    planes = from_rgb(to_network(jnp.asarray(pixels)), "ycbcr")
    theirs = np.asarray(Image.fromarray(pixels).convert("YCbCr"), np.float64)
    assert np.abs(planes * 127.5 + MIDDLE - theirs).max() < 1.01


def test_rgb_is_pillow_s_within_rounding() -> None:
    # Colours of a narrow range: Pillow clips what RGB cannot show.
    stored = RNG.integers(100, 156, (64, 64, 3), np.uint8)
    pixels = to_rgb(jnp.asarray((stored - MIDDLE) / 127.5), "ycbcr") * 127.5 + 127.5
    theirs = np.asarray(Image.fromarray(stored, "YCbCr").convert("RGB"), np.float64)
    assert np.abs(pixels - theirs).max() < 1.01


def test_every_plane_spans_minus_one_to_one_and_grey_has_no_chroma() -> None:
    corners = np.array(list(np.ndindex(2, 2, 2))) * 2.0 - 1.0
    planes = np.asarray(from_rgb(jnp.asarray(corners), "ycbcr"))
    np.testing.assert_allclose(planes.min(0), -1, atol=1e-6)
    np.testing.assert_allclose(planes.max(0), 1, atol=1e-6)
    greys = jnp.linspace(-1, 1, 7)[:, None] * jnp.ones(3)
    expected = np.stack([greys[:, 0], np.zeros(7), np.zeros(7)], axis=-1)
    np.testing.assert_allclose(from_rgb(greys, "ycbcr"), expected, atol=1e-6)


def test_going_back_is_the_inverse_and_rgb_stays_as_it_is() -> None:
    picture = jnp.asarray(RNG.uniform(-1, 1, (2, 5, 4, 3)), jnp.float32)
    np.testing.assert_allclose(to_rgb(from_rgb(picture, "ycbcr"), "ycbcr"), picture, atol=1e-6)
    np.testing.assert_array_equal(to_rgb(from_rgb(picture, "rgb"), "rgb"), picture)


def test_an_unknown_colour_is_refused() -> None:
    for convert in (from_rgb, to_rgb):
        with pytest.raises(ValueError, match="yuv"):
            convert(jnp.zeros(3), "yuv")


def model_of(colour: str) -> CoarseModel:
    return CoarseModel(
        3, compnet_width=4, finenet_width=4, finenet_blocks=1, compact="average", colour=colour
    )


def test_a_model_in_ycbcr_is_one_in_rgb_between_two_conversions() -> None:
    labels = jnp.asarray(RNG.integers(0, 3, (1, 32, 40)))
    picture = RNG.uniform(-1, 1, (1, 32, 40, 3)).astype(np.float32)
    variables = init_params(model_of("rgb"), 0, labels, jnp.asarray(picture))
    made = jax.jit(model_of("ycbcr").apply)(variables, labels, picture)
    planes = jnp.asarray(picture @ JFIF.T, jnp.float32)
    expected = jax.jit(model_of("rgb").apply)(variables, labels, planes)
    one_level = 1.01 / 127.5  # rounding c may fall the other way
    np.testing.assert_allclose(made.compact, expected.compact, atol=one_level)
    for ours, theirs in ((made.upsampled, expected.upsampled), (made.coarse, expected.coarse)):
        np.testing.assert_allclose(ours, theirs @ np.linalg.inv(JFIF).T, atol=3 * one_level)


def test_a_red_picture_comes_back_red_from_planes_that_an_8_bit_file_can_hold() -> None:
    model = model_of("ycbcr")
    labels = jnp.zeros((1, 32, 32), jnp.int32)
    red = to_network(jnp.full((1, 32, 32, 3), jnp.array([200, 60, 40], jnp.uint8)))
    variables = init_params(model, 0, labels, red)
    for network in variables["params"].values():
        network["head"]["kernel"] = np.zeros_like(network["head"]["kernel"])
    made = jax.jit(model.apply)(variables, labels, red)
    levels = np.asarray(made.compact[0, 0, 0]) * 127.5 + 127.5
    # Y 99.58; Cb (40 - Y) / 1.772 = -33.62 and Cr (200 - Y) / 1.402 = 71.63, around 127.5.
    np.testing.assert_allclose(levels, [100, 94, 199], atol=0.01)
    np.testing.assert_allclose(made.coarse, red, atol=2 / 127.5)
    np.testing.assert_array_equal(made.coarse, made.upsampled)
    np.testing.assert_array_equal(
        model.apply(variables, made.compact, method="upsample"), made.upsampled
    )
