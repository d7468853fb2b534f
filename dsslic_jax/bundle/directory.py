"""A model directory: `model.json` (settings, classes, provenance, what was measured) and `weights.safetensors`."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from dsslic_jax.bundle.known import FINGERPRINTS
from dsslic_jax.bundle.model import Bundle, Part
from dsslic_jax.classes.table import UNREGISTERED, class_table_json, stored_class_table
from dsslic_jax.errors import ConfigError, ModelError
from dsslic_jax.models.parts import base_kind, part_kinds
from dsslic_jax.settings.reading import read, to_mapping
from dsslic_jax.system.files import write_atomically

FORMAT = 2
DESCRIPTION, WEIGHTS = "model.json", "weights.safetensors"
TRAINING = "training.safetensors"  # beside the model where the state of its training came along


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


def described(description: Mapping[str, Any], weights: Mapping[str, np.ndarray]) -> Bundle:
    """The model of a description and weights.

    Raises ModelError, or AttributeError, KeyError, TypeError or ValueError for what is no description.
    """
    parts: dict[str, Part] = {}
    left = dict(weights)
    provenance = description["provenance"]
    for name, kind in part_kinds().items():
        if (stored := description.get(kind.stored_as)) is None:
            continue
        if not isinstance(stored, dict):
            raise ValueError("a part of it is no object")
        try:
            settings = read(kind.settings, stored, f"{kind.stored_as}.")
        except ConfigError as error:
            raise ModelError(str(error)) from error
        own = [n for n in left if n.partition("/")[0] in kind.prefixes(settings)]
        arrays = {n: left.pop(n) for n in own}
        parts[name] = Part(settings, arrays, provenance.get(name, {}))
    if left:
        raise ModelError(f"the weights do not fit; not known: {', '.join(left)}")
    made = Bundle(
        classes=stored_class_table(description["classes"], ModelError),
        parts=parts,
        coding=description["coding"],
        metrics=description["metrics"],
    )
    measured = [entry for entries in made.metrics.values() for entry in entries]
    objects = [made.coding, *(part.provenance for part in parts.values()), *measured]
    objects += [row for entry in measured for row in entry["rows"]]
    if not all(isinstance(part, dict) for part in objects):
        raise ValueError("a part of it is no object")
    return made


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


def load(directory: str | Path) -> Bundle:
    """Reads a model directory. Raises ModelError where it is missing, damaged or of another format."""
    from safetensors import SafetensorError
    from safetensors.numpy import load as deserialize

    directory = Path(directory)
    try:
        description = json.loads((directory / DESCRIPTION).read_text())
        weights = (directory / WEIGHTS).read_bytes()
        if description["format"] != FORMAT:
            raise ModelError(f"model format {description['format']}, this program reads {FORMAT}")
        if hashlib.sha256(weights).hexdigest() != description["weights_sha256"]:
            raise ModelError(f"{WEIGHTS} is not the one {DESCRIPTION} describes")
        bundle = described(description, _widened(deserialize(weights)))
        decodes = base_kind().name in bundle.parts
        if decodes and bundle.fingerprint.hex() != description["fingerprint"]:
            raise ModelError(f"{DESCRIPTION} is not as it was written (fingerprint)")
        return bundle
    except ModelError as error:
        raise ModelError(f"{directory}: {error}") from error
    except FileNotFoundError as error:
        problem = f"no {Path(error.filename).name} in it"
        raise ModelError(f"{directory} is not a model directory: {problem}") from error
    except (AttributeError, KeyError, TypeError, ValueError, SafetensorError) as error:
        raise ModelError(f"{directory}: damaged model directory ({error!r})") from error


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
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    loaded, path = load(directory), Path(directory) / TRAINING
    try:
        return loaded, load_file(path) if path.exists() else {}
    except (OSError, SafetensorError) as error:
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
