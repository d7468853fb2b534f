"""Small configurations that tests share, so that they share compiled steps too."""

from __future__ import annotations

from typing import Any

from ml_collections import ConfigDict

from configs import default


def small_compression(**train: Any) -> ConfigDict:
    """Width 4, one block, 64x64 embedded scenes, batch 8, four steps; unlocked."""
    return _on_small_scenes(default.compression(), train)


def small_segmentation(**train: Any) -> ConfigDict:
    """The small SegNet at width 8 on the same scenes; unlocked."""
    return _on_small_scenes(default.segmentation(), train)


def _on_small_scenes(config: ConfigDict, train: dict[str, Any]) -> ConfigDict:
    config = default.tiny(config)
    config.data.kind = "scenes"
    config.data.eval_split = "test"
    config.data.scenes_size = (64, 64)
    config.train.update({"batch_size": 8, "sample_every": 0, **train})
    return config
