"""One training step of the compression networks, as a pure function.

    batch ──► c = CompNet(s, x) ──► x' = up(c) + FineNet(s, up(c))
      discriminator gradients: x | stop_gradient(x')
      generator gradients:     adversarial + features + L1 + SSIM (+ VGG), back through CompNet

`alternating` (poster) updates the discriminator first and lets the generator face the new one; `simultaneous`
(the authors' code) takes both gradients from the same old weights. The two are different algorithms. Without
adversarial and feature terms the discriminator is neither run nor changed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from dsslic_jax.errors import ConfigError
from dsslic_jax.models.coarse import Coarse, build_coarse_model
from dsslic_jax.models.pixels import to_network
from dsslic_jax.models.vgg import VGG19Features
from dsslic_jax.train.devices.rematerialisation import recomputed
from dsslic_jax.train.losses.terms import Metrics, discriminator_loss, generator_loss
from dsslic_jax.train.state import (
    NetworkState,
    TrainState,
    discriminator_model,
    make_optimizer,
)

Batch = Mapping[str, jax.Array]
TrainStep = Callable[[Any, Batch], tuple[Any, Metrics]]


def make_train_step(config: Any) -> TrainStep:
    """`train_step(state, batch) -> (state, metrics)` for `config`.

    batch: image uint8 [B, H, W, 3] (or float in [-1, 1]) and labels int [B, H, W]. Metrics are scalars, each
    loss term by name, plus the mean squared errors of x' and of up(c) in grey levels squared.
    """
    if config.train.update_order not in ("alternating", "simultaneous"):
        raise ConfigError(
            f'train.update_order must be "alternating" or "simultaneous", not {config.train.update_order!r}'
        )
    generator, optimizer = build_coarse_model(config.model), make_optimizer(config)
    vgg = VGG19Features(dtype=jnp.dtype(config.precision))
    recompute = config.train.recompute
    judge = _make_judge(config)
    adversary = config.losses.gan_weight > 0 or config.losses.features_weight > 0
    discriminators_turn = _make_discriminators_turn(config, judge) if adversary else None

    def vgg_features(frozen: Any, picture: jax.Array) -> list[jax.Array]:
        return recomputed(vgg.apply, recompute)({"params": frozen}, picture)

    def train_step(state: TrainState, batch: Batch) -> tuple[TrainState, Metrics]:
        picture, labels = to_network(batch["image"]), batch["labels"].astype(jnp.int32)

        def make(params: Any) -> tuple[Coarse, Any]:
            variables = {"params": params, "batch_stats": state.batch_stats}
            return generator.apply(variables, labels, picture, train=True, mutable=["batch_stats"])

        made, pullback, measured = jax.vjp(
            recomputed(make, recompute), state.generator.params, has_aux=True
        )
        turn = None
        if discriminators_turn is not None:
            fixed = jax.lax.stop_gradient(made)
            turn = discriminators_turn(state.discriminator, labels, fixed, picture)
        vgg_real = None
        if config.losses.vgg_weight:
            vgg_real = vgg_features(state.frozen, picture)

        def loss(made: Coarse) -> tuple[jax.Array, Metrics]:
            features, judged = None, None
            if vgg_real is not None:
                features = (vgg_real, vgg_features(state.frozen, made.coarse))
            if turn is not None:
                judged = (turn.real, judge(turn.facing, labels, made, made.coarse))
            return generator_loss(picture, made, judged, features, config.losses)

        gradient_of_made, metrics = jax.grad(loss, has_aux=True)(made)
        (gradients,) = pullback(gradient_of_made)
        if turn is not None:
            metrics |= turn.metrics
        # Not finite where the new weights are not, though this step's losses were.
        metrics["G/gradient_norm"] = optax.tree.norm(gradients)
        metrics["mse/coarse"] = _mean_squared_grey_levels(picture, made.coarse)
        metrics["mse/upsampled"] = _mean_squared_grey_levels(picture, made.upsampled)
        new_state = state.replace(
            step=state.step + 1,
            generator=state.generator.updated(gradients, optimizer),
            batch_stats=measured.get("batch_stats", {}),
            discriminator=state.discriminator if turn is None else turn.discriminator,
        )
        return new_state, metrics

    return train_step


def _make_judge(config: Any) -> Callable[[Any, jax.Array, Coarse, jax.Array], Any]:
    """`judge(params, labels, made, picture)`: every scale's features and logits, of x or of x'."""
    discriminator = discriminator_model(config)

    def judge(params: Any, labels: jax.Array, made: Coarse, picture: jax.Array) -> Any:
        seen = [jax.nn.one_hot(labels, config.model.classes, dtype=picture.dtype)]
        seen += [made.upsampled] if config.discriminator.sees_compact else []
        shown = jnp.concatenate([*seen, picture], axis=-1)
        return recomputed(discriminator.apply, config.train.recompute)({"params": params}, shown)

    return judge


class _Turn(NamedTuple):
    discriminator: NetworkState
    facing: Any  # the weights that the generator faces
    real: Any  # what they make of x
    metrics: Metrics


def _make_discriminators_turn(config: Any, judge: Callable[..., Any]) -> Callable[..., _Turn]:
    """`turn(discriminator, labels, fixed, picture)`; of `fixed` no gradient is taken."""
    optimizer = make_optimizer(config)

    def turn(
        discriminator: NetworkState, labels: jax.Array, fixed: Coarse, picture: jax.Array
    ) -> _Turn:
        def loss(params: Any) -> tuple[jax.Array, tuple[Metrics, Any]]:
            real = judge(params, labels, fixed, picture)
            made = judge(params, labels, fixed, fixed.coarse)
            total, terms = discriminator_loss(real, made, config.losses)
            return total, (terms, real)

        facing = discriminator.params
        gradients, (metrics, real) = jax.grad(loss, has_aux=True)(facing)
        metrics["D/gradient_norm"] = optax.tree.norm(gradients)
        updated = discriminator.updated(gradients, optimizer)
        if config.train.update_order == "alternating":
            facing = updated.params
            real = judge(facing, labels, fixed, picture)
        return _Turn(updated, facing, real, metrics)

    return turn


def _mean_squared_grey_levels(x: jax.Array, y: jax.Array) -> jax.Array:
    return jnp.mean(jnp.square(x - jnp.clip(y, -1.0, 1.0))) * 127.5**2
