"""The training stream: deterministic, resumable to the bit, and the same however it is divided."""

from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from ml_collections import ConfigDict

from dsslic_jax.data.pipeline import train_iterator
from dsslic_jax.data.sources import SkippingSource, open_source
from dsslic_jax.errors import ConfigError, DataError
from tests.data.conftest import settings_of

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
    batch = next(train_iterator(settings_of(data_config), batch_size=3, seed=0))
    assert batch["image"].shape == (3, 32, 32, 3)
    assert batch["labels"].shape == (3, 32, 32)
    assert batch["image"].dtype == batch["labels"].dtype == np.uint8


def test_seed_decides_the_stream(data_config: ConfigDict) -> None:
    first, again, other = (
        take(train_iterator(settings_of(data_config), batch_size=4, seed=seed), 5)
        for seed in (1, 1, 2)
    )
    for left, right in zip(first, again, strict=True):
        assert_same_batch(left, right)
    assert set(pictures(first)).isdisjoint(pictures(other))


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("start", [0, 3, 7])
def test_a_stream_goes_on_from_any_batch(data_config: ConfigDict, start: int, workers: int) -> None:
    data_config.scale = (0.8, 1.5)
    expected = take(train_iterator(settings_of(data_config), batch_size=4, seed=1), start + 3)[
        start:
    ]
    data_config.workers = workers  # a process of its own makes the same
    stream = train_iterator(settings_of(data_config), batch_size=4, seed=1, start=start)
    got = take(stream, 3)
    stream.close()
    for left, right in zip(got, expected, strict=True):
        assert_same_batch(left, right)


@pytest.mark.parametrize("positions", [[[0, 1, 2], [3, 4, 5]], [[0, 3], [1, 2], [4, 5]]])
def test_hosts_together_make_the_batches_of_one(
    data_config: ConfigDict, positions: list[list[int]]
) -> None:
    alone = take(train_iterator(settings_of(data_config), batch_size=6, seed=1), 6)
    divided = [
        take(train_iterator(settings_of(data_config), batch_size=6, seed=1, positions=of_host), 6)
        for of_host in positions
    ]
    for step, batch in enumerate(alone):
        for of_host, batches in zip(positions, divided, strict=True):
            assert_same_batch(batches[step], {k: v[of_host] for k, v in batch.items()})


def test_each_epoch_is_another_permutation_of_the_split(data_config: ConfigDict) -> None:
    data_config.update({"crop": (48, 64), "flip": False})
    source = open_source(settings_of(data_config), "train")
    number = {source[index]["image"].tobytes(): index for index in range(16)}
    order = [
        number[picture]
        for picture in pictures(
            take(train_iterator(settings_of(data_config), batch_size=8, seed=0), 4)
        )
    ]
    assert sorted(order[:16]) == sorted(order[16:]) == list(range(16))
    assert order[:16] != order[16:]
    assert order[:16] != list(range(16))


def test_same_picture_is_augmented_anew_each_epoch(data_config: ConfigDict) -> None:
    data_config.scenes_train = 1
    stream = train_iterator(settings_of(data_config), batch_size=1, seed=0)
    assert len(set(pictures(take(stream, 10)))) > 5


def test_batches_run_across_the_end_of_an_epoch(data_config: ConfigDict) -> None:
    data_config.update({"scenes_train": 5, "crop": (48, 64), "flip": False})
    seen = pictures(take(train_iterator(settings_of(data_config), batch_size=3, seed=0), 5))
    assert all(seen.count(picture) == 3 for picture in set(seen))


@pytest.mark.parametrize("positions", [[], [3, 4], [-1]])
def test_positions_outside_the_batch_are_refused(
    data_config: ConfigDict, positions: list[int]
) -> None:
    with pytest.raises(ConfigError, match="a batch of 4 has no positions"):
        train_iterator(settings_of(data_config), batch_size=4, seed=0, positions=positions)


def test_bad_file_stops_the_stream_with_its_name(
    folder_config: FolderConfig, write_pairs: WritePairs
) -> None:
    root = write_pairs()
    (root / "train/images/p1.png").write_bytes(b"damaged")
    stream = train_iterator(settings_of(folder_config(root)), batch_size=3, seed=0)
    with pytest.raises(DataError, match=r"p1\.png"):
        next(stream)


def test_skipped_files_can_be_counted_from_outside(
    folder_config: FolderConfig, write_pairs: WritePairs
) -> None:
    root = write_pairs()
    (root / "train/images/p1.png").write_bytes(b"damaged")
    config = folder_config(root, on_bad_file="skip")
    source = open_source(settings_of(config), "train")
    assert isinstance(source, SkippingSource)
    next(train_iterator(settings_of(config), batch_size=3, seed=0, source=source))
    assert source.skipped == 1


def test_pictures_of_several_sizes_need_a_crop(
    folder_config: FolderConfig, write_pairs: WritePairs
) -> None:
    config = folder_config(write_pairs(), resize=30, crop=None, scale=(0.5, 2.0))
    with pytest.raises(DataError, match=r"set data\.crop"):
        next(train_iterator(settings_of(config), batch_size=3, seed=0))
