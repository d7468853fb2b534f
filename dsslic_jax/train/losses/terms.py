"""The generator's loss: a list of terms, each with its weight, what it needs and its name in the metrics.

A term of weight 0 is not computed, and what only it needs is not run. Pictures are float [B, H, W, 3] in [-1, 1];
discriminator outputs are nested lists [scale][layer] of [B, h, w, C], the last layer of each scale being logits. All
norms are means (Akbari et al. 2018).
"""

import abc
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple, TypeVar

import jax
import jax.numpy as jnp

from dsslic_jax.models.coarse import Coarse
from dsslic_jax.settings.fields import Open, Settings

Features = Sequence[Sequence[jax.Array]]
Metrics = dict[str, jax.Array]
DISCRIMINATOR, VGG = "discriminator", "vgg"  # what terms may need


class Seen(NamedTuple):
    """What a term may look at; None where no term with a weight needs it.

    Attributes:
      picture: x.
      made: c, x' and what lies between.
      judged: the discriminator's outputs for x and x'.
      vgg: VGG19's features of x and x'.
    """

    picture: jax.Array
    made: Coarse
    judged: tuple[Features, Features] | None = None
    vgg: tuple[Sequence[jax.Array], Sequence[jax.Array]] | None = None


@dataclass(frozen=True)
class Term(Settings, abc.ABC):
    """One term; its fields are settings of the group `losses`, the one named `weight_name` its weight.

    Attributes:
      name: in the metrics, where the weighted value stands.
      weight_name: the field that holds its weight as it enters the sum.
      needs: DISCRIMINATOR, VGG or both.
    """

    name: ClassVar[str]
    weight_name: ClassVar[str]
    needs: ClassVar[tuple[str, ...]] = ()

    @property
    def weight(self) -> float:
        """As it enters the sum; 0: the term is left out."""
        return float(getattr(self, self.weight_name))

    @abc.abstractmethod
    def __call__(self, seen: Seen) -> jax.Array:
        """The term before it is weighted, a float32 scalar."""


TERMS: list[type[Term]] = []
T = TypeVar("T", bound=type[Term])


def register_term(term: T) -> T:
    """Makes a term known (a class decorator). Raises ValueError where another has its name."""
    if term.name in (other.name for other in TERMS):
        raise ValueError(f"a loss term {term.name!r} is registered already")
    TERMS.append(term)
    return term


@dataclass(frozen=True)
class LossSettings(Open):
    """The group `losses` of a configuration: the settings of every term."""

    @classmethod
    def added(cls) -> tuple[type[Term], ...]:
        """Every term, in the order in which they are summed."""
        return tuple(TERMS)

    @property
    def terms(self) -> list[Term]:
        """The terms with a weight."""
        return [term for term in map(self.of, self.added()) if term.weight > 0]

    def need(self, what: str) -> bool:
        """Whether a term with a weight needs DISCRIMINATOR or VGG."""
        return any(what in term.needs for term in self.terms)


def summed(terms: Sequence[jax.Array]) -> jax.Array:
    """The sum of scalars."""
    return jnp.sum(jnp.stack(terms))


def generator_loss(seen: Seen, losses: LossSettings) -> tuple[jax.Array, Metrics]:
    """L_G and each weighted term by its name, with "G/total"."""
    terms = {term.name: term.weight * term(seen) for term in losses.terms}
    total = summed(list(terms.values()))
    return total, {**terms, "G/total": total}
