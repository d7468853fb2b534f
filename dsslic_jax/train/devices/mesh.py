"""The device mesh: which axes there are, how many devices each has, and which pictures a host's devices hold.

    data  copies of the model, each with its own pictures
    fsdp  the same, except that parameters and optimiser state are divided among these devices
    rows  devices that share a picture, each with its own band of rows

The first axis varies slowest, so devices that exchange rows are neighbours, and a host holds whole pictures wherever
its device count allows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import jax
from jax.sharding import AxisType, Mesh

from dsslic_jax.errors import ConfigError

AXES = ("data", "fsdp", "rows")
REST = -1  # size of the data axis: all devices that the other axes leave


def make_mesh(sizes: Mapping[str, int], devices: Sequence[jax.Device] | None = None) -> Mesh:
    """A mesh with axes `AXES` of the given sizes over all devices, or over those given.

    Auto axes: XLA places collectives and halo exchanges; the models know nothing of them.

    Raises:
      ConfigError: the sizes do not use up the devices.
    """
    devices = jax.devices() if devices is None else devices
    inner = sizes["fsdp"] * sizes["rows"]
    data = len(devices) // inner if sizes["data"] == REST else sizes["data"]
    if data * inner != len(devices):
        wanted = " x ".join(f"mesh.{axis} {sizes[axis]}" for axis in AXES)
        raise ConfigError(f"{wanted} does not use up the {len(devices)} devices there are")
    shape = (data, sizes["fsdp"], sizes["rows"])
    return jax.make_mesh(shape, AXES, axis_types=(AxisType.Auto,) * len(AXES), devices=devices)


def picture_shares(mesh: Mesh) -> int:
    """How many shares a batch is cut into: its size must be a multiple of this."""
    return mesh.shape["data"] * mesh.shape["fsdp"]


def check_batch_size(batch_size: int, mesh: Mesh) -> None:
    """Raises ConfigError where the global batch does not divide over the data and fsdp axes."""
    shares = picture_shares(mesh)
    if batch_size % shares:
        raise ConfigError(
            f"train.batch_size {batch_size} does not divide over {shares} devices that hold pictures of their own: "
            f"choose a multiple of {shares}, or let devices share pictures (mesh.rows)"
        )


def positions_of_host(batch_size: int, mesh: Mesh, process_index: int) -> list[int]:
    """Which pictures of a global batch (0 … batch_size - 1) the devices of a host hold, in ascending order.

    Every picture is held somewhere; by two hosts only where `rows` reaches from one to the other.
    """
    sharers = mesh.devices.reshape(picture_shares(mesh), mesh.shape["rows"])
    size = batch_size // len(sharers)
    return [
        position
        for share, devices in enumerate(sharers)
        if any(device.process_index == process_index for device in devices)
        for position in range(share * size, (share + 1) * size)
    ]
