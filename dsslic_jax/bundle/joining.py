"""Models made of others: of the parts of several, or of one in half precision."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from dsslic_jax.bundle.model import Bundle
from dsslic_jax.errors import ModelError
from dsslic_jax.models.parts import base_kind, part_kind, part_kinds


def join(model: Bundle, givers: Mapping[str, Bundle]) -> Bundle:
    """`model`, which must hold the base part, with parts of other models: `givers` by the name of the part.

    Raises ModelError where a model lacks its part, or label tables differ.
    """
    model.part(base_kind())
    parts = dict(model.parts)
    for name, giver in givers.items():
        parts[name] = giver.part(part_kind(name))
        if model.classes.names != giver.classes.names:
            told = f"{model.classes.name} and {giver.classes.name}"
            raise ModelError(f"the models label differently: {told}")
    in_order = {name: parts[name] for name in part_kinds() if name in parts}
    return replace(model, parts=in_order, metrics=_still_true(model, givers))


def _still_true(model: Bundle, givers: Mapping[str, Bundle]) -> dict[str, Any]:
    """What was measured of single parts and holds of the joined model, too."""
    decodes_otherwise = any(part_kind(name).in_decoder is not None for name in givers)
    metrics: dict[str, Any] = {}
    for name, kind in part_kinds().items():
        measured = givers.get(name, model).metrics
        if name in measured and (kind.in_decoder is None or not decodes_otherwise):
            metrics[name] = measured[name]
    return metrics


def halved(model: Bundle) -> Bundle:
    """The model with its weights rounded to half precision, in which `directory.save` then stores them.

    It is another model, with a fingerprint of its own. Raises ModelError for weights beyond 65,504.
    """
    weights = {}
    for name, array in model.weights.items():
        with np.errstate(over="ignore"):
            weights[name] = array.astype(np.float16).astype(np.float32)
        if not np.isfinite(weights[name]).all():
            raise ModelError(f"{name} has values that half precision cannot hold")
    return model.with_weights(weights)
