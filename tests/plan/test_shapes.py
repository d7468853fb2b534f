"""Shapes to plan with are those of training, and nothing is drawn for them."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dsslic_jax.configs import ade20k
from dsslic_jax.models.layers import init_params
from dsslic_jax.models.vgg import VGG19Features
from dsslic_jax.plan.planning import state_shapes
from dsslic_jax.train.tasks.registry import make_task
from tests.configurations import small_compression, small_segmentation


def described(tree: Any) -> Any:
    return jax.tree.map(lambda leaf: (np.shape(leaf), jnp.result_type(leaf)), tree)


@pytest.mark.parametrize("norm", ["instance", "batch"])
def test_they_are_the_shapes_of_a_fresh_state(norm: str) -> None:
    config = small_compression()
    config.model.norm = norm
    task = make_task(config)
    assert described(state_shapes(task)) == described(task.first_state())


def test_segnet_s_too() -> None:
    task = make_task(small_segmentation(ema_decay=0.9))
    assert described(state_shapes(task)) == described(task.first_state())


def test_the_poster_s_state_needs_neither_a_weight_file_nor_drawn_weights(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    picture = jax.ShapeDtypeStruct((1, 64, 64, 3), jnp.float32)
    vgg = described(init_params(VGG19Features(), 0, picture)["params"])

    def draw(*_: Any) -> None:
        raise AssertionError("weights are drawn")

    monkeypatch.setattr(np.random, "default_rng", draw)
    shapes = state_shapes(make_task(ade20k.get_config()))
    assert described(shapes.frozen) == vgg
    assert all(isinstance(leaf, jax.ShapeDtypeStruct) for leaf in jax.tree.leaves(shapes))
