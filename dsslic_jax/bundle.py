"""A model directory: `model.json` (settings, classes, provenance) and `weights.safetensors`.

It holds a coarse model (CompNet and FineNet), a SegNet, or both; training writes it, the codec reads it. The
fingerprint covers what a decoder needs: FineNet's stored weights and the settings that shape its arithmetic.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dsslic_jax.classes import ClassTable, class_table
from dsslic_jax.errors import ModelError
from dsslic_jax.files import write_atomically

FORMAT = 1
# Not the precision of the arithmetic: a stream may be decoded in another one, at a small error in x'.
DECODER_SETTINGS = (
    "classes",
    "alpha",
    "finenet_width",
    "finenet_blocks",
    "norm",
    "upsampling",
)
FINGERPRINT_BYTES = 8


@dataclass(frozen=True)
class Bundle:
    """A model as stored.

    Attributes:
      classes: the label table that s follows.
      model: `config.model` of the coarse model, or None.
      segnet: `config.model` of SegNet, or None.
      coding: default `codecs` and `quality`.
      provenance: what each part was trained on and under which terms, by part.
      weights: flat {"finenet/stem/kernel": array, …}; SegNet's begin with "segnet/".
    """

    classes: ClassTable
    model: Mapping[str, Any] | None
    segnet: Mapping[str, Any] | None
    coding: Mapping[str, Any]
    provenance: Mapping[str, Any]
    weights: Mapping[str, np.ndarray]

    def tree(self, prefix: str) -> dict[str, Any]:
        """The nested parameters whose names begin with `prefix/`."""
        root: dict[str, Any] = {}
        for name, array in self.weights.items():
            head, *path = name.split("/")
            if head != prefix:
                continue
            node = root
            for part in path[:-1]:
                node = node.setdefault(part, {})
            node[path[-1]] = array
        return root

    @property
    def fingerprint(self) -> bytes:
        """The first 8 bytes of a SHA-256 over decoder settings and stored FineNet weights."""
        if self.model is None:
            raise ModelError("this model directory holds a SegNet only: it cannot encode or decode")
        settings = {key: self.model[key] for key in DECODER_SETTINGS}
        digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
        for name in sorted(n for n in self.weights if n.startswith("finenet/")):
            array = self.weights[name]
            digest.update(f"{name} {array.dtype} {array.shape}\n".encode())
            digest.update(np.ascontiguousarray(array).tobytes())
        return digest.digest()[:FINGERPRINT_BYTES]


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


def save(bundle: Bundle, directory: Path) -> None:
    """Writes a model directory; each file appears whole or not at all, `model.json` last."""
    from safetensors.numpy import save as serialize

    weights = serialize(dict(bundle.weights))
    description = {
        "format": FORMAT,
        "classes": bundle.classes.name,
        "model": bundle.model,
        "segnet": bundle.segnet,
        "coding": bundle.coding,
        "provenance": bundle.provenance,
        "weights_sha256": hashlib.sha256(weights).hexdigest(),
    }
    if bundle.model is not None:
        description["fingerprint"] = bundle.fingerprint.hex()
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
        bundle = Bundle(
            classes=class_table(description["classes"]),
            model=description["model"],
            segnet=description["segnet"],
            coding=description["coding"],
            provenance=description["provenance"],
            weights=deserialize(weights),
        )
        if bundle.model is not None and bundle.fingerprint.hex() != description["fingerprint"]:
            raise ModelError(f"{directory}: model.json is not as it was written (fingerprint)")
        return bundle
    except FileNotFoundError as error:
        raise ModelError(
            f"{directory} is not a model directory: no {Path(error.filename).name} in it"
        ) from error
    except (KeyError, TypeError, ValueError, SafetensorError) as error:
        raise ModelError(f"{directory}: damaged model directory ({error!r})") from error


def join(coarse: Bundle, segnet: Bundle) -> Bundle:
    """`coarse` with its SegNet replaced by that of `segnet`. Raises ModelError where label tables differ."""
    if coarse.classes.name != segnet.classes.name:
        raise ModelError(
            f"the models label differently: {coarse.classes.name} and {segnet.classes.name}"
        )
    if coarse.model is None or segnet.segnet is None:
        raise ModelError("join needs a coarse model first and a SegNet second")
    own = {n: w for n, w in coarse.weights.items() if not n.startswith("segnet/")}
    added = {n: w for n, w in segnet.weights.items() if n.startswith("segnet/")}
    provenance = {**coarse.provenance, "segnet": segnet.provenance["segnet"]}
    return Bundle(
        coarse.classes, coarse.model, segnet.segnet, coarse.coding, provenance, {**own, **added}
    )
