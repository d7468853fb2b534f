"""The authors' networks at small width, as numbers: weights by our names, inputs, intermediates, gradients.

`fixtures/parity_small.{npz,json}` holds PyTorch state-dict names and NCHW / OIHW arrays, computed in float64.
"""

import json
from pathlib import Path
from typing import Any

import flax.traverse_util
import numpy as np

from dsslic_jax.classes.table import UNREGISTERED, ClassTable
from dsslic_jax.convert.transfer import from_state_dict

FOLDER = Path(__file__).parent / "fixtures"
NAMES = ("a", "b", "c", "d", "e")
CLASSES = ClassTable("five", UNREGISTERED, NAMES, (), ((0, 0, 0),) * len(NAMES), {})


def load() -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """The fixture's arrays by name, and its settings and losses."""
    with np.load(FOLDER / "parity_small.npz", allow_pickle=False) as archive:
        arrays = {name: archive[name] for name in archive.files}
    return arrays, json.loads((FOLDER / "parity_small.json").read_text())


def nhwc(array: np.ndarray) -> np.ndarray:
    """[B, C, H, W] -> [B, H, W, C]."""
    return array.transpose(0, 2, 3, 1)


def state_dict(arrays: dict[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    """The arrays under `prefix` ("init", "grad", "after3") by the authors' keys after "C.", "G." or "D."."""
    start = f"{prefix}/"
    return {
        name.removeprefix(start).replace("/", ".", 1): array
        for name, array in arrays.items()
        if name.startswith(start)
    }


def parameters(arrays: dict[str, np.ndarray], prefix: str) -> dict[str, Any]:
    """{"generator": …, "discriminator": …} trees of the arrays under `prefix`."""
    made = from_state_dict(state_dict(arrays, prefix), CLASSES)
    flat = {**made.bundle.weights, **made.training}
    tree = flax.traverse_util.unflatten_dict(flat, sep="/")
    return {
        "generator": {name: tree[name] for name in ("compnet", "finenet")},
        "discriminator": tree["discriminator"],
    }


def feeds_a_norm(network: str, path: tuple[str, ...]) -> bool:
    """Whether a norm follows this convolution, so that its bias has no effect and a gradient of noise."""
    if network == "discriminator":
        return path[1] not in ("conv_0", "logits")
    return path[1] != "head"
