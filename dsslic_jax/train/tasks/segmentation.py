"""SegNet's own training: cross entropy on labelled pixels, main head plus a weighted auxiliary head."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax

from dsslic_jax.models.layers import he_std, init_params
from dsslic_jax.models.pixels import to_network
from dsslic_jax.models.segnet import SegNetOutput, build_segnet, full_size, to_labels
from dsslic_jax.train.devices.rematerialisation import recomputed
from dsslic_jax.train.losses.terms import Metrics
from dsslic_jax.train.state import NetworkState, init_network_state, make_optimizer
from dsslic_jax.train.tasks.coarse import Batch, TrainStep


def init_segmentation_state(config: Any, draw: Callable[..., Any] = init_params) -> NetworkState:
    """A fresh state on the host, the same for every device and process; `draw` as for `init_state`."""
    picture = jax.ShapeDtypeStruct((1, 64, 64, 3), jnp.float32)
    variables = draw(build_segnet(config.model), config.seed, picture, kernel_std=he_std)
    return init_network_state(config, "segnet", variables)


def cross_entropy(logits: jax.Array, labels: jax.Array, labelled: jax.Array) -> jax.Array:
    """Mean over labelled pixels of -log softmax(up(logits))[label]; logits [B, H/8, W/8, K]."""
    losses = optax.softmax_cross_entropy_with_integer_labels(full_size(logits), labels)
    return jnp.sum(losses * labelled) / jnp.maximum(jnp.sum(labelled), 1.0)


def make_segmentation_step(config: Any, void_ids: tuple[int, ...]) -> TrainStep:
    """`train_step(state, batch)`; batch as for compression. Void pixels enter neither loss nor accuracy."""
    model, optimizer = build_segnet(config.model), make_optimizer(config)

    def train_step(state: NetworkState, batch: Batch) -> tuple[NetworkState, Metrics]:
        picture, labels = to_network(batch["image"]), batch["labels"].astype(jnp.int32)
        labelled = jnp.ones(labels.shape, jnp.float32)
        for void in void_ids:
            labelled *= labels != void

        def segment(params: Any) -> tuple[SegNetOutput, Any]:
            variables = {**state.variables, "params": params}
            return model.apply(variables, picture, train=True, mutable=["batch_stats"])

        def loss(params: Any) -> tuple[jax.Array, tuple[Metrics, Any]]:
            output, changed = recomputed(segment, config.train.recompute)(params)
            main = cross_entropy(output.logits, labels, labelled)
            auxiliary = cross_entropy(output.auxiliary, labels, labelled)
            total = main + config.losses.auxiliary_weight * auxiliary
            hits = (to_labels(output.logits, void_ids) == labels) * labelled
            accuracy = jnp.sum(hits) / jnp.maximum(jnp.sum(labelled), 1.0)
            terms = {"S/main": main, "S/auxiliary": auxiliary, "S/total": total}
            return total, ({**terms, "pixel_accuracy": accuracy}, changed)

        gradients, (metrics, changed) = jax.grad(loss, has_aux=True)(state.params)
        stats = changed.get("batch_stats", state.batch_stats)
        new_state = state.updated(gradients, optimizer).replace(batch_stats=stats)
        metrics["S/gradient_norm"] = optax.tree.norm(gradients)
        return new_state, metrics

    return train_step
