"""Batches: an endless shuffled stream for training.

The training stream is a pure function of (source, framing, seed): element i of the stream has its
own random generator, however many hosts, threads or processes make it. Hosts take every
`process_count`-th element, so at each step their batches together are the batch one host would see.
"""

from __future__ import annotations

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


def train_iterator(
    data_config: ConfigDict,
    *,
    global_batch_size: int,
    seed: int,
    process_index: int = 0,
    process_count: int = 1,
    start: int = 0,
    source: Source | None = None,
) -> grain.DatasetIterator:
    """Starts the endless training stream of one host.

    Every epoch is a new permutation of the split; batches run across the end of an epoch, so no
    picture is left out.

    Args:
      data_config: the `data` part of a configuration.
      global_batch_size: pictures per step over all hosts.
      seed: decides order, scale, crop and mirroring.
      process_index: this host's number.
      process_count: how many hosts there are; divides `global_batch_size`.
      start: how many batches to leave out at the beginning; they are not made.
      source: pictures to use in place of `data_config.train_split`, for instance to read
        `skipped` from it afterwards.

    Returns:
      A grain iterator over dict(image uint8 [B, H, W, 3], labels uint8 [B, H, W]) with
      B = global_batch_size / process_count. `get_state` and `set_state` resume it exactly, given
      the same configuration with the same `workers` (the state's layout depends on that). Call
      its `close` when done: worker processes left to the interpreter's exit complain loudly.

    Raises:
      ConfigError: sizes that do not divide.
      DataError: the data cannot be used; while iterating, also a single bad file.
    """
    if global_batch_size < 1 or global_batch_size % process_count:
        raise ConfigError(
            f"the batch of {global_batch_size} cannot be divided over {process_count} hosts; "
            "make train.batch_size a multiple of their number"
        )
    if not 0 <= process_index < process_count:
        raise ConfigError(f"there is no host {process_index} among {process_count}")
    source = source or open_source(data_config, data_config.train_split)
    elements = grain.MapDataset.source(source).seed(seed).shuffle().repeat(None)
    elements = elements.random_map(_Augment(Framing.from_config(data_config)))
    batches = elements[process_index::process_count].batch(
        global_batch_size // process_count, drop_remainder=True, batch_fn=stacked
    )[start:]
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
