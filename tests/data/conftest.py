"""Configurations and small data sets, written anew for each test, that the data tests share."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from ml_collections import ConfigDict
from PIL import Image

from dsslic_jax.configs.default import compression
from dsslic_jax.data.settings import DataSettings
from dsslic_jax.settings.reading import read

WritePairs = Callable[..., Path]


def settings_of(config: ConfigDict) -> DataSettings:
    """The settings that a configuration's `data` holds, as `make_task` reads them."""
    return read(DataSettings, config.to_dict(), "data.")


@pytest.fixture
def data_config() -> ConfigDict:
    """The project's own keys, set to 16 small generated scenes."""
    config = compression().data
    config.update({"kind": "scenes", "classes": "scenes", "crop": (32, 32), "flip": True})
    config.update({"scenes_size": (48, 64), "scenes_train": 16, "scenes_test": 5})
    return config


@pytest.fixture
def write_pairs(tmp_path: Path) -> WritePairs:
    """Writes `count` random pictures with label maps of ids below `num_ids`; returns the root."""

    def write(
        images: str = "train/images",
        labels: str = "train/labels",
        count: int = 3,
        num_ids: int = 12,
        suffix: str = ".png",
    ) -> Path:
        rng = np.random.default_rng(7)
        root = tmp_path / "set"
        for folder in (images, labels):
            (root / folder).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            picture = rng.integers(0, 256, (24, 40, 3), dtype=np.uint8)
            Image.fromarray(picture).save(root / images / f"p{number}{suffix}")
            label_map = rng.integers(0, num_ids, (24, 40), dtype=np.uint8)
            Image.fromarray(label_map).save(root / labels / f"p{number}.png")
        return root

    return write


@pytest.fixture
def folder_config(data_config: ConfigDict) -> Callable[..., ConfigDict]:
    """A configuration that reads CamVid-like folders below `root`."""

    def make(root: Path, **changes: object) -> ConfigDict:
        data_config.update({"kind": "folders", "root": str(root), "classes": "camvid"})
        data_config.update(changes)
        return data_config

    return make
