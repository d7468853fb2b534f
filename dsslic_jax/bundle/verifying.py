"""Whether a model directory is sound: files, fingerprints, settings, and every array that they need."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from dsslic_jax.bundle import directory as bundle
from dsslic_jax.bundle.directory import Bundle
from dsslic_jax.convert import rules
from dsslic_jax.convert.ours import TOLD_BY_ARRAYS, require_known, shapes_of
from dsslic_jax.errors import ModelError
from dsslic_jax.models.coarse import coarse_networks

# Largest sizes of networks that are looked at; far above any that is meant.
_MOST = {"classes": 256, "finenet_blocks": 256, "finenet_downs": 6, "blocks": 256}
_MOST_FEATURES = 1 << 14
_MAY_BE_NONE = ("finenet_width", "label_width")


def verify(directory: Path) -> Bundle:
    """Reads a model directory and checks all that can be checked without running it.

    Raises DsslicError saying what is wrong first: a file that is missing, damaged or not the one that `model.json`
    describes, a fingerprint, a setting that is not known, or listing the arrays that are missing, misshapen, not known
    or no float32.
    """
    model, _ = bundle.load_with_training(directory)
    told = json.loads((directory / "model.json").read_text()).get("fingerprint_with_segnet")
    if told is not None and told != model.fingerprint_with_segnet.hex():
        raise ModelError(f"{directory}: model.json is not as it was written (fingerprint)")
    try:
        shapes = _shapes(model)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ModelError(f"{directory}: settings of no network ({error!r})") from error
    rules.require(model.weights, shapes)
    if other := [n for n, array in model.weights.items() if array.dtype != np.float32]:
        raise ModelError(f"the weights do not fit; not float32: {', '.join(other)}")
    return model


def _shapes(model: Bundle) -> rules.Shapes:
    """The shapes of all arrays that the settings need, by name."""
    shapes: dict[str, tuple[int, ...]] = {}
    for part, settings in model.parts.items():
        _check_settings(model, part, settings)
        for network in coarse_networks(settings) if part == "coarse" else (part,):
            shapes |= shapes_of(network, settings)
    return shapes


def _check_settings(model: Bundle, part: str, settings: Mapping[str, Any]) -> None:
    """Raises ConfigError or ModelError for settings of which no network should be made."""
    require_known(part, settings)
    for name in sorted(settings.keys() & {*TOLD_BY_ARRAYS} - {"backbone"}):
        value, most = settings[name], _MOST.get(name, _MOST_FEATURES)
        if name == "auxiliary_width" and value is None:
            continue
        least = 0 if name in _MAY_BE_NONE else 1
        if type(value) is not int or not least <= value <= most:
            raise ModelError(f"{name} of {part} is {value!r}, not a number from {least} to {most}")
    if settings["classes"] < model.classes.num_classes:
        raise ModelError(
            f"{part} is for {settings['classes']} classes, the table {model.classes.name!r} has "
            f"{model.classes.num_classes}"
        )
