"""Batches: an endless shuffled stream for training.

The training stream is a pure function of (source, settings, seed): element i of the stream has its
own random generator, however many hosts, threads or processes make it. Batch n is elements n B to
(n + 1) B - 1; each host makes those of them that its devices hold. So nothing of a stream need be
saved: it goes on from any batch, on any number of hosts.
"""

from collections.abc import Sequence

import grain
import numpy as np

from dsslic_jax.data.elements import Element, Source
from dsslic_jax.data.settings import DataSettings
from dsslic_jax.data.sources import open_source
from dsslic_jax.data.transforms import augmented, stacked
from dsslic_jax.errors import ConfigError

_THREADS = 8  # decoding threads per host or worker process; Pillow decodes outside Python's lock
_BATCHES_AHEAD = 8  # batches held ready; grain's default of 500 would fill the memory


class _Augment(grain.transforms.RandomMap):
    def __init__(self, data: DataSettings) -> None:
        self._data = data

    def random_map(self, element: Element, rng: np.random.Generator) -> Element:
        return augmented(element, self._data, rng)


class _Share:
    """The elements at `positions` of each group of `size` elements."""

    def __init__(self, elements: grain.MapDataset, size: int, positions: Sequence[int]) -> None:
        self._elements = elements
        self._size = size
        self._positions = tuple(positions)

    def __len__(self) -> int:
        return len(self._elements) // self._size * len(self._positions)

    def __getitem__(self, index: int) -> Element:
        group, place = divmod(index, len(self._positions))
        return self._elements[group * self._size + self._positions[place]]


def train_iterator(
    data: DataSettings,
    *,
    batch_size: int,
    seed: int,
    start: int = 0,
    positions: Sequence[int] | None = None,
    source: Source | None = None,
) -> grain.DatasetIterator:
    """Starts the endless training stream of one host: batches as `transforms.stacked` makes them.

    Every epoch is a new permutation of the split; batches run across the end of an epoch, so no
    picture is left out. Call the iterator's `close` when done: worker processes left to the
    interpreter's exit complain loudly.

    Args:
      data: which pictures, and how they are framed.
      batch_size: B, pictures per step over all hosts.
      seed: decides order, scale, crop and mirroring.
      start: how many batches to leave out at the beginning; they are not made.
      positions: which pictures of each batch this host makes; None: all of them.
      source: opened already; None: `data.train_split`.

    Raises:
      ConfigError: positions outside the batch.
      DataError: the data cannot be used; while iterating, also a single bad file.
    """
    positions = range(batch_size) if positions is None else positions
    if not positions or not set(positions) <= set(range(batch_size)):
        raise ConfigError(f"a batch of {batch_size} has no positions {list(positions)}")
    source = source or open_source(data, data.train_split)
    elements = grain.MapDataset.source(source).seed(seed).shuffle().repeat(None)
    elements = elements.random_map(_Augment(data))
    share = grain.MapDataset.source(_Share(elements, batch_size, positions))
    batches = share.batch(len(positions), drop_remainder=True, batch_fn=stacked)[start:]
    stream = batches.to_iter_dataset(
        grain.ReadOptions(num_threads=_THREADS, prefetch_buffer_size=_BATCHES_AHEAD)
    )
    if data.workers > 0:
        _mark_flags_as_parsed()
        stream = stream.mp_prefetch(
            grain.MultiprocessingOptions(
                num_workers=data.workers, per_worker_buffer_size=_BATCHES_AHEAD
            )
        )
    return iter(stream)


def _mark_flags_as_parsed() -> None:
    """Grain's workers read absl flags, which only `app.run` parses: without it, defaults hold."""
    from absl import flags

    if not flags.FLAGS.is_parsed():
        flags.FLAGS.mark_as_parsed()
