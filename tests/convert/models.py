"""Small models with random weights that conversion tests share, and how far two results are apart."""

from typing import Any

import numpy as np

from dsslic_jax.bundle.model import Bundle, Part
from dsslic_jax.classes.table import class_table
from dsslic_jax.convert import discriminator
from dsslic_jax.convert.discriminator import StoredDiscriminator
from dsslic_jax.convert.rules import Arrays
from dsslic_jax.models.parts import part_kinds
from dsslic_jax.models.settings import CoarseSettings, EnhanceNetSettings, SegNetSettings
from dsslic_jax.settings.fields import Settings
from dsslic_jax.settings.reading import to_mapping

TABLE = class_table("camvid")
CLASSES = TABLE.num_classes
DISCRIMINATOR = StoredDiscriminator(width=4, channels=CLASSES + 6)


def coarse_settings(**chosen: Any) -> CoarseSettings:
    sizes = {"classes": CLASSES, "compnet_width": 4, "finenet_width": 6, "finenet_blocks": 2}
    return CoarseSettings(**{**sizes, **chosen})


def segnet_settings(**chosen: Any) -> SegNetSettings:
    sizes = {"classes": CLASSES, "backbone": "small", "width": 8, "pyramid_width": 8}
    return SegNetSettings(**{**sizes, "auxiliary_width": 4, **chosen})


def enhancenet_settings(**chosen: Any) -> EnhanceNetSettings:
    sizes = {"classes": CLASSES, "width": 6, "blocks": 2, "label_width": 3}
    return EnhanceNetSettings(**{**sizes, **chosen})


def randomised(arrays: Arrays) -> dict[str, np.ndarray]:
    """Random arrays, biases, statistics and what is drawn as 0 too, so that none can be left out unnoticed.

    Variances stay positive.
    """
    rng = np.random.default_rng(0)
    return {
        name: array + (0.2 * rng.uniform(0.1, 1.0, array.shape)).astype(np.float32)
        if name.rpartition("/")[2] != "kernel" or not array.any()
        else array
        for name, array in arrays.items()
    }


def discriminator_arrays(settings: StoredDiscriminator = DISCRIMINATOR) -> dict[str, np.ndarray]:
    """Random arrays of a discriminator, as the state of a training has them."""
    rng = np.random.default_rng(1)
    shapes = discriminator.shapes(to_mapping(settings))
    return {n: rng.normal(0, 0.02, shape).astype(np.float32) for n, shape in shapes.items()}


def make_bundle(
    coarse: CoarseSettings | None = None,
    segnet: SegNetSettings | None = None,
    enhancenet: EnhanceNetSettings | None = None,
) -> Bundle:
    """A model of these parts; None leaves a part out."""
    chosen: dict[str, Settings | None] = {
        "coarse": coarse,
        "segnet": segnet,
        "enhancenet": enhancenet,
    }
    parts = {
        name: Part(settings, randomised(part_kinds()[name].drawn(settings)))
        for name, settings in chosen.items()
        if settings is not None
    }
    return Bundle(TABLE, parts)


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
