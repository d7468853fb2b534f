"""Decoded pictures kept in memory, for sets that fit: a file is decoded once, not in every epoch."""

from __future__ import annotations

import threading

from dsslic_jax.data.elements import Element, Source
from dsslic_jax.errors import ConfigError

_BYTES_PER_GIB = 1 << 30
_ENOUGH = 16  # elements, to tell from how large all are


class CachedSource:
    """A source that keeps each element once it was read.

    How much all will need is told from those kept; with the last one that is exact.
    """

    def __init__(self, source: Source, most_gib: float) -> None:
        """Keeps at most `most_gib` (2^30 bytes) of pixels; elements are not to be written to."""
        self.name = source.name
        self._source = source
        self._most_gib = most_gib
        self._kept: dict[int, Element] = {}
        self._bytes = 0
        self._turn = threading.Lock()

    def __len__(self) -> int:
        return len(self._source)

    def __getitem__(self, index: int) -> Element:
        """Raises ConfigError where the set will not fit, and what the source raises."""
        index = int(index)
        if index in self._kept:
            return self._kept[index]
        element = self._source[index]  # by several threads at once, should they want the same
        with self._turn:
            if index not in self._kept:
                self._kept[index] = element
                self._bytes += sum(getattr(value, "nbytes", 0) for value in element.values())
                self._check_size()
        return element

    def _check_size(self) -> None:
        needed_gib = self._bytes / len(self._kept) * len(self) / _BYTES_PER_GIB
        if needed_gib > self._most_gib and len(self._kept) >= min(_ENOUGH, len(self)):
            raise ConfigError(
                f"{self.name}: data.cache needs about {needed_gib:.3g} GiB for {len(self)} pictures, "
                f"data.cache_gib allows {self._most_gib:g}: raise that or turn data.cache off"
            )
