"""Every configuration loads, names known choices, and one step of it can be traced by shape."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import pytest

from dsslic_jax.classes import class_table
from dsslic_jax.models.layers import init_params
from dsslic_jax.models.vgg import VGG19Features
from dsslic_jax.train.segmentation import init_segmentation_state, make_segmentation_step
from dsslic_jax.train.settings import resolve
from dsslic_jax.train.state import init_state
from dsslic_jax.train.steps import make_train_step

FOLDER = Path(__file__).resolve().parent.parent / "configs"
NAMES = sorted(p.stem for p in FOLDER.glob("*.py") if p.stem not in ("__init__", "default"))


def step_by_shape(config: Any) -> tuple[Any, Any, Any]:
    """The state's shapes before and after one step, and the metrics'."""
    if config.task == "segmentation":
        step = make_segmentation_step(config, class_table(config.data.classes).void_ids)
        state = jax.eval_shape(lambda: init_segmentation_state(config))
    else:
        step = make_train_step(config)
        frozen = None
        if config.losses.vgg_weight:
            picture = jax.ShapeDtypeStruct((1, 64, 64, 3), jnp.float32)
            frozen = init_params(VGG19Features(), 0, picture)["params"]
        state = jax.eval_shape(lambda: init_state(config, frozen))
    size = (config.train.batch_size, *config.data.crop)
    batch = {
        "image": jax.ShapeDtypeStruct((*size, 3), jnp.uint8),
        "labels": jax.ShapeDtypeStruct(size, jnp.uint8),
    }
    return state, *jax.eval_shape(step, state, batch)


@pytest.mark.parametrize(
    ("name", "variant"),
    [(name, variant) for name in NAMES for variant in ("", "tiny")]
    + [("camvid", "two_cores"), ("cityscapes", "reference")],
)
def test_a_step_keeps_the_state_s_shapes(name: str, variant: str) -> None:
    config = resolve(importlib.import_module(f"configs.{name}").get_config(variant))
    state, after, metrics = step_by_shape(config)
    assert jax.tree.map(lambda x: (x.shape, x.dtype), after) == jax.tree.map(
        lambda x: (x.shape, x.dtype), state
    )
    assert all(leaf.shape == () for leaf in jax.tree.leaves(metrics))
    has_vgg_term = config.task == "compression" and config.losses.vgg_weight > 0
    assert ("G/vgg" in metrics) == has_vgg_term


def test_there_is_a_config_for_each_published_use() -> None:
    expected = {"ade20k", "camvid", "cityscapes", "quickstart", "segnet_ade20k", "segnet_camvid"}
    assert expected <= set(NAMES)


def test_poster_scale_configs_have_the_poster_s_settings() -> None:
    ade20k = resolve(importlib.import_module("configs.ade20k").get_config())
    cityscapes = resolve(importlib.import_module("configs.cityscapes").get_config())
    assert (ade20k.model.classes, tuple(ade20k.data.crop), ade20k.train.batch_size) == (
        151,
        (256, 256),
        8,
    )
    assert (cityscapes.model.classes, tuple(cityscapes.data.crop)) == (35, (512, 1024))
    assert cityscapes.train.batch_size == 2
    for config in (ade20k, cityscapes):
        assert config.coding.codecs == "external"
        assert config.losses.vgg_weight == 10.0
        assert (config.model.compnet_width, config.model.finenet_blocks) == (64, 9)


def test_an_unknown_variant_is_refused() -> None:
    with pytest.raises(ValueError, match="tiny"):
        importlib.import_module("configs.quickstart").get_config("huge")
