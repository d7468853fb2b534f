"""What a step takes and gives, by shape alone: no weights are drawn, no weight file is read."""

from __future__ import annotations

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from dsslic_jax.classes.table import class_table
from dsslic_jax.models.vgg import VGG19Features
from dsslic_jax.train.state import init_state
from dsslic_jax.train.tasks.coarse import TrainStep, make_train_step
from dsslic_jax.train.tasks.enhancement import init_enhancement_state, make_enhancement_step
from dsslic_jax.train.tasks.segmentation import init_segmentation_state, make_segmentation_step


def state_shapes(config: Any) -> Any:
    """The training state of a resolved `config` as a tree of jax.ShapeDtypeStruct."""
    if config.task == "segmentation":
        return jax.eval_shape(lambda: init_segmentation_state(config, draw=_traced))
    if config.task == "enhancement":
        return jax.eval_shape(lambda: init_enhancement_state(config, draw=_traced))

    def init() -> Any:
        vgg = None
        if config.losses.vgg_weight:
            picture = jax.ShapeDtypeStruct((1, 64, 64, 3), jnp.float32)
            vgg = _traced(VGG19Features(), 0, picture)["params"]
        return init_state(config, frozen=vgg, draw=_traced)

    return jax.eval_shape(init)


def _traced(module: nn.Module, seed: int, *inputs: Any, **kwargs: Any) -> Any:
    """The variables of `init_params`, as values that are only traced."""
    shapes = jax.eval_shape(lambda *a: module.init(jax.random.key(seed), *a), *inputs)
    return jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes)


def batch_shapes(config: Any, batch_size: int) -> dict[str, jax.ShapeDtypeStruct]:
    """A global batch as the input pipeline makes it."""
    size = (batch_size, *config.data.crop)
    batch = {
        "image": jax.ShapeDtypeStruct((*size, 3), jnp.uint8),
        "labels": jax.ShapeDtypeStruct(size, jnp.uint8),
    }
    if config.task == "enhancement":
        batch["decoded"] = batch["image"]
        batch["strength"] = jax.ShapeDtypeStruct((batch_size,), jnp.uint8)
    return batch


def train_step(config: Any) -> TrainStep:
    """The step that training `config` runs."""
    if config.task == "segmentation":
        return make_segmentation_step(config, class_table(config.data.classes).void_ids)
    if config.task == "enhancement":
        return make_enhancement_step(config)
    return make_train_step(config)
