"""A model directory: `model.json` (settings, classes, provenance, what was measured) and `weights.safetensors`.

It holds a coarse model (CompNet and FineNet), a SegNet, an EnhanceNet, or several of them; training writes it, the
codec reads it. The fingerprint covers what a decoder needs: the stored weights of FineNet and EnhanceNet and the
settings that shape their arithmetic.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from dsslic_jax.classes.table import (
    UNREGISTERED,
    ClassTable,
    class_table_json,
    stored_class_table,
)
from dsslic_jax.errors import ModelError
from dsslic_jax.system.files import write_atomically

FORMAT = 2
TRAINING = "training.safetensors"  # beside the model where the state of its training came along
# Not the precision of the arithmetic: a stream may be decoded in another one, at a small error in x'.
DECODER_SETTINGS = (
    "classes",
    "alpha",
    "finenet_width",
    "finenet_blocks",
    "norm",
    "upsampling",
    "colour",
)
ENHANCENET_SETTINGS = ("classes", "width", "blocks", "label_width")
COARSE_NETWORKS = ("compnet", "finenet")
STATISTICS = ("mean", "var")  # leaves that a batch norm measures; all other arrays are learned
FINGERPRINT_BYTES = 8


@dataclass(frozen=True)
class Bundle:
    """A model as stored.

    Attributes:
      classes: the label table that s follows.
      model: `config.model` of the coarse model, or None.
      segnet: `config.model` of SegNet, or None.
      enhancenet: `config.enhancenet`, or None.
      coding: default `codecs` and `quality`.
      provenance: what each part was trained on and under which terms, by part.
      weights: flat {"finenet/stem/kernel": array, …}; SegNet's begin with "segnet/", EnhanceNet's with "enhancenet/".
      metrics: what was measured, by what it holds of: "coarse", "segnet", or "joined" where coarse model and SegNet
        worked together; each a list of {"pictures": which, "protocol": how, "rows": [{name: value}, …]}.
    """

    classes: ClassTable
    model: Mapping[str, Any] | None
    segnet: Mapping[str, Any] | None
    coding: Mapping[str, Any]
    provenance: Mapping[str, Any]
    weights: Mapping[str, np.ndarray]
    enhancenet: Mapping[str, Any] | None = None
    metrics: Mapping[str, Any] = field(default_factory=dict)

    @property
    def parts(self) -> dict[str, Mapping[str, Any]]:
        """The settings of each part that there is: "coarse", "segnet" and "enhancenet"."""
        parts = {"coarse": self.model, "segnet": self.segnet, "enhancenet": self.enhancenet}
        return {name: settings for name, settings in parts.items() if settings is not None}

    def tree(self, prefix: str) -> dict[str, Any]:
        """The nested arrays whose names begin with `prefix/`."""
        start = f"{prefix}/"
        return nest(
            {n.removeprefix(start): w for n, w in self.weights.items() if n.startswith(start)}
        )

    def coarse_variables(self) -> dict[str, Any]:
        """What `CoarseModel.apply` takes: {"params": {"compnet": …, "finenet": …}}, and where the norm is "batch"
        {"batch_stats": …} beside it.
        """
        collections: dict[str, dict[str, np.ndarray]] = {"params": {}}
        for name, array in self.weights.items():
            parts = name.split("/")
            if parts[0] in COARSE_NETWORKS:
                kind = "batch_stats" if parts[-1] in STATISTICS else "params"
                collections.setdefault(kind, {})[name] = array
        return {kind: nest(flat) for kind, flat in collections.items()}

    @cached_property
    def fingerprint(self) -> bytes:
        """The first 8 bytes of a SHA-256 over decoder settings and stored weights of FineNet and EnhanceNet."""
        return self._decoder_digest().digest()[:FINGERPRINT_BYTES]

    @cached_property
    def fingerprint_with_segnet(self) -> bytes:
        """The same over SegNet too: of streams whose s is made at the decoder. Raises ModelError without one."""
        if self.segnet is None:
            raise ModelError("labels at the decoder need a model directory with a SegNet")
        digest = self._decoder_digest()
        settings = {
            key: value
            for key, value in self.segnet.items()
            # Beside the precision: what older models do not say, and what no label depends on.
            if key not in ("dtype", "auxiliary_width") and (key, value) != ("input", "symmetric")
        }
        digest.update(json.dumps(settings, sort_keys=True).encode())
        self._add_weights(digest, "segnet/")
        return digest.digest()[:FINGERPRINT_BYTES]

    @property
    def fingerprints(self) -> list[bytes]:
        """Every fingerprint by which a stream can name this model."""
        if self.model is None:
            return []
        return [self.fingerprint] + ([self.fingerprint_with_segnet] if self.segnet else [])

    def _decoder_digest(self) -> hashlib._Hash:
        if self.model is None:
            raise ModelError("this model directory holds a SegNet only: it cannot encode or decode")
        settings = {key: self.model[key] for key in DECODER_SETTINGS}
        digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
        self._add_weights(digest, "finenet/")
        if self.enhancenet is not None:
            settings = {key: self.enhancenet[key] for key in ENHANCENET_SETTINGS}
            digest.update(json.dumps(settings, sort_keys=True).encode())
            self._add_weights(digest, "enhancenet/")
        return digest

    def _add_weights(self, digest: hashlib._Hash, prefix: str) -> None:
        for name in sorted(n for n in self.weights if n.startswith(prefix)):
            array = self.weights[name]
            digest.update(f"{name} {array.dtype} {array.shape}\n".encode())
            digest.update(np.ascontiguousarray(array).tobytes())


def flatten(tree: Mapping[str, Any], prefix: str) -> dict[str, np.ndarray]:
    """Nested parameters -> {"prefix/…/kernel": contiguous array}."""
    flat: dict[str, np.ndarray] = {}
    for key, value in tree.items():
        name = f"{prefix}/{key}"
        if isinstance(value, Mapping):
            flat |= flatten(value, name)
        else:
            flat[name] = np.ascontiguousarray(value)
    return flat


def nest(flat: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """{"a/b/kernel": array} -> {"a": {"b": {"kernel": array}}}."""
    root: dict[str, Any] = {}
    for name, array in flat.items():
        *path, leaf = name.split("/")
        node = root
        for part in path:
            node = node.setdefault(part, {})
        node[leaf] = array
    return root


def describe(bundle: Bundle) -> dict[str, Any]:
    """All of a model but its weights, for JSON."""
    return {
        "format": FORMAT,
        # Whole, so that they can be read without this package.
        "classes": class_table_json(bundle.classes)
        | (
            {} if bundle.classes.table_id == UNREGISTERED else {"table_id": bundle.classes.table_id}
        ),
        "model": bundle.model,
        "segnet": bundle.segnet,
        "enhancenet": bundle.enhancenet,
        "coding": bundle.coding,
        "provenance": bundle.provenance,
        "metrics": bundle.metrics,
    }


def described(description: Mapping[str, Any], weights: Mapping[str, np.ndarray]) -> Bundle:
    """The model of a description and weights.

    Raises ModelError, AttributeError, KeyError, TypeError or ValueError for what is no description.
    """
    made = Bundle(
        classes=stored_class_table(description["classes"], ModelError),
        model=description["model"],
        segnet=description["segnet"],
        enhancenet=description.get("enhancenet"),  # older models do not say
        coding=description["coding"],
        provenance=description["provenance"],
        weights=weights,
        metrics=description.get("metrics", {}),  # older models do not say
    )
    measured = [entry for entries in made.metrics.values() for entry in entries]
    parts = [*made.parts.values(), made.coding, *made.provenance.values(), *measured]
    if not all(isinstance(part, dict) for part in parts + [r for m in measured for r in m["rows"]]):
        raise ValueError("a part of it is no object")
    return made


def save(bundle: Bundle, directory: Path) -> None:
    """Writes a model directory; each file appears whole or not at all, `model.json` last.

    Weights are stored in half precision where that loses nothing of any.
    """
    from safetensors.numpy import save as serialize

    weights = serialize(_narrowed(bundle.weights))
    description = {
        **describe(bundle),
        "weights_sha256": hashlib.sha256(weights).hexdigest(),
    }
    if bundle.model is not None:
        description["fingerprint"] = bundle.fingerprint.hex()
        if bundle.segnet is not None:
            description["fingerprint_with_segnet"] = bundle.fingerprint_with_segnet.hex()
    for name, data in (
        ("weights.safetensors", weights),
        ("model.json", json.dumps(description, indent=1).encode()),
    ):
        write_atomically(directory / name, data)


def load(directory: str | Path) -> Bundle:
    """Reads a model directory. Raises ModelError where it is missing, damaged or of another format."""
    from safetensors import SafetensorError
    from safetensors.numpy import load as deserialize

    directory = Path(directory)
    try:
        description = json.loads((directory / "model.json").read_text())
        weights = (directory / "weights.safetensors").read_bytes()
        if description["format"] != FORMAT:
            raise ModelError(
                f"{directory}: model format {description['format']}, this program reads {FORMAT}"
            )
        if hashlib.sha256(weights).hexdigest() != description["weights_sha256"]:
            raise ModelError(
                f"{directory}: weights.safetensors is not the one model.json describes"
            )
        bundle = described(description, _widened(deserialize(weights)))
        if bundle.model is not None and bundle.fingerprint.hex() != description["fingerprint"]:
            raise ModelError(f"{directory}: model.json is not as it was written (fingerprint)")
        return bundle
    except FileNotFoundError as error:
        raise ModelError(
            f"{directory} is not a model directory: no {Path(error.filename).name} in it"
        ) from error
    except (AttributeError, KeyError, TypeError, ValueError, SafetensorError) as error:
        raise ModelError(f"{directory}: damaged model directory ({error!r})") from error


def _narrowed(weights: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The arrays as float16 if all of them are float32 and come back from it as they are."""
    with np.errstate(over="ignore"):
        half = {name: array.astype(np.float16) for name, array in weights.items()}
    exact = all(
        array.dtype == np.float32 and np.array_equal(half[name].astype(np.float32), array)
        for name, array in weights.items()
    )
    return half if exact else dict(weights)


def _widened(weights: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {
        name: array.astype(np.float32) if array.dtype == np.float16 else array
        for name, array in weights.items()
    }


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
