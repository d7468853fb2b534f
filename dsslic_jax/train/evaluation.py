"""Measuring a model while it is trained: who does it, and how all hosts learn the result."""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

import jax
import numpy as np
from jax.experimental import multihost_utils

from dsslic_jax.bundle.measured import entry
from dsslic_jax.bundle.model import Bundle

EVALUATED = "eval/"


class Evaluation(Protocol):
    """Measures models on held-back pictures.

    Attributes:
      names: those of the values, each beginning with EVALUATED.
      part, pictures, protocol: of what the values hold, which pictures, and how, as in `Bundle.metrics`.
    """

    names: tuple[str, ...]
    part: str
    pictures: str
    protocol: str

    def __call__(self, bundle: Bundle) -> dict[str, float]:
        """The values of one model, by name."""
        ...


def evaluate(
    evaluation: Evaluation, bundle: Callable[[Any], Bundle], state: Any
) -> dict[str, float]:
    """What the first host measures of the model that `bundle` makes of a state; the others wait for it.

    Every host must call this.
    """
    values = np.zeros(len(evaluation.names), np.float32)
    if jax.process_index() == 0:
        measured = evaluation(bundle(state))
        values[:] = [measured[name] for name in evaluation.names]
    told = multihost_utils.broadcast_one_to_all(values)
    return dict(zip(evaluation.names, told.tolist(), strict=True))


def kept_metrics(evaluation: Evaluation, values: Mapping[str, float]) -> dict[str, Any]:
    """`Bundle.metrics` of a model for which `evaluate` gave these values."""
    row = {name.removeprefix(EVALUATED): value for name, value in values.items()}
    return {evaluation.part: [entry(evaluation.pictures, evaluation.protocol, [row])]}
