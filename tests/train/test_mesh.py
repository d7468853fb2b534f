"""Which devices hold what: axes, a batch's pictures over hosts, and settings that do not fit."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import jax
import numpy as np
import pytest
from jax.sharding import PartitionSpec as Spec

from dsslic_jax.data.elements import Element
from dsslic_jax.data.pipeline import train_iterator
from dsslic_jax.errors import ConfigError
from dsslic_jax.train.devices import sharding
from dsslic_jax.train.devices.sharding import check_batch_size, make_mesh, positions_of_host
from dsslic_jax.train.settings import MeshSettings
from dsslic_jax.train.tasks.registry import make_task
from tests.configurations import settings_of, small_compression, small_segmentation


def sizes(data: int = -1, fsdp: int = 1, rows: int = 1) -> MeshSettings:
    return MeshSettings(data=data, fsdp=fsdp, rows=rows)


def simulated_mesh(shape: tuple[int, int, int], host_of_device: list[int]) -> Any:
    """What `positions_of_host` reads of a mesh, with devices on the hosts named."""
    devices = np.array([SimpleNamespace(process_index=host) for host in host_of_device])
    axes = dict(zip(("data", "fsdp", "rows"), shape, strict=True))
    return SimpleNamespace(devices=devices.reshape(shape), shape=axes)


def test_the_data_axis_takes_the_devices_that_are_left() -> None:
    assert make_mesh(sizes()).devices.shape == (8, 1, 1)
    assert make_mesh(sizes(fsdp=2, rows=2)).devices.shape == (2, 2, 2)
    assert make_mesh(sizes(), jax.devices()[:1]).devices.shape == (1, 1, 1)


def test_devices_of_several_slices_are_refused() -> None:
    devices = [SimpleNamespace(slice_index=i) for i in (0, 0, 1, 1)]
    with pytest.raises(ConfigError, match="the devices lie in 2 slices; a run takes one"):
        make_mesh(sizes(), devices)  # type: ignore[arg-type]


@pytest.mark.parametrize("wrong", [sizes(data=4), sizes(rows=3), sizes(fsdp=16)])
def test_axes_that_do_not_use_up_the_devices_are_refused(wrong: MeshSettings) -> None:
    with pytest.raises(ConfigError, match="does not use up the 8 devices"):
        make_mesh(wrong)


def test_a_batch_need_only_divide_over_devices_with_pictures_of_their_own() -> None:
    check_batch_size(4, make_mesh(sizes(rows=2)))
    with pytest.raises(ConfigError, match="multiple of 8"):
        check_batch_size(4, make_mesh(sizes(fsdp=2)))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"mesh.rows": 3}, "64 pixels high; make it a multiple of 24"),
        ({"mesh.rows": 2, "data.crop": (72, 64)}, "72 pixels high; make it a multiple of 16"),
        ({"mesh.rows": 2, "data.crop": None}, "data.crop must be .height, width."),
        ({"mesh.fsdp": 0}, "mesh.fsdp must be at least 1, not 0"),
        ({"mesh.rows": -1}, "mesh.rows must be at least 1, not -1"),
        ({"mesh.data": -2}, "mesh.data must be at least -1, not -2"),
    ],
)
def test_a_mesh_that_does_not_fit_the_pictures_is_refused(
    changed: dict[str, Any], message: str
) -> None:
    for config in (small_compression(), small_segmentation()):
        with config.ignore_type():
            config.update_from_flattened_dict(changed)
        with pytest.raises(ConfigError, match=message):
            settings_of(config)


@pytest.mark.parametrize(
    ("shape", "hosts", "expected"),
    [
        ((4, 1, 1), [0, 0, 1, 1], [[0, 1, 2, 3], [4, 5, 6, 7]]),
        ((2, 2, 1), [0, 1, 1, 0], [[0, 1, 6, 7], [2, 3, 4, 5]]),  # a slice's own device order
        ((1, 2, 2), [0, 0, 1, 1], [[0, 1, 2, 3], [4, 5, 6, 7]]),
        ((1, 1, 4), [0, 0, 1, 1], [list(range(8)), list(range(8))]),  # bands on both hosts
    ],
)
def test_a_host_reads_the_pictures_that_its_devices_hold(
    shape: tuple[int, int, int], hosts: list[int], expected: list[list[int]]
) -> None:
    mesh = simulated_mesh(shape, hosts)
    assert [positions_of_host(8, mesh, host) for host in (0, 1)] == expected


@pytest.mark.parametrize(("hosts", "devices"), [(1, 8), (2, 4), (4, 2), (8, 1), (3, 2)])
@pytest.mark.parametrize("pictures", [24, 23, 5])
def test_hosts_read_each_picture_of_an_epoch_once(hosts: int, devices: int, pictures: int) -> None:
    """Also where neither the split divides over the batch nor an epoch over the hosts."""
    data = settings_of(small_compression()).data
    data = replace(data, scenes_train=pictures, flip=False, crop=None)
    source = Numbers(pictures)
    mesh = simulated_mesh(
        (hosts * devices, 1, 1), [h for h in range(hosts) for _ in range(devices)]
    )
    batch = 24
    streams = [
        train_iterator(
            data,
            batch_size=batch,
            seed=3,
            positions=positions_of_host(batch, mesh, host),
            source=source,
        )
        for host in range(hosts)
    ]
    seen: list[int] = []
    for _ in range(pictures):  # so many batches are `batch` epochs
        for stream in streams:
            seen += next(stream)["labels"][:, 0, 0].tolist()
    for stream in streams:
        stream.close()
    epochs = [seen[i : i + pictures] for i in range(0, len(seen), pictures)]
    assert len(epochs) == batch
    assert all(sorted(epoch) == list(range(pictures)) for epoch in epochs)


class Numbers:
    """Pictures whose labels are their own number."""

    name = "numbers"

    def __init__(self, count: int) -> None:
        self._count = count

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int) -> Element:
        return {
            "image": np.zeros((8, 8, 3), np.uint8),
            "labels": np.full((8, 8), index, np.uint8),
            "name": str(index),
        }


def test_kernels_and_their_moments_are_divided_by_output_features() -> None:
    mesh = make_mesh(sizes(fsdp=2, rows=2))
    state = make_task(small_compression()).init_state()
    specs = jax.tree.map(lambda leaf: leaf.spec, sharding.state_sharding(state, mesh))
    adam = specs.generator.opt_state[0]
    for tree in (specs.generator.params, adam.mu, adam.nu):
        assert tree["finenet"]["stem"]["kernel"] == Spec(None, None, None, "fsdp")
        assert tree["finenet"]["stem"]["bias"] == Spec()
        assert tree["finenet"]["head"]["kernel"] == Spec(None, None, None, None)  # 3 colours
    assert specs.step == adam.count == Spec()


def test_each_device_holds_its_part_of_a_divided_kernel() -> None:
    mesh = make_mesh(sizes(data=1, fsdp=8))
    kernel = np.arange(3 * 3 * 2 * 16, dtype=np.float32).reshape(3, 3, 2, 16)
    tree = {"conv": {"kernel": kernel, "bias": np.ones(3, np.float32)}}
    placed = sharding.place(tree, sharding.state_sharding(tree, mesh))
    shards = placed["conv"]["kernel"].addressable_shards
    assert {shard.data.shape for shard in shards} == {(3, 3, 2, 2)}
    np.testing.assert_array_equal(sharding.on_host(placed, mesh)["conv"]["kernel"], kernel)
