"""The adversarial game: the generator's two terms that need the discriminator, and the discriminator's own loss."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp

from dsslic_jax.settings.fields import setting
from dsslic_jax.train.losses.pixels import mean_absolute
from dsslic_jax.train.losses.terms import (
    DISCRIMINATOR,
    Features,
    Metrics,
    Seen,
    Term,
    register_term,
    summed,
)


def adversarial(outputs: Features, real: bool, choice: str) -> jax.Array:
    """-Σ_d log D_d, or -Σ_d log(1 - D_d) for `real` false ("log"); Σ_d (D_d - target)² ("least_squares")."""
    logits = [scale[-1].astype(jnp.float32) for scale in outputs]
    if choice == "log":
        sign = -1.0 if real else 1.0  # -log sigmoid(l) = softplus(-l)
        return summed([jnp.mean(jax.nn.softplus(sign * logit)) for logit in logits])
    return summed([jnp.mean(jnp.square(logit - float(real))) for logit in logits])


def feature_distance(real: Features, fake: Features, choice: str) -> jax.Array:
    """L_DIS / λ: Σ_d Σ_i mean |D_d^i(real) - D_d^i(fake)|.

    "poster" sums every layer; "reference" leaves the logits out and weighs each of the rest by
    4 / (layers + 1) / scales, `layers` not counting the logits and the one before them.
    """
    last = None if choice == "poster" else -1
    weight = 1.0 if choice == "poster" else 4.0 / (len(fake[0]) - 1) / len(fake)
    return weight * summed(
        [
            mean_absolute(r, f)
            for a, b in zip(real, fake, strict=True)
            for r, f in zip(a[:last], b[:last], strict=True)
        ]
    )


@register_term
@dataclass(frozen=True)
class Gan(Term):
    """The adversarial term: how well x' passes for real."""

    name = "G/gan"
    weight_name = "gan_weight"
    needs = (DISCRIMINATOR,)

    gan: str = setting(
        "log",
        'the loss of the game (poster); "least_squares" (reference)',
        choices=("log", "least_squares"),
    )
    gan_weight: float = setting(1.0, "of the generator's side of it", at_least=0, origin="poster")

    def __call__(self, seen: Seen) -> jax.Array:
        assert seen.judged is not None
        return adversarial(seen.judged[1], True, self.gan)


@register_term
@dataclass(frozen=True)
class FeatureDistance(Term):
    """`feature_distance` of what the discriminator makes of x and x'."""

    name = "G/dis"
    weight_name = "features_weight"
    needs = (DISCRIMINATOR,)

    features: str = setting(
        "poster",
        'every layer; "reference": logits left out, averaged over scales',
        choices=("poster", "reference"),
    )
    features_weight: float = setting(10.0, "lambda", at_least=0, origin="poster")

    def __call__(self, seen: Seen) -> jax.Array:
        assert seen.judged is not None
        return feature_distance(*seen.judged, self.features)


def discriminator_loss(real: Features, fake: Features, choice: str) -> tuple[jax.Array, Metrics]:
    """L_D: the sum of both sides, halved in the reference's least-squares form."""
    terms = {
        "D/real": adversarial(real, True, choice),
        "D/fake": adversarial(fake, False, choice),
    }
    scale = 0.5 if choice == "least_squares" else 1.0
    total = scale * (terms["D/real"] + terms["D/fake"])
    return total, {**terms, "D/total": total}
