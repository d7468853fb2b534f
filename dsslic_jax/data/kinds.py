"""The kinds of source that a configuration may name, `data.kind`: each a function that opens one split.

Light to import: what reads a kind is imported when it is opened.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from dsslic_jax.classes.table import class_table
from dsslic_jax.errors import ConfigError

if TYPE_CHECKING:
    from dsslic_jax.data.elements import Source
    from dsslic_jax.data.settings import DataSettings

Opener = Callable[["DataSettings", str], "Source"]  # settings, split; raises ConfigError, DataError


def _root(data: DataSettings) -> Path:
    if not data.root:
        raise ConfigError(f'data.kind "{data.kind}" needs data.root')
    return Path(data.root)


def _folders(data: DataSettings, split: str) -> Source:
    from dsslic_jax.data.folders import FolderSource

    return FolderSource(_root(data), split, data.layout, class_table(data.classes))


def _records(data: DataSettings, split: str) -> Source:
    from dsslic_jax.data.records import RecordSource

    return RecordSource(_root(data), split, class_table(data.classes))


def _coded(data: DataSettings, split: str) -> Source:
    from dsslic_jax.data.coded import CodedSource

    return CodedSource(_root(data), split, class_table(data.classes))


def _tfds(data: DataSettings, split: str) -> Source:
    from dsslic_jax.data.tfds_source import TfdsSource

    return TfdsSource(data.builder, data.data_dir, split, class_table(data.classes))


def _scenes(data: DataSettings, split: str) -> Source:
    from dsslic_jax.data.scenes.painting import SceneSource

    count = data.scenes_train if split == "train" else data.scenes_test
    return SceneSource(data.scenes_seed, split, count, *data.scenes_size)


OPENERS: dict[str, Opener] = {
    "folders": _folders,
    "records": _records,
    "coded": _coded,
    "tfds": _tfds,
    "scenes": _scenes,
}
