"""Batches from the loader to the devices, one ahead of the step that uses them."""

import time
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

import jax
import numpy as np

HostBatch = dict[str, np.ndarray]
DeviceBatch = Mapping[str, jax.Array]


class Fed(NamedTuple):
    """A batch.

    Attributes:
      batch: on the devices, split over the mesh.
      host: this host's share of it, as the loader made it.
      wait_s: how long the loader made this host wait for it, in seconds.
    """

    batch: DeviceBatch
    host: HostBatch
    wait_s: float


class Feed:
    """Hands out the batches of `data`, put on the devices by `put`."""

    def __init__(self, data: Iterator[HostBatch], put: Callable[[HostBatch], DeviceBatch]) -> None:
        self._data = data
        self._put = put
        self._ahead: Fed | None = None

    def take(self) -> Fed:
        """The next batch."""
        fed, self._ahead = self._ahead or self._fetch(), None
        return fed

    def look_ahead(self) -> None:
        """Fetches the batch after the one taken last; meanwhile the devices work on that."""
        self._ahead = self._fetch()

    def _fetch(self) -> Fed:
        began = time.perf_counter()
        host = next(self._data)
        wait_s = time.perf_counter() - began
        with jax.transfer_guard_host_to_device("allow"):  # the one copy that is meant
            return Fed(self._put(host), host, wait_s)
