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
from typing import Any

import jax
import jax.numpy as jnp
import optax

from dsslic_jax.errors import ConfigError
from dsslic_jax.models.coarse import Coarse, build_coarse_model
from dsslic_jax.models.pixels import to_network
from dsslic_jax.models.vgg import VGG19Features
from dsslic_jax.train.losses import Metrics, discriminator_loss, generator_loss
from dsslic_jax.train.recompute import recomputed
from dsslic_jax.train.state import TrainState, discriminator_model, make_optimizer

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
    generator, discriminator = build_coarse_model(config.model), discriminator_model(config)
    optimizer = make_optimizer(config)
    vgg = VGG19Features(dtype=jnp.dtype(config.precision))
    recompute = config.train.recompute
    adversary = config.losses.gan_weight > 0 or config.losses.features_weight > 0

    def vgg_features(frozen: Any, picture: jax.Array) -> list[jax.Array]:
        return recomputed(vgg.apply, recompute)({"params": frozen}, picture)

    def judge(params: Any, labels: jax.Array, made: Coarse, picture: jax.Array) -> Any:
        seen = [jax.nn.one_hot(labels, config.model.classes, dtype=picture.dtype)]
        seen += [made.upsampled] if config.discriminator.sees_compact else []
        shown = jnp.concatenate([*seen, picture], axis=-1)
        return recomputed(discriminator.apply, recompute)({"params": params}, shown)

    def train_step(state: TrainState, batch: Batch) -> tuple[TrainState, Metrics]:
        picture, labels = to_network(batch["image"]), batch["labels"].astype(jnp.int32)

        def make(params: Any) -> tuple[Coarse, Any]:
            variables = {"params": params, "batch_stats": state.batch_stats}
            return generator.apply(variables, labels, picture, train=True, mutable=["batch_stats"])

        made, pullback, measured = jax.vjp(
            recomputed(make, recompute), state.generator.params, has_aux=True
        )
        fixed = jax.lax.stop_gradient(made)

        def loss_d(params: Any) -> tuple[jax.Array, tuple[Metrics, Any]]:
            real = judge(params, labels, fixed, picture)
            loss, terms = discriminator_loss(
                real, judge(params, labels, fixed, fixed.coarse), config.losses
            )
            return loss, (terms, real)

        new_discriminator, facing = state.discriminator, state.discriminator.params
        metrics_d: Metrics = {}
        real: Any = None
        if adversary:
            gradients_d, (metrics_d, real) = jax.grad(loss_d, has_aux=True)(facing)
            metrics_d["D/gradient_norm"] = optax.tree.norm(gradients_d)
            new_discriminator = state.discriminator.updated(gradients_d, optimizer)
            if config.train.update_order == "alternating":
                facing = new_discriminator.params
                real = judge(facing, labels, fixed, picture)
        vgg_real = None
        if config.losses.vgg_weight:
            vgg_real = vgg_features(state.frozen, picture)

        def loss_g(made: Coarse) -> tuple[jax.Array, Metrics]:
            features = None
            if vgg_real is not None:
                features = (vgg_real, vgg_features(state.frozen, made.coarse))
            judged = (real, judge(facing, labels, made, made.coarse)) if adversary else None
            return generator_loss(picture, made.coarse, judged, features, config.losses)

        gradient_of_made, metrics_g = jax.grad(loss_g, has_aux=True)(made)
        (gradients_g,) = pullback(gradient_of_made)
        metrics = {
            **metrics_g,
            **metrics_d,
            # Not finite where the new weights are not, though this step's losses were.
            "G/gradient_norm": optax.tree.norm(gradients_g),
            "mse/coarse": _mean_squared_grey_levels(picture, made.coarse),
            "mse/upsampled": _mean_squared_grey_levels(picture, made.upsampled),
        }
        new_state = state.replace(
            step=state.step + 1,
            generator=state.generator.updated(gradients_g, optimizer),
            batch_stats=measured.get("batch_stats", {}),
            discriminator=new_discriminator,
        )
        return new_state, metrics

    return train_step


def _mean_squared_grey_levels(x: jax.Array, y: jax.Array) -> jax.Array:
    return jnp.mean(jnp.square(x - jnp.clip(y, -1.0, 1.0))) * 127.5**2
