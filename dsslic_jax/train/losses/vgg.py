"""The perceptual term: VGG19's features of x and x'."""

from collections.abc import Sequence
from dataclasses import dataclass

import jax

from dsslic_jax.settings.fields import setting
from dsslic_jax.train.losses.pixels import mean_absolute
from dsslic_jax.train.losses.terms import VGG, Seen, Term, register_term, summed

LAYER_WEIGHTS = {
    "poster": (1.0, 1.0, 1.0, 1.0, 1.0),
    "reference": (1 / 32, 1 / 16, 1 / 8, 1 / 4, 1.0),
}


def vgg_distance(real: Sequence[jax.Array], fake: Sequence[jax.Array], choice: str) -> jax.Array:
    """L_VGG / λ: Σ_j w_j mean |V^j(x) - V^j(x')|, w_j = 1 ("poster") or 1/32 … 1 ("reference")."""
    weights = LAYER_WEIGHTS[choice]
    return summed([w * mean_absolute(r, f) for w, r, f in zip(weights, real, fake, strict=True)])


@register_term
@dataclass(frozen=True)
class VggDistance(Term):
    """`vgg_distance` of x and x'."""

    name = "G/vgg"
    weight_name = "vgg_weight"
    needs = (VGG,)

    vgg_weight: float = setting(
        10.0, "lambda; 0 leaves the term out and needs no weights", at_least=0, origin="poster"
    )
    vgg_layers: str = setting(
        "poster", 'all layers equal; "reference": 1/32 … 1', choices=tuple(LAYER_WEIGHTS)
    )
    vgg_weights: str = setting("", "path of torchvision's VGG19 as .safetensors", free=True)

    def __call__(self, seen: Seen) -> jax.Array:
        assert seen.vgg is not None
        return vgg_distance(*seen.vgg, self.vgg_layers)
