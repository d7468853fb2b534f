"""A model directory: `model.json` (settings, classes, provenance, what was measured) and `weights.safetensors`."""

import hashlib
import json
import os
import reprlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NotRequired, TypedDict

import numpy as np

from dsslic_jax.bundle.known import FINGERPRINTS
from dsslic_jax.bundle.model import Bundle, Part, some
from dsslic_jax.classes.table import UNREGISTERED, class_table_json, stored_class_table
from dsslic_jax.errors import ConfigError, DsslicError, ModelError
from dsslic_jax.models.parts import part_kinds
from dsslic_jax.settings.reading import read, to_mapping
from dsslic_jax.system.files import write_atomically
from dsslic_jax.system.untrusted import read_json, read_regular, typed

FORMAT = 2
DESCRIPTION, WEIGHTS = "model.json", "weights.safetensors"
TRAINING = "training.safetensors"  # beside the model where the state of its training came along
MOST_BYTES = {DESCRIPTION: 1 << 20, WEIGHTS: 2 << 30, TRAINING: 8 << 30}  # above any that is meant


class Measured(TypedDict):
    """A table of what was measured: on which pictures, how, and rows of figures by name."""

    pictures: NotRequired[str]
    protocol: NotRequired[str]
    rows: list[dict[str, str | float | bool | None]]


class Description(TypedDict):
    """What every `model.json` holds beside the settings of parts."""

    classes: dict[str, Any]
    coding: dict[str, Any]
    provenance: dict[str, dict[str, Any]]
    metrics: dict[str, list[Measured]]


def describe(bundle: Bundle) -> dict[str, Any]:
    """All of a model but its weights, for JSON."""
    table_id = bundle.classes.table_id
    parts = {
        kind.stored_as: to_mapping(bundle.parts[name].settings) if name in bundle.parts else None
        for name, kind in part_kinds().items()
    }
    classes = class_table_json(bundle.classes)  # whole, to be read without this package
    return {
        "format": FORMAT,
        "classes": classes | ({} if table_id == UNREGISTERED else {"table_id": table_id}),
        **parts,
        "coding": bundle.coding,
        "provenance": {n: p.provenance for n, p in bundle.parts.items() if p.provenance},
        "metrics": bundle.metrics,
    }


def described(description: object, weights: Mapping[str, np.ndarray]) -> Bundle:
    """The model of a description, as JSON has it, and weights. Raises ModelError for what is no description."""
    told = typed(description, Description, DESCRIPTION, ModelError)
    stored: dict[str, Any] = {**told}
    parts: dict[str, Part] = {}
    left = dict(weights)
    for name, kind in part_kinds().items():
        if stored.get(kind.stored_as) is None:
            continue
        where = f"{DESCRIPTION}: {kind.stored_as}"
        values = typed(stored[kind.stored_as], dict[str, Any], where, ModelError)
        try:
            settings = read(kind.settings, values, f"{kind.stored_as}.")
        except ConfigError as error:
            raise ModelError(str(error)) from error
        own = [n for n in left if n.partition("/")[0] in kind.prefixes(settings)]
        arrays = {n: left.pop(n) for n in own}
        parts[name] = Part(settings, arrays, told["provenance"].get(name, {}))
    if left:
        raise ModelError(f"the weights do not fit; not known: {some([*left])}")
    return Bundle(
        classes=stored_class_table(told["classes"], ModelError),
        parts=parts,
        coding=told["coding"],
        metrics=told["metrics"],
    )


def save(bundle: Bundle, directory: Path) -> None:
    """Writes a model directory; each file appears whole or not at all, `model.json` last.

    Weights are stored in half precision where that loses nothing of any.
    """
    from safetensors.numpy import save as serialize

    weights = serialize(_narrowed(bundle.weights))
    prints = (fingerprint.hex() for fingerprint in bundle.fingerprints)
    description = describe(bundle) | {"weights_sha256": hashlib.sha256(weights).hexdigest()}
    description |= dict(zip(FINGERPRINTS, prints, strict=False))
    write_atomically(directory / WEIGHTS, weights)
    write_atomically(directory / DESCRIPTION, json.dumps(description, indent=1).encode())


def read_description(directory: Path) -> dict[str, Any]:
    """What `model.json` holds, for `described`. Raises ModelError where that is no JSON, OSError."""
    return read_json(directory / DESCRIPTION, dict[str, Any], ModelError, MOST_BYTES[DESCRIPTION])


def load(directory: str | Path) -> Bundle:
    """Reads a model directory: one that `save` wrote, of finite weights in single precision, for its class table.

    Raises ModelError where it is missing, damaged or of another format, OSError where it cannot be read.
    """
    directory = Path(directory)
    try:
        description = read_description(directory)
        if description.get("format") != FORMAT:
            told = reprlib.repr(description.get("format"))
            raise ModelError(f"model format {told}, this program reads {FORMAT}")
        weights = read_regular(directory / WEIGHTS, MOST_BYTES[WEIGHTS])
        if hashlib.sha256(weights).hexdigest() != description.get("weights_sha256"):
            raise ModelError(f"{WEIGHTS} is not the one {DESCRIPTION} describes")
        bundle = described(description, _widened(_arrays(weights)))
        _check(bundle)
        found = zip(FINGERPRINTS, bundle.fingerprints, strict=False)
        if any(description.get(key) != fingerprint.hex() for key, fingerprint in found):
            raise ModelError(f"{DESCRIPTION} is not as it was written (fingerprint)")
        return bundle
    except DsslicError as error:
        told = str(error).removeprefix(f"{directory}/")
        raise ModelError(f"{directory}: {told}") from error
    except (FileNotFoundError, NotADirectoryError) as error:
        problem = f"no {Path(error.filename).name} in it"
        raise ModelError(f"{directory} is not a model directory: {problem}") from error


def _arrays(data: bytes) -> dict[str, np.ndarray]:
    from safetensors.numpy import load as deserialize

    try:
        return deserialize(data)
    except Exception as error:  # of damage SafetensorError, of numbers that NumPy has not any other
        raise ModelError(f"{WEIGHTS}: no arrays that can be read ({error!r})") from error


def _check(bundle: Bundle) -> None:
    for name, part in bundle.parts.items():
        classes = getattr(part.settings, "classes", None)
        if classes is not None and classes < bundle.classes.num_classes:
            has = f"the table {bundle.classes.name!r} has {bundle.classes.num_classes}"
            raise ModelError(f"{name} is for {classes} classes, {has}")
    if other := [n for n, array in bundle.weights.items() if array.dtype != np.float32]:
        raise ModelError(f"the weights do not fit; not float32: {some(other)}")
    if bad := [name for name, array in bundle.weights.items() if not np.isfinite(array).all()]:
        raise ModelError(f"not finite: {some(bad)}")


def _narrowed(weights: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The arrays as float16 if all of them are float32 and come back from it as they are."""
    with np.errstate(over="ignore"):
        half = {name: array.astype(np.float16) for name, array in weights.items()}
    exact = (np.array_equal(array, half[name]) for name, array in weights.items())
    floats = all(array.dtype == np.float32 for array in weights.values())
    return half if floats and all(exact) else dict(weights)


def _widened(weights: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    half = {name for name, array in weights.items() if array.dtype == np.float16}
    return {n: a.astype(np.float32) if n in half else a for n, a in weights.items()}


def load_with_training(directory: str | Path) -> tuple[Bundle, dict[str, np.ndarray]]:
    """A model directory and the state of training beside it, {} where there is none. Raises as `load` does."""
    loaded, path = load(directory), Path(directory) / TRAINING
    if not os.path.lexists(path):
        return loaded, {}
    try:
        return loaded, _arrays(read_regular(path, MOST_BYTES[TRAINING]))
    except (OSError, DsslicError) as error:
        raise ModelError(f"{path} cannot be read: {error}") from error


def save_with_training(bundle: Bundle, training: Mapping[str, np.ndarray], directory: Path) -> None:
    """Writes what `load_with_training` reads."""
    from safetensors.numpy import save as serialize

    path = directory / TRAINING
    if training:
        write_atomically(path, serialize(dict(training)))
    else:
        path.unlink(missing_ok=True)  # of a model that lay there before
    save(bundle, directory)
