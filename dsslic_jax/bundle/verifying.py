"""Whether a model directory is sound: files, fingerprints, settings, and every array that they need."""

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from dsslic_jax.bundle.directory import DESCRIPTION, load_with_training
from dsslic_jax.bundle.known import FINGERPRINTS
from dsslic_jax.bundle.model import Bundle
from dsslic_jax.errors import ModelError
from dsslic_jax.models.parts import part_kind


def verify(directory: Path) -> Bundle:
    """Reads a model directory and checks all that can be checked without running it.

    Raises DsslicError saying what is wrong first: a file that is missing, damaged or not the one that `model.json`
    describes, a setting that is not known or out of range, the arrays that are missing, misshapen, not known or no
    float32, or a fingerprint.
    """
    model, _ = load_with_training(directory)
    for name, part in model.parts.items():
        classes = getattr(part.settings, "classes", None)
        if classes is not None and classes < model.classes.num_classes:
            has = f"the table {model.classes.name!r} has {model.classes.num_classes}"
            raise ModelError(f"{name} is for {classes} classes, {has}")
        require(part.arrays, part_kind(name).shapes(part.settings))
    if other := [n for n, array in model.weights.items() if array.dtype != np.float32]:
        raise ModelError(f"the weights do not fit; not float32: {', '.join(other)}")
    told = json.loads((directory / DESCRIPTION).read_text())
    found = zip(FINGERPRINTS, model.fingerprints, strict=False)
    if any(told.get(key) != fingerprint.hex() for key, fingerprint in found):
        raise ModelError(f"{directory}: {DESCRIPTION} is not as it was written (fingerprint)")
    return model


def require(arrays: Mapping[str, np.ndarray], needed: Mapping[str, tuple[int, ...] | None]) -> None:
    """Raises ModelError listing every array that is missing, not of the shape needed (None: any), or not known."""
    there = {n: (arrays[n].shape, s) for n, s in needed.items() if n in arrays and s is not None}
    problems = {
        "missing": [name for name in needed if name not in arrays],
        "misshapen": [f"{n} {[*has]}, not {[*s]}" for n, (has, s) in there.items() if has != s],
        "not known": [name for name in arrays if name not in needed],
    }
    if any(problems.values()):
        told = (f"{what}: {', '.join(names)}" for what, names in problems.items() if names)
        raise ModelError(f"the weights do not fit; {'; '.join(told)}")
