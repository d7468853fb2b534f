"""The training stream: deterministic, resumable to the bit, and the same however it is divided."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from ml_collections import ConfigDict

from dsslic_jax.data.pipeline import train_iterator
from dsslic_jax.data.sources import SkippingSource, open_source
from dsslic_jax.errors import ConfigError, DataError

FolderConfig = Callable[..., ConfigDict]
WritePairs = Callable[..., Path]


def take(stream: Iterator[dict[str, np.ndarray]], count: int) -> list[dict[str, np.ndarray]]:
    return list(islice(stream, count))


def pictures(batches: list[dict[str, np.ndarray]]) -> list[bytes]:
    return [picture.tobytes() for batch in batches for picture in batch["image"]]


def assert_same_batch(left: dict[str, np.ndarray], right: dict[str, np.ndarray]) -> None:
    assert set(left) == set(right) == {"image", "labels"}
    for key, array in left.items():
        np.testing.assert_array_equal(array, right[key])


def test_batches_have_the_documented_shape(data_config: ConfigDict) -> None:
    batch = next(train_iterator(data_config, global_batch_size=3, seed=0))
    assert batch["image"].shape == (3, 32, 32, 3)
    assert batch["labels"].shape == (3, 32, 32)
    assert batch["image"].dtype == batch["labels"].dtype == np.uint8


def test_seed_decides_the_stream(data_config: ConfigDict) -> None:
    first, again, other = (
        take(train_iterator(data_config, global_batch_size=4, seed=seed), 5) for seed in (1, 1, 2)
    )
    for left, right in zip(first, again, strict=True):
        assert_same_batch(left, right)
    assert set(pictures(first)).isdisjoint(pictures(other))


@pytest.mark.parametrize("steps_before", [0, 3, 7])
def test_resumed_stream_continues_exactly(data_config: ConfigDict, steps_before: int) -> None:
    data_config.scale = (0.8, 1.5)
    stream = train_iterator(data_config, global_batch_size=4, seed=1)
    take(stream, steps_before)
    state = json.loads(json.dumps(stream.get_state()))
    expected = take(stream, 4)
    resumed = train_iterator(data_config, global_batch_size=4, seed=1)
    resumed.set_state(state)
    for left, right in zip(take(resumed, 4), expected, strict=True):
        assert_same_batch(left, right)


def test_worker_processes_make_the_same_stream_and_resume(data_config: ConfigDict) -> None:
    expected = take(train_iterator(data_config, global_batch_size=4, seed=1), 4)
    data_config.workers = 2
    stream = train_iterator(data_config, global_batch_size=4, seed=1)
    got = take(stream, 2)
    state = stream.get_state()
    stream.close()
    resumed = train_iterator(data_config, global_batch_size=4, seed=1)
    resumed.set_state(state)
    got += take(resumed, 2)
    resumed.close()
    for left, right in zip(got, expected, strict=True):
        assert_same_batch(left, right)


@pytest.mark.parametrize("hosts", [2, 3])
def test_hosts_together_see_the_batches_of_one(data_config: ConfigDict, hosts: int) -> None:
    alone = take(train_iterator(data_config, global_batch_size=6, seed=1), 6)
    divided = [
        take(
            train_iterator(
                data_config, global_batch_size=6, seed=1, process_index=host, process_count=hosts
            ),
            6,
        )
        for host in range(hosts)
    ]
    for step in range(6):
        together = pictures([batches[step] for batches in divided])
        assert sorted(together) == sorted(pictures([alone[step]]))


def test_each_epoch_is_another_permutation_of_the_split(data_config: ConfigDict) -> None:
    data_config.update({"crop": (48, 64), "flip": False})
    source = open_source(data_config, "train")
    number = {source[index]["image"].tobytes(): index for index in range(16)}
    order = [
        number[picture]
        for picture in pictures(take(train_iterator(data_config, global_batch_size=8, seed=0), 4))
    ]
    assert sorted(order[:16]) == sorted(order[16:]) == list(range(16))
    assert order[:16] != order[16:]
    assert order[:16] != list(range(16))


def test_same_picture_is_augmented_anew_each_epoch(data_config: ConfigDict) -> None:
    data_config.scenes_train = 1
    stream = train_iterator(data_config, global_batch_size=1, seed=0)
    assert len(set(pictures(take(stream, 10)))) > 5


def test_batches_run_across_the_end_of_an_epoch(data_config: ConfigDict) -> None:
    data_config.update({"scenes_train": 5, "crop": (48, 64), "flip": False})
    seen = pictures(take(train_iterator(data_config, global_batch_size=3, seed=0), 5))
    assert all(seen.count(picture) == 3 for picture in set(seen))


@pytest.mark.parametrize(
    ("batch", "index", "count", "message"),
    [(4, 0, 3, "cannot be divided over 3"), (0, 0, 1, "batch of 0"), (4, 2, 2, "no host 2")],
)
def test_impossible_division_is_refused(
    data_config: ConfigDict, batch: int, index: int, count: int, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        train_iterator(
            data_config, global_batch_size=batch, seed=0, process_index=index, process_count=count
        )


def test_bad_file_stops_the_stream_with_its_name(
    folder_config: FolderConfig, write_pairs: WritePairs
) -> None:
    root = write_pairs()
    (root / "train/images/p1.png").write_bytes(b"damaged")
    stream = train_iterator(folder_config(root), global_batch_size=3, seed=0)
    with pytest.raises(DataError, match=r"p1\.png"):
        next(stream)


def test_skipped_files_can_be_counted_from_outside(
    folder_config: FolderConfig, write_pairs: WritePairs
) -> None:
    root = write_pairs()
    (root / "train/images/p1.png").write_bytes(b"damaged")
    config = folder_config(root, on_bad_file="skip")
    source = open_source(config, "train")
    assert isinstance(source, SkippingSource)
    next(train_iterator(config, global_batch_size=3, seed=0, source=source))
    assert source.skipped == 1


def test_pictures_of_several_sizes_need_a_crop(
    folder_config: FolderConfig, write_pairs: WritePairs
) -> None:
    config = folder_config(write_pairs(), resize=30, crop=None, scale=(0.5, 2.0))
    with pytest.raises(DataError, match=r"set data\.crop"):
        next(train_iterator(config, global_batch_size=3, seed=0))
