"""Batches: an endless shuffled stream for training.

The training stream is a pure function of (source, framing, seed): element i of the stream has its
own random generator, however many hosts, threads or processes make it. Batch n is elements n B to
(n + 1) B - 1; each host makes those of them that its devices hold. So nothing of a stream need be
saved: it goes on from any batch, on any number of hosts.
"""

from __future__ import annotations

from collections.abc import Sequence

import grain
import numpy as np
from ml_collections import ConfigDict

from dsslic_jax.data.elements import Element, Source
from dsslic_jax.data.sources import open_source
from dsslic_jax.data.transforms import Framing, stacked
from dsslic_jax.errors import ConfigError

_THREADS = 8  # decoding threads per host or worker process; Pillow decodes outside Python's lock
_BATCHES_AHEAD = 8  # batches held ready; grain's default of 500 would fill the memory


class _Augment(grain.transforms.RandomMap):
    def __init__(self, framing: Framing) -> None:
        self._framing = framing

    def random_map(self, element: Element, rng: np.random.Generator) -> Element:
        return self._framing.augmented(element, rng)


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
    data_config: ConfigDict,
    *,
    batch_size: int,
    seed: int,
    start: int = 0,
    positions: Sequence[int] | None = None,
    source: Source | None = None,
) -> grain.DatasetIterator:
    """Starts the endless training stream of one host.

    Every epoch is a new permutation of the split; batches run across the end of an epoch, so no
    picture is left out.

    Args:
      data_config: the `data` part of a configuration.
      batch_size: B, pictures per step over all hosts.
      seed: decides order, scale, crop and mirroring.
      start: how many batches to leave out at the beginning; they are not made.
      positions: which pictures of each batch this host makes; None: all of them.
      source: pictures to use in place of `data_config.train_split`, for instance to read
        `skipped` from it afterwards.

    Returns:
      A grain iterator over the batches of `transforms.stacked`, of as many pictures as there are
      positions. Call its `close` when done: worker processes left to the interpreter's exit
      complain loudly.

    Raises:
      ConfigError: positions outside the batch.
      DataError: the data cannot be used; while iterating, also a single bad file.
    """
    positions = range(batch_size) if positions is None else positions
    if not positions or not set(positions) <= set(range(batch_size)):
        raise ConfigError(f"a batch of {batch_size} has no positions {list(positions)}")
    source = source or open_source(data_config, data_config.train_split)
    elements = grain.MapDataset.source(source).seed(seed).shuffle().repeat(None)
    elements = elements.random_map(_Augment(Framing.from_config(data_config)))
    share = grain.MapDataset.source(_Share(elements, batch_size, positions))
    batches = share.batch(len(positions), drop_remainder=True, batch_fn=stacked)[start:]
    stream = batches.to_iter_dataset(
        grain.ReadOptions(num_threads=_THREADS, prefetch_buffer_size=_BATCHES_AHEAD)
    )
    if data_config.workers > 0:
        _mark_flags_as_parsed()
        stream = stream.mp_prefetch(
            grain.MultiprocessingOptions(
                num_workers=data_config.workers, per_worker_buffer_size=_BATCHES_AHEAD
            )
        )
    return iter(stream)


def _mark_flags_as_parsed() -> None:
    """Grain's workers read absl flags, which only `app.run` parses: without it, defaults hold."""
    from absl import flags

    if not flags.FLAGS.is_parsed():
        flags.FLAGS.mark_as_parsed()
