"""EnhanceNet: half resolution and back, what it is told, how far it sees."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dsslic_jax.models.convolution import depth_to_space, space_to_depth
from dsslic_jax.models.enhancenet import EnhanceNet, _detail, typical_error
from dsslic_jax.models.layers import init_params

NETWORK = EnhanceNet(classes=3, width=6, blocks=2, label_width=2)
LABELS = jnp.zeros((1, 32, 32), jnp.int32)
PICTURE = jnp.asarray(np.random.default_rng(0).uniform(-1, 1, (1, 32, 32, 3)), jnp.float32)
STRENGTH = jnp.array([100.0])


@pytest.fixture(scope="module")
def variables() -> Any:
    drawn = init_params(NETWORK, 0, LABELS, PICTURE, STRENGTH)
    return jax.tree.map(lambda leaf: leaf + 0.01, drawn)  # biases and what is told, too


def run(variables: Any, labels: Any, picture: Any, strength: Any) -> np.ndarray:
    return np.asarray(jax.jit(NETWORK.apply)(variables, labels, picture, strength))


def test_four_pixels_of_three_samples_are_one_position() -> None:
    pixels = jnp.arange(2 * 4 * 6 * 3).reshape(2, 4, 6, 3)
    positions = space_to_depth(pixels)
    assert positions.shape == (2, 2, 3, 12)
    block = pixels[1, 2:4, 4:6]
    np.testing.assert_array_equal(positions[1, 1, 2], block.reshape(-1))
    np.testing.assert_array_equal(depth_to_space(positions), pixels)


def test_the_typical_error_doubles_with_every_six_steps_of_the_quantiser() -> None:
    of_quantisers = typical_error(4 * jnp.array([30.0, 36.0, 24.0]))
    np.testing.assert_allclose(of_quantisers, [0.04, 0.08, 0.02], rtol=1e-6)


def test_a_network_without_a_head_changes_nothing(variables: Any) -> None:
    silent = jax.tree_util.tree_map_with_path(
        lambda path, leaf: 0 * leaf if "head" in jax.tree_util.keystr(path) else leaf, variables
    )
    np.testing.assert_array_equal(run(silent, LABELS, PICTURE, STRENGTH), PICTURE)


def test_labels_and_strength_are_seen(variables: Any) -> None:
    made = run(variables, LABELS, PICTURE, STRENGTH)
    assert np.abs(run(variables, LABELS + 1, PICTURE, STRENGTH) - made).max() > 1e-4
    # More than its size: the correction itself is another.
    weak = np.asarray(made - PICTURE)
    strong = np.asarray(run(variables, LABELS, PICTURE, STRENGTH + 24) - PICTURE)
    some = np.abs(weak) > 1e-3
    assert some.any() and (strong[some] / weak[some]).std() > 1e-3


def test_detail_is_what_stands_out_in_typical_errors_and_nothing_on_a_flat_picture() -> None:
    flat = jnp.full((1, 16, 16, 3), 0.5)
    size = typical_error(STRENGTH)[:, None, None, None]
    np.testing.assert_allclose(_detail(flat, size), 0, atol=1e-6)
    dot = flat.at[0, 8, 8, 0].add(10 * size[0, 0, 0, 0])
    seen = np.asarray(_detail(dot, size))
    # The mean around the dot, over 5x5 positions of 2x2 pixels, holds a hundredth of it.
    assert seen[0, 8, 8, 0] == pytest.approx(np.arcsinh(10 * (1 - 1 / 100)), rel=1e-5)
    assert seen[0, 8, 9, 0] == pytest.approx(np.arcsinh(-10 / 100), rel=1e-4)
    assert not seen[..., 1:].any()


def test_a_change_reaches_no_further_than_the_radius(variables: Any) -> None:
    size = 2 * NETWORK.radius + 12
    rows = jnp.zeros((1, 8, size), jnp.int32)
    picture = jnp.zeros((1, 8, size, 3))
    positive = jax.tree.map(jnp.abs, variables)  # no ReLU stops anything
    reaches = []
    for changed in (size // 2, size // 2 + 1):
        lit = run(positive, rows, picture.at[:, :, changed].set(0.5), STRENGTH)
        difference = lit - run(positive, rows, picture, STRENGTH)
        columns = np.flatnonzero(np.abs(difference).max(axis=(0, 1, 3)))
        reaches += [changed - columns[0], columns[-1] - changed]
    assert max(reaches) == NETWORK.radius
