"""Terms that compare x with x' sample by sample or window by window, and the one that trains c for its rate."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp

from dsslic_jax.settings.fields import setting
from dsslic_jax.train.losses.ssim import ssim
from dsslic_jax.train.losses.terms import Seen, Term, register_term


def mean_absolute(x: jax.Array, y: jax.Array) -> jax.Array:
    """|x - y|_1 as a mean over elements, in float32. Raises ValueError where shapes differ."""
    if x.shape != y.shape:
        raise ValueError(f"shapes differ: {x.shape} and {y.shape}")
    return jnp.mean(jnp.abs(x.astype(jnp.float32) - y.astype(jnp.float32)))


def negative_ssim(x: jax.Array, y: jax.Array, choice: str) -> jax.Array:
    """L_SSIM of pictures in [-1, 1]: "poster" maps them to [0, 1] first, "reference" takes them as they are."""
    if choice == "poster":
        return -ssim((x + 1.0) / 2.0, (y + 1.0) / 2.0)
    return -ssim(x, y)


def compact_bits_per_pixel(compact: jax.Array, picture: jax.Array) -> jax.Array:
    """About what c [B, h, w, 3] takes without loss, in bits for each pixel of the picture [B, H, W, 3].

    log2(1 + 2e |d|) bits a sample, where d is its difference in grey levels from the mean of the upper and the left
    one: the entropy of a Laplacian of mean absolute value |d|, bent to 0 at 0. Real coders take some tenths less.
    """
    levels = 127.5 * compact
    predicted = (levels[:, :-1, 1:] + levels[:, 1:, :-1]) / 2.0
    bits = jnp.log2(1.0 + 2.0 * jnp.e * jnp.abs(levels[:, 1:, 1:] - predicted))
    return jnp.mean(bits) * compact.size / (picture.size / picture.shape[-1])


@register_term
@dataclass(frozen=True)
class L1(Term):
    """Mean absolute error, |x - x'|_1."""

    name = "G/l1"
    weight_name = "l1_weight"

    l1_weight: float = setting(
        20.0, "of |x - x'|: 2 lambda, lambda = 10", at_least=0, origin="poster"
    )

    def __call__(self, seen: Seen) -> jax.Array:
        return mean_absolute(seen.picture, seen.made.coarse)


@register_term
@dataclass(frozen=True)
class Ssim(Term):
    """Structural similarity, -SSIM(x, x')."""

    name = "G/ssim"
    weight_name = "ssim_weight"

    ssim: str = setting(
        "poster",
        'on [0, 1]; "reference": on [-1, 1], same constants',
        choices=("poster", "reference"),
    )
    ssim_weight: float = setting(1.0, "of -SSIM(x, x')", at_least=0, origin="poster")

    def __call__(self, seen: Seen) -> jax.Array:
        return negative_ssim(seen.picture, seen.made.coarse, self.ssim)


@register_term
@dataclass(frozen=True)
class SquaredError(Term):
    """Mean squared error, mean (x - x')^2."""

    name = "G/mse"
    weight_name = "mse_weight"

    mse_weight: float = setting(
        0.0, "of (x - x')^2; for the phase after the adversarial one", at_least=0
    )

    def __call__(self, seen: Seen) -> jax.Array:
        return jnp.mean(jnp.square(seen.picture - seen.made.coarse))


@register_term
@dataclass(frozen=True)
class CompactRate(Term):
    """What c takes, in bits per pixel of the picture."""

    name = "G/compact_rate"
    weight_name = "compact_rate_weight"

    compact_rate_weight: float = setting(
        0.0, "of what c takes, estimated in bits per pixel of the picture", at_least=0
    )

    def __call__(self, seen: Seen) -> jax.Array:
        return compact_bits_per_pixel(seen.made.compact, seen.picture)
