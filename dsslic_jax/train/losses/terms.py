"""The loss terms of the poster and of the authors' code, each a named function (Akbari et al. 2018).

`config.losses` chooses between the two where they differ. Discriminator outputs are nested lists
[scale][layer] of [B, h, w, C], the last layer of each scale being logits. All norms are means.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp

from dsslic_jax.errors import ConfigError
from dsslic_jax.models.coarse import Coarse
from dsslic_jax.train.losses.ssim import ssim

Features = Sequence[Sequence[jax.Array]]
Metrics = dict[str, jax.Array]
VGG_LAYER_WEIGHTS = {
    "poster": (1.0, 1.0, 1.0, 1.0, 1.0),
    "reference": (1 / 32, 1 / 16, 1 / 8, 1 / 4, 1.0),
}


def mean_absolute(x: jax.Array, y: jax.Array) -> jax.Array:
    """|x - y|_1 as a mean over elements, in float32. Raises ValueError where shapes differ."""
    if x.shape != y.shape:
        raise ValueError(f"shapes differ: {x.shape} and {y.shape}")
    return jnp.mean(jnp.abs(x.astype(jnp.float32) - y.astype(jnp.float32)))


def _summed(terms: Sequence[jax.Array]) -> jax.Array:
    return jnp.sum(jnp.stack(terms))


def adversarial(outputs: Features, real: bool, choice: str) -> jax.Array:
    """-Σ_d log D_d, or -Σ_d log(1 - D_d) for `real` false ("log"); Σ_d (D_d - target)² ("least_squares")."""
    logits = [scale[-1].astype(jnp.float32) for scale in outputs]
    if choice == "log":
        sign = -1.0 if real else 1.0  # -log sigmoid(l) = softplus(-l)
        return _summed([jnp.mean(jax.nn.softplus(sign * logit)) for logit in logits])
    if choice == "least_squares":
        return _summed([jnp.mean(jnp.square(logit - float(real))) for logit in logits])
    raise ConfigError(f'losses.gan must be "log" or "least_squares", not {choice!r}')


def feature_distance(real: Features, fake: Features, choice: str) -> jax.Array:
    """L_DIS / λ: Σ_d Σ_i mean |D_d^i(real) - D_d^i(fake)|.

    "poster" sums every layer; "reference" leaves the logits out and weighs each of the rest by
    4 / (layers + 1) / scales, `layers` not counting the logits and the one before them.
    """
    if choice == "poster":
        return _summed(
            [
                mean_absolute(r, f)
                for a, b in zip(real, fake, strict=True)
                for r, f in zip(a, b, strict=True)
            ]
        )
    if choice == "reference":
        weight = 4.0 / (len(fake[0]) - 1) / len(fake)
        terms = [
            mean_absolute(r, f)
            for a, b in zip(real, fake, strict=True)
            for r, f in zip(a[:-1], b[:-1], strict=True)
        ]
        return weight * _summed(terms)
    raise ConfigError(f'losses.features must be "poster" or "reference", not {choice!r}')


def negative_ssim(x: jax.Array, y: jax.Array, choice: str) -> jax.Array:
    """L_SSIM of pictures in [-1, 1]: "poster" maps them to [0, 1] first, "reference" takes them as they are."""
    if choice == "poster":
        return -ssim((x + 1.0) / 2.0, (y + 1.0) / 2.0)
    if choice == "reference":
        return -ssim(x, y)
    raise ConfigError(f'losses.ssim must be "poster" or "reference", not {choice!r}')


def vgg_distance(real: Sequence[jax.Array], fake: Sequence[jax.Array], choice: str) -> jax.Array:
    """L_VGG / λ: Σ_j w_j mean |V^j(x) - V^j(x')|, w_j = 1 ("poster") or 1/32 … 1 ("reference")."""
    weights = VGG_LAYER_WEIGHTS[choice]
    return _summed([w * mean_absolute(r, f) for w, r, f in zip(weights, real, fake, strict=True)])


def compact_bits_per_pixel(compact: jax.Array, picture: jax.Array) -> jax.Array:
    """About what c [B, h, w, 3] takes without loss, in bits for each pixel of the picture [B, H, W, 3].

    log2(1 + 2e |d|) bits a sample, where d is its difference in grey levels from the mean of the upper and the left
    one: the entropy of a Laplacian of mean absolute value |d|, bent to 0 at 0. Real coders take some tenths less.
    """
    levels = 127.5 * compact
    predicted = (levels[:, :-1, 1:] + levels[:, 1:, :-1]) / 2.0
    bits = jnp.log2(1.0 + 2.0 * jnp.e * jnp.abs(levels[:, 1:, 1:] - predicted))
    return jnp.mean(bits) * compact.size / (picture.size / picture.shape[-1])


def discriminator_loss(real: Features, fake: Features, losses: Any) -> tuple[jax.Array, Metrics]:
    """L_D: the sum of both sides, halved in the reference's least-squares form."""
    terms = {
        "D/real": adversarial(real, True, losses.gan),
        "D/fake": adversarial(fake, False, losses.gan),
    }
    scale = 0.5 if losses.gan == "least_squares" else 1.0
    total = scale * (terms["D/real"] + terms["D/fake"])
    return total, {**terms, "D/total": total}


def generator_loss(
    picture: jax.Array,
    made: Coarse,
    judged: tuple[Features, Features] | None,
    vgg: tuple[Sequence[jax.Array], Sequence[jax.Array]] | None,
    losses: Any,
) -> tuple[jax.Array, Metrics]:
    """L_G = GAN + L1 + L_SSIM + L_DIS (+ L_VGG) (+ squared error) (+ rate of c), each weighted as it enters the sum.

    picture x is float [B, H, W, 3] in [-1, 1]; `judged` are the discriminator's outputs for x and x', `vgg` their VGG
    features, either None to leave its terms out.
    """
    coarse = made.coarse
    terms = {
        "G/l1": losses.l1_weight * mean_absolute(picture, coarse),
        "G/ssim": losses.ssim_weight * negative_ssim(picture, coarse, losses.ssim),
    }
    if losses.mse_weight:
        terms["G/mse"] = losses.mse_weight * jnp.mean(jnp.square(picture - coarse))
    if losses.compact_rate_weight:
        rate = compact_bits_per_pixel(made.compact, picture)
        terms["G/compact_rate"] = losses.compact_rate_weight * rate
    if judged is not None:
        real, fake = judged
        terms["G/gan"] = losses.gan_weight * adversarial(fake, True, losses.gan)
        terms["G/dis"] = losses.features_weight * feature_distance(real, fake, losses.features)
    if vgg is not None:
        terms["G/vgg"] = losses.vgg_weight * vgg_distance(*vgg, losses.vgg_layers)
    total = _summed(list(terms.values()))
    return total, {**terms, "G/total": total}
