"""Shapes to plan with are those of training, and nothing is drawn for them."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from configs import ade20k
from dsslic_jax.models.layers import init_params
from dsslic_jax.models.vgg import VGG19Features
from dsslic_jax.plan.shapes import state_shapes
from dsslic_jax.train.settings import resolve
from dsslic_jax.train.state import init_state
from dsslic_jax.train.tasks.segmentation import init_segmentation_state
from tests.configurations import small_compression, small_segmentation


def described(tree: Any) -> Any:
    return jax.tree.map(lambda leaf: (np.shape(leaf), jnp.result_type(leaf)), tree)


@pytest.mark.parametrize("norm", ["instance", "batch"])
def test_they_are_the_shapes_of_a_fresh_state(norm: str) -> None:
    config = small_compression()
    config.model.norm = norm
    config = resolve(config)
    assert described(state_shapes(config)) == described(init_state(config))


def test_segnet_s_too() -> None:
    config = resolve(small_segmentation())
    assert described(state_shapes(config)) == described(init_segmentation_state(config))


def test_the_poster_s_state_needs_neither_a_weight_file_nor_drawn_weights(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    picture = jax.ShapeDtypeStruct((1, 64, 64, 3), jnp.float32)
    vgg = described(init_params(VGG19Features(), 0, picture)["params"])

    def draw(*_: Any) -> None:
        raise AssertionError("weights are drawn")

    monkeypatch.setattr(np.random, "default_rng", draw)
    shapes = state_shapes(resolve(ade20k.get_config()))
    assert described(shapes.frozen) == vgg
    assert all(isinstance(leaf, jax.ShapeDtypeStruct) for leaf in jax.tree.leaves(shapes))
