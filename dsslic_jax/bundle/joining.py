"""Models made of others: of the parts of several, or of one in half precision."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from dsslic_jax.bundle.directory import Bundle
from dsslic_jax.errors import ModelError


def join(coarse: Bundle, segnet: Bundle | None = None, enhancenet: Bundle | None = None) -> Bundle:
    """`coarse` with its SegNet and EnhanceNet replaced by those of other models, where these are given.

    Raises ModelError where a model lacks its part, or where label tables differ.
    """
    if coarse.model is None:
        raise ModelError("join needs a coarse model, which this model directory does not hold")
    joined = replace(coarse, metrics=_still_true(coarse, segnet, enhancenet))
    for name, giver in (("segnet", segnet), ("enhancenet", enhancenet)):
        if giver is None:
            continue
        if getattr(giver, name) is None:
            raise ModelError(f"the model whose {name} was to be joined holds no {name}")
        if coarse.classes.names != giver.classes.names:
            raise ModelError(
                f"the models label differently: {coarse.classes.name} and {giver.classes.name}"
            )
        own = {n: w for n, w in joined.weights.items() if not n.startswith(f"{name}/")}
        added = {n: w for n, w in giver.weights.items() if n.startswith(f"{name}/")}
        provenance = {**joined.provenance, name: giver.provenance[name]}
        part: Any = {name: getattr(giver, name)}
        joined = replace(joined, provenance=provenance, weights={**own, **added}, **part)
    return joined


def _still_true(coarse: Bundle, segnet: Bundle | None, enhancenet: Bundle | None) -> dict[str, Any]:
    """What was measured with the parts of a joined model and holds of it, too."""
    sources = {"segnet": coarse if segnet is None else segnet}
    if enhancenet is None:
        sources["coarse"] = coarse
    return {
        part: source.metrics[part] for part, source in sources.items() if part in source.metrics
    }


def halved(model: Bundle) -> Bundle:
    """The model with its weights rounded to half precision, in which `bundle.save` then stores them.

    It is another model, with a fingerprint of its own. Raises ModelError for weights beyond 65,504.
    """
    weights = {}
    for name, array in model.weights.items():
        with np.errstate(over="ignore"):
            weights[name] = array.astype(np.float16).astype(np.float32)
        if not np.isfinite(weights[name]).all():
            raise ModelError(f"{name} has values that half precision cannot hold")
    return replace(model, weights=weights)
