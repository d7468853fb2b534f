"""Every configuration loads, names known choices, and one step of it can be traced by shape."""

import importlib
from pathlib import Path
from typing import Any

import jax
import pytest

from docs.settings_page import document
from dsslic_jax.errors import ConfigError
from dsslic_jax.plan.planning import state_shapes
from dsslic_jax.system.command_line import recipe
from dsslic_jax.train.tasks.registry import make_task
from dsslic_jax.train.tasks.task import Task
from tests.configurations import settings_of

FOLDER = Path(__file__).resolve().parent.parent / "configs"
NAMES = sorted(p.stem for p in FOLDER.glob("*.py") if p.stem not in ("__init__", "default"))


def step_by_shape(task: Task[Any]) -> tuple[Any, Any, Any]:
    """The state's shapes before and after one step, and the metrics'."""
    state = state_shapes(task)
    batch = task.batch_shapes(task.settings.train.batch_size)
    return state, *jax.eval_shape(task.step(), state, batch)


@pytest.mark.parametrize(
    ("name", "variant"),
    [(name, variant) for name in NAMES for variant in ("", "tiny")]
    + [("camvid", "two_cores"), ("cityscapes", "reference")]
    + [("camvid", "pixel_error"), ("natural", "pixel_error")],
)
def test_a_step_keeps_the_state_s_shapes(name: str, variant: str) -> None:
    task = make_task(importlib.import_module(f"dsslic_jax.configs.{name}").get_config(variant))
    state, after, metrics = step_by_shape(task)
    assert jax.tree.map(lambda x: (x.shape, x.dtype), after) == jax.tree.map(
        lambda x: (x.shape, x.dtype), state
    )
    assert all(leaf.shape == () for leaf in jax.tree.leaves(metrics))
    config = task.settings
    has_vgg_term = config.task == "compression" and config.losses.vgg_weight > 0
    assert ("G/vgg" in metrics) == has_vgg_term


def test_there_is_a_config_for_each_published_use() -> None:
    expected = {"ade20k", "camvid", "cityscapes", "quickstart"}
    assert expected | {"segnet_ade20k", "segnet_camvid", "segnet_natural"} <= set(NAMES)


def test_poster_scale_configs_have_the_poster_s_settings() -> None:
    ade20k = settings_of(importlib.import_module("dsslic_jax.configs.ade20k").get_config())
    cityscapes = settings_of(importlib.import_module("dsslic_jax.configs.cityscapes").get_config())
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
        importlib.import_module("dsslic_jax.configs.quickstart").get_config("huge")


def test_the_page_of_settings_is_current() -> None:
    page = (FOLDER.parent / "docs" / "settings.md").read_text()
    assert page == document(), "python docs/settings_page.py > docs/settings.md"


def test_a_recipe_is_known_by_its_name_from_anywhere(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    path, _, variant = recipe("ade20k:tiny").partition(":")
    assert Path(path).read_bytes() == (FOLDER / "ade20k.py").read_bytes() and variant == "tiny"
    assert recipe("my/own.py:tiny") == "my/own.py:tiny"
    with pytest.raises(ConfigError, match=r"unknown configuration 'coco'; known: ade20k, .*\.py"):
        recipe("coco")
