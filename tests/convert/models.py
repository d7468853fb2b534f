"""Small models with random weights that conversion tests share, and how far two results are apart."""

from __future__ import annotations

from typing import Any

import numpy as np

from dsslic_jax.bundle.directory import Bundle
from dsslic_jax.classes.table import class_table
from dsslic_jax.convert.ours import SETTINGS, drawn
from dsslic_jax.convert.rules import Arrays
from dsslic_jax.models.coarse import coarse_networks

TABLE = class_table("camvid")
CLASSES = TABLE.num_classes
DISCRIMINATOR = {"width": 4, "layers": 3, "scales": 2, "channels": CLASSES + 6, "norm": "instance"}


def coarse_settings(**chosen: Any) -> dict[str, Any]:
    sizes = {"classes": CLASSES, "compnet_width": 4, "finenet_width": 6, "finenet_blocks": 2}
    return {**SETTINGS["coarse"], **sizes, "finenet_downs": 3, **chosen}


def segnet_settings(**chosen: Any) -> dict[str, Any]:
    sizes = {"classes": CLASSES, "backbone": "small", "width": 8, "pyramid_width": 8}
    return {**SETTINGS["segnet"], **sizes, "auxiliary_width": 4, **chosen}


def enhancenet_settings(**chosen: Any) -> dict[str, Any]:
    sizes = {"classes": CLASSES, "width": 6, "blocks": 2, "label_width": 3}
    return {**SETTINGS["enhancenet"], **sizes, **chosen}


def weights(network: str, settings: dict[str, Any], seed: int = 0) -> dict[str, np.ndarray]:
    """Random arrays, biases, statistics and what is drawn as 0 too, so that none can be left out unnoticed.

    Variances stay positive.
    """
    rng = np.random.default_rng(seed)
    return {
        name: array + (0.2 * rng.uniform(0.1, 1.0, array.shape)).astype(np.float32)
        if name.rpartition("/")[2] != "kernel" or not array.any()
        else array
        for name, array in drawn(network, settings).items()
    }


def make_bundle(
    coarse: dict[str, Any] | None = None,
    segnet: dict[str, Any] | None = None,
    enhancenet: dict[str, Any] | None = None,
) -> Bundle:
    """A model of these parts; None leaves a part out."""
    arrays: dict[str, np.ndarray] = {}
    if coarse is not None:
        for network in coarse_networks(coarse):
            arrays |= weights(network, coarse)
    if segnet is not None:
        arrays |= weights("segnet", segnet)
    if enhancenet is not None:
        arrays |= weights("enhancenet", enhancenet)
    return Bundle(TABLE, coarse, segnet, {}, {}, arrays, enhancenet)


def inputs(height: int, width: int, batch: int = 2) -> tuple[np.ndarray, np.ndarray]:
    """Labels int32 [B, H, W] and a picture float32 [B, H, W, 3] in [-1, 1]."""
    rng = np.random.default_rng([height, width])
    labels = rng.integers(0, CLASSES, (batch, height, width), dtype=np.int32)
    return labels, rng.uniform(-1, 1, (batch, height, width, 3)).astype(np.float32)


def apart(ours: Any, theirs: Any) -> float:
    """The largest difference of [B, H, W, C] and a PyTorch [B, C, H, W], relative to the largest value."""
    expected = theirs.detach().numpy().transpose(0, 2, 3, 1)
    assert ours.shape == expected.shape
    return float(np.abs(np.asarray(ours) - expected).max() / np.abs(expected).max())


def same_arrays(one: Arrays, other: Arrays) -> bool:
    return one.keys() == other.keys() and all(
        array.dtype == other[name].dtype and np.array_equal(array, other[name])
        for name, array in one.items()
    )
