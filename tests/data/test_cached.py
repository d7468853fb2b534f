"""Pictures kept in memory are those of the files, read once, and no more than fit."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from ml_collections import ConfigDict

from dsslic_jax.data.elements import Element
from dsslic_jax.data.pipeline import train_iterator
from dsslic_jax.data.sources import CachedSource, SkippingSource, open_source
from dsslic_jax.errors import ConfigError
from tests.data.conftest import settings_of

FolderConfig = Callable[..., ConfigDict]
WritePairs = Callable[..., Path]


class Counting:
    """Black elements of 24 x 40 pixels, 3840 bytes each; counts what is read."""

    name = "counting"

    def __init__(self, count: int) -> None:
        self.reads = 0
        self._count = count

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int) -> Element:
        self.reads += 1
        image, labels = np.zeros((24, 40, 3), np.uint8), np.zeros((24, 40), np.uint8)
        return Element(image=image, labels=labels, name=str(index))


def test_each_element_is_read_once() -> None:
    counting = Counting(20)
    source = CachedSource(counting, most_gib=1.0)
    names = [source[index]["name"] for index in (3, 19, 3, *range(20), np.int64(3))]
    assert names == ["3", "19", "3", *map(str, range(20)), "3"]
    assert counting.reads == 20


@pytest.mark.parametrize("count", [20, 3])
def test_what_just_fits_is_kept_and_one_byte_less_is_refused(count: int) -> None:
    needed_gib = count * 3840 / 2**30
    source = CachedSource(Counting(count), needed_gib)
    assert [source[index]["name"] for index in range(count)] == [str(i) for i in range(count)]
    counting = Counting(count)
    source = CachedSource(counting, (count * 3840 - 1) / 2**30)
    with pytest.raises(ConfigError, match=rf"about {needed_gib:.3g} GiB for {count} pictures"):
        for index in range(count):
            source[index]
    assert counting.reads == min(count, 16)  # told well before the memory is full


def test_training_reads_the_same_batches_from_memory(data_config: ConfigDict) -> None:
    batches = []
    for cache in (False, True):
        data_config.cache = cache
        stream = train_iterator(settings_of(data_config), batch_size=4, seed=3)
        batches.append([next(stream)["image"] for _ in range(9)])
        stream.close()
    np.testing.assert_array_equal(*batches)


def test_bad_files_are_still_skipped_and_counted(
    folder_config: FolderConfig, write_pairs: WritePairs
) -> None:
    root = write_pairs()
    (root / "train/images/p1.png").write_bytes(b"damaged")
    source = open_source(settings_of(folder_config(root, on_bad_file="skip", cache=True)), "train")
    assert isinstance(source, SkippingSource)
    assert [source[index]["name"] for index in (0, 1, 2, 1)] == ["p0", "p2", "p2", "p2"]
    assert source.skipped == 1
    (root / "train/images/p2.png").unlink()
    assert source[2]["name"] == "p2"


def test_worker_processes_would_each_keep_their_own(data_config: ConfigDict) -> None:
    data_config.update({"cache": True, "workers": 2})
    with pytest.raises(ConfigError, match=r"data\.workers to 0"):
        open_source(settings_of(data_config), "train")
