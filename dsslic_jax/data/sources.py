"""The one door to pictures with label maps, whatever they are stored in."""

from __future__ import annotations

import logging
from pathlib import Path

from ml_collections import ConfigDict

from dsslic_jax.classes.table import class_table
from dsslic_jax.data.cached import CachedSource
from dsslic_jax.data.coded import CodedSource
from dsslic_jax.data.elements import Element, Source
from dsslic_jax.data.folders import FolderSource
from dsslic_jax.data.scenes.source import SceneSource
from dsslic_jax.errors import ConfigError, DataError
from dsslic_jax.pictures.reading import UnreadablePicture

_log = logging.getLogger(__name__)

KINDS = ("folders", "records", "coded", "tfds", "scenes")


class SkippingSource:
    """A source in which the next readable element stands in for an undecodable one.

    Only `UnreadablePicture` is passed over: a wrong size or label id means that the data set or
    its class table is not what the configuration says, and is raised.
    """

    def __init__(self, source: Source) -> None:
        self.name = source.name
        self._source = source
        self._unreadable: set[int] = set()

    def __len__(self) -> int:
        return len(self._source)

    def __getitem__(self, index: int) -> Element:
        for offset in range(len(self)):
            candidate = (int(index) + offset) % len(self)
            if candidate in self._unreadable:
                continue
            try:
                return self._source[candidate]
            except UnreadablePicture as error:
                self._unreadable.add(candidate)
                _log.warning("skipped: %s", error)
        raise DataError(f"{self.name}: none of its {len(self)} pictures can be read")

    @property
    def skipped(self) -> int:
        """How many undecodable elements this process has met so far, each counted once."""
        return len(self._unreadable)


def open_source(data_config: ConfigDict, split: str) -> Source:
    """Opens one split of the data set a configuration names.

    Args:
      data_config: the `data` part of a configuration; its keys are explained in
        configs/default.py.
      split: "train", "val" or "test", or a name of the data set's own.

    Returns:
      A source; a `SkippingSource` where `on_bad_file` is "skip"; elements kept in memory where `cache` is set.

    Raises:
      ConfigError: a key holds an unknown choice.
      DataError: the data is not there or not complete.
    """
    if data_config.on_bad_file not in ("error", "skip"):
        raise ConfigError(f'data.on_bad_file is {data_config.on_bad_file!r}: "error" or "skip"')
    source = _open(data_config, split)
    if data_config.cache:
        if data_config.workers:
            raise ConfigError("data.cache is of one process: set data.workers to 0")
        source = CachedSource(source, data_config.cache_gib)
    return SkippingSource(source) if data_config.on_bad_file == "skip" else source


def _open(data_config: ConfigDict, split: str) -> Source:
    if data_config.kind == "scenes":
        if data_config.classes != "scenes":
            raise ConfigError(
                f'data.kind "scenes" needs data.classes "scenes", not {data_config.classes!r}'
            )
        return SceneSource.from_config(data_config, split)
    table = class_table(data_config.classes)
    if data_config.kind == "folders":
        if not data_config.root:
            raise ConfigError('data.kind "folders" needs data.root, the folder of the splits')
        return FolderSource(Path(data_config.root), split, data_config.layout, table)
    if data_config.kind == "records":
        if not data_config.root:
            raise ConfigError('data.kind "records" needs data.root, which `dsslic prepare` wrote')
        # Only here: its package is not on every system.
        from dsslic_jax.data.records import RecordSource

        return RecordSource(Path(data_config.root), split, table)
    if data_config.kind == "coded":
        if not data_config.root:
            raise ConfigError('data.kind "coded" needs data.root, the folder of the splits')
        return CodedSource(Path(data_config.root), split, table)
    if data_config.kind == "tfds":
        # Only here: TensorFlow Datasets takes a second to import.
        from dsslic_jax.data.tfds_source import TfdsSource

        return TfdsSource(data_config.builder, data_config.data_dir, split, table)
    raise ConfigError(f"unknown data.kind {data_config.kind!r}; known: {', '.join(KINDS)}")
