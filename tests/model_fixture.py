"""The fixtures `tiny_bundle` and `tiny_model`: a whole model with random weights, made without training."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dsslic_jax.bundle import directory as bundles
from dsslic_jax.bundle.model import Bundle, Part
from dsslic_jax.classes.table import class_table
from dsslic_jax.configs.default import compression, segmentation, tiny
from dsslic_jax.models.parts import COARSE, SEGNET
from dsslic_jax.models.settings import CoarseSettings, SegNetSettings
from dsslic_jax.settings.reading import read

TABLE = "camvid"  # its last id, 11, is void


def make_bundle(seed: int = 0, table: str = TABLE, **model: Any) -> Bundle:
    """CompNet, FineNet and SegNet of the `tiny` configurations, with weights drawn from `seed`.

    `model` replaces settings of the coarse model.
    """
    classes = class_table(table)
    coding = tiny(compression())
    counted = {"classes": classes.num_classes}
    coarse = read(CoarseSettings, coding.model.to_dict() | counted | model)
    segnet = read(SegNetSettings, tiny(segmentation()).model.to_dict() | counted)
    return Bundle(
        classes=classes,
        parts={
            "coarse": Part(coarse, COARSE.drawn(coarse, seed), {"trained_on": "nothing"}),
            # As training draws it: at 0.02 its scores answer one class everywhere.
            "segnet": Part(segnet, SEGNET.drawn(segnet, seed), {"trained_on": "noise"}),
        },
        coding=coding.coding.to_dict(),
    )


def only(bundle: Bundle, *parts: str) -> Bundle:
    """The bundle without its other parts."""
    return replace(bundle, parts={name: bundle.parts[name] for name in parts})


def coarse_part(bundle: Bundle) -> Bundle:
    """The bundle without its SegNet, as training the compression networks writes it."""
    return only(bundle, "coarse")


def segnet_part(bundle: Bundle) -> Bundle:
    """The bundle's SegNet alone, as training SegNet writes it."""
    return replace(only(bundle, "segnet"), coding={})


def changed(bundle: Bundle, part: str, **changes: Any) -> Bundle:
    """The bundle with other settings, arrays or provenance of a part; settings by name as {"settings": {…}}."""
    old = bundle.parts[part]
    if "settings" in changes:
        changes["settings"] = replace(old.settings, **changes["settings"])
    return replace(bundle, parts={**bundle.parts, part: replace(old, **changes)})


def without_weights(bundle: Bundle) -> Bundle:
    """The bundle as its description tells it."""
    return replace(
        bundle, parts={name: replace(part, arrays={}) for name, part in bundle.parts.items()}
    )


def with_weight(bundle: Bundle, name: str, change: np.ndarray | float) -> Bundle:
    """The bundle with `change` added to one weight array."""
    array = (bundle.weights[name] + change).astype(bundle.weights[name].dtype)
    return bundle.with_weights({**bundle.weights, name: array})


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
