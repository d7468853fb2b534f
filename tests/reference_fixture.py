"""The authors' networks at small width, as numbers: weights by our names, inputs, intermediates, gradients.

`fixtures/parity_small.{npz,json}` holds PyTorch state-dict names and NCHW / OIHW arrays, computed in float64.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

FOLDER = Path(__file__).parent / "fixtures"


def load() -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """The fixture's arrays by name, and its settings and losses."""
    with np.load(FOLDER / "parity_small.npz", allow_pickle=False) as archive:
        arrays = {name: archive[name] for name in archive.files}
    return arrays, json.loads((FOLDER / "parity_small.json").read_text())


def nhwc(array: np.ndarray) -> np.ndarray:
    """[B, C, H, W] -> [B, H, W, C]."""
    return array.transpose(0, 2, 3, 1)


def _modules(blocks: int) -> dict[str, tuple[str, tuple[str, ...]]]:
    """Our parameter path by (network, reference module name)."""
    table: dict[str, tuple[str, tuple[str, ...]]] = {}
    for net, ours in (("C", "compnet"), ("G", "finenet")):
        table[f"{net}/model.1"] = ("generator", (ours, "stem"))
        for i in range(3):
            table[f"{net}/model.{4 + 3 * i}"] = ("generator", (ours, f"down_{i}"))
    table["C/model.14"] = ("generator", ("compnet", "head"))
    for i in range(blocks):
        for j, index in enumerate((1, 5)):
            name = f"G/model.{13 + i}.conv_block.{index}"
            table[name] = ("generator", ("finenet", f"block_{i}", f"conv_{j}"))
    for i in range(3):
        table[f"G/model.{13 + blocks + 3 * i}"] = ("up", ("finenet", f"up_{i}"))
    table[f"G/model.{13 + blocks + 10}"] = ("generator", ("finenet", "head"))
    for scale in range(2):
        for layer in range(5):
            ours = "logits" if layer == 4 else f"conv_{layer}"
            # The reference numbers weights from the coarse scale: its scale 1 sees full resolution.
            path = (f"scale_{1 - scale}", ours)
            table[f"D/scale{scale}_layer{layer}.0"] = ("discriminator", path)
    return table


def parameters(arrays: dict[str, np.ndarray], prefix: str, blocks: int) -> dict[str, Any]:
    """{"generator": …, "discriminator": …} trees of the arrays under `prefix` ("init", "grad", "after3")."""
    trees: dict[str, Any] = {"generator": {}, "discriminator": {}}
    for name, (kind, path) in _modules(blocks).items():
        node = trees["discriminator" if kind == "discriminator" else "generator"]
        for part in path:
            node = node.setdefault(part, {})
        weight = arrays[f"{prefix}/{name}.weight"]
        # PyTorch stores a transposed convolution as [in, out, kh, kw], all others as [out, in, kh, kw].
        axes = (2, 3, 0, 1) if kind == "up" else (2, 3, 1, 0)
        node["kernel"] = weight.transpose(axes)
        node["bias"] = arrays[f"{prefix}/{name}.bias"]
    return trees


def feeds_a_norm(network: str, path: tuple[str, ...]) -> bool:
    """Whether a norm follows this convolution, so that its bias has no effect and a gradient of noise."""
    if network == "discriminator":
        return path[1] not in ("conv_0", "logits")
    return path[1] != "head"
