"""EnhanceNet's training: decoded pictures towards those that were coded, by their squared error."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax

from dsslic_jax.models.enhancenet import EnhanceNet, build_enhancenet, typical_error
from dsslic_jax.models.layers import he_std, init_params
from dsslic_jax.models.pixels import to_network
from dsslic_jax.train.devices.rematerialisation import recomputed
from dsslic_jax.train.losses.terms import Metrics
from dsslic_jax.train.state import NetworkState, init_network_state, make_optimizer
from dsslic_jax.train.tasks.coarse import Batch, TrainStep

MAX_GRADIENT_NORM = 1.0
_LEAST_ERROR = 1e-7  # of a picture that came back as it was


def init_enhancement_state(config: Any, draw: Callable[..., Any] = init_params) -> NetworkState:
    """A fresh state on the host, the same for every device and process; `draw` as for `init_state`."""
    picture = jax.ShapeDtypeStruct((1, 64, 64, 3), jnp.float32)
    labels = jax.ShapeDtypeStruct((1, 64, 64), jnp.int32)
    strength = jax.ShapeDtypeStruct((1,), jnp.float32)
    inputs = (labels, picture, strength)
    network = build_enhancenet(config.enhancenet)
    variables = draw(network, config.seed, *inputs, kernel_std=he_std, silent=network.silent)
    return init_network_state(config, "enhancenet", variables)


def enhanced(model: EnhanceNet, variables: Any, batch: Batch) -> jax.Array:
    """What the network makes of a batch, float32 [B, H, W, 3]."""
    labels, decoded = batch["labels"].astype(jnp.int32), to_network(batch["decoded"])
    return model.apply(variables, labels, decoded, batch["strength"].astype(jnp.float32))


def make_enhancement_step(config: Any) -> TrainStep:
    """`train_step(state, batch)`.

    Batch: image and decoded uint8 [B, H, W, 3], labels uint8 [B, H, W], strength uint8 [B]. The loss is the mean
    squared error over that typical of the strength, so that coarse and fine pictures count alike; "E/log_ratio" is the
    mean of log(error after / error before), -0.1 saying a tenth less.
    """
    model, optimizer = build_enhancenet(config.enhancenet), make_optimizer(config)
    clip = optax.clip_by_global_norm(MAX_GRADIENT_NORM)

    def train_step(state: NetworkState, batch: Batch) -> tuple[NetworkState, Metrics]:
        picture = to_network(batch["image"])
        before = jnp.mean(jnp.square(to_network(batch["decoded"]) - picture), (1, 2, 3))
        typical = jnp.square(typical_error(batch["strength"].astype(jnp.float32)))

        def loss(params: Any) -> tuple[jax.Array, jax.Array]:
            run = recomputed(
                lambda p: enhanced(model, {"params": p}, batch), config.train.recompute
            )
            after = jnp.mean(jnp.square(run(params) - picture), (1, 2, 3))
            return jnp.mean(after / typical), after

        (total, after), gradients = jax.value_and_grad(loss, has_aux=True)(state.params)
        clipped, _ = clip.update(gradients, optax.EmptyState())
        ratio = jnp.log(jnp.maximum(after, _LEAST_ERROR) / jnp.maximum(before, _LEAST_ERROR))
        metrics = {
            "E/total": total,
            "E/before": jnp.mean(before / typical),
            "E/log_ratio": jnp.mean(ratio),
            "E/gradient_norm": optax.tree.norm(gradients),
        }
        return state.updated(clipped, optimizer), metrics

    return train_step
