"""The one way to pictures with label maps, whatever they are stored in."""

import logging
import threading

from dsslic_jax.data.elements import Element, Source
from dsslic_jax.data.kinds import OPENERS
from dsslic_jax.data.settings import DataSettings
from dsslic_jax.errors import ConfigError, DataError
from dsslic_jax.pictures.reading import UnreadablePicture

_log = logging.getLogger(__name__)
_BYTES_PER_GIB = 1 << 30
_ENOUGH = 16  # elements, to tell from how large all are


class CachedSource:
    """A source that keeps each element once it was decoded, for sets that fit in memory.

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


def open_source(data: DataSettings, split: str) -> Source:
    """Opens a split, "train", "val", "test" or another name, of the data set that the settings name.

    It is a `SkippingSource` where `on_bad_file` is "skip". Raises ConfigError where a setting that this kind of source
    needs is missing, DataError where the data is not there or not complete.
    """
    source = OPENERS[data.kind](data, split)
    if data.cache:
        source = CachedSource(source, data.cache_gib)
    return SkippingSource(source) if data.on_bad_file == "skip" else source
