"""Small configurations that tests share, so that they share compiled steps too."""

from typing import Any

from ml_collections import ConfigDict

from dsslic_jax.configs import default
from dsslic_jax.train.tasks.registry import make_task


def small_compression(**train: Any) -> ConfigDict:
    """Width 4, one block, 64x64 embedded scenes, batch 8, four steps; unlocked."""
    return on_small_scenes(default.compression(), train)


def small_segmentation(**train: Any) -> ConfigDict:
    """The small SegNet at width 8 on the same scenes; unlocked."""
    return on_small_scenes(default.segmentation(), train)


def settings_of(config: ConfigDict) -> Any:
    """The settings of a configuration, as `make_task` reads them."""
    return make_task(config).settings


def on_small_scenes(config: ConfigDict, train: dict[str, Any]) -> ConfigDict:
    config = default.tiny(config)
    config.data.kind = "scenes"
    config.data.eval_split = "test"
    config.data.scenes_size = (64, 64)
    config.train.update({"batch_size": 8, "sample_every": 0, **train})
    return config
