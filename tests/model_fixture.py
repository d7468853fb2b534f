"""The fixtures `tiny_bundle` and `tiny_model`: a whole model with random weights, made without training."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from configs.default import compression, segmentation, tiny
from dsslic_jax.bundle import directory as bundles
from dsslic_jax.bundle.directory import Bundle, flatten
from dsslic_jax.classes.table import class_table
from dsslic_jax.models.coarse import build_coarse_model
from dsslic_jax.models.layers import init_params
from dsslic_jax.models.segnet import build_segnet

TABLE = "camvid"  # its last id, 11, is void


def make_bundle(seed: int = 0, table: str = TABLE, **model: Any) -> Bundle:
    """CompNet, FineNet and SegNet of the `tiny` configurations, with weights drawn from `seed`.

    `model` replaces settings of the coarse model.
    """
    classes = class_table(table)
    coarse, segnet = tiny(compression()), tiny(segmentation())
    coarse.model.update(model)
    coarse.model.classes = segnet.model.classes = classes.num_classes
    picture = jax.ShapeDtypeStruct((1, 32, 32, 3), np.float32)
    labels = jax.ShapeDtypeStruct((1, 32, 32), np.int32)
    weights = flatten(
        init_params(build_segnet(segnet.model), seed, picture, kernel_std=_fan_in), "segnet"
    )
    variables = init_params(build_coarse_model(coarse.model), seed, labels, picture)
    for collection in variables.values():
        for name, tree in collection.items():
            weights |= flatten(tree, name)
    return Bundle(
        classes=classes,
        model=coarse.model.to_dict(),
        segnet=segnet.model.to_dict(),
        coding=coarse.coding.to_dict(),
        provenance={"coarse": {"trained_on": "nothing"}, "segnet": {"trained_on": "noise"}},
        weights=weights,
    )


def coarse_part(bundle: Bundle) -> Bundle:
    """The bundle without its SegNet, as training the compression networks writes it."""
    return replace(
        bundle,
        segnet=None,
        provenance={"coarse": bundle.provenance["coarse"]},
        weights={n: w for n, w in bundle.weights.items() if not n.startswith("segnet/")},
    )


def segnet_part(bundle: Bundle) -> Bundle:
    """The bundle's SegNet alone, as training SegNet writes it."""
    return replace(
        bundle,
        model=None,
        coding={},
        provenance={"segnet": bundle.provenance["segnet"]},
        weights={n: w for n, w in bundle.weights.items() if n.startswith("segnet/")},
    )


def with_weight(bundle: Bundle, name: str, change: np.ndarray | float) -> Bundle:
    """The bundle with `change` added to one weight array."""
    changed = (bundle.weights[name] + change).astype(bundle.weights[name].dtype)
    return replace(bundle, weights={**bundle.weights, name: changed})


@pytest.fixture(scope="session")
def tiny_bundle() -> Bundle:
    """A coarse model and a SegNet for the class table camvid."""
    return make_bundle()


@pytest.fixture(scope="session")
def tiny_model(tiny_bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model directory of `tiny_bundle`; not to be written to."""
    directory = tmp_path_factory.mktemp("models") / "tiny"
    bundles.save(tiny_bundle, directory)
    return directory


def _fan_in(shape: tuple[int, ...]) -> float:
    """Keeps SegNet's scores apart from picture to picture; at 0.02 it answers one class everywhere."""
    return float(np.sqrt(2 / np.prod(shape[:-1])))
