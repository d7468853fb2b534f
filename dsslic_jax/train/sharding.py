"""Where arrays live: a one-axis data mesh, batches split over it, everything else replicated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from dsslic_jax.errors import ConfigError


def data_mesh(devices: Sequence[jax.Device] | None = None) -> Mesh:
    """All devices (or those given) along one axis "data". Auto axes: XLA places the collectives."""
    devices = jax.devices() if devices is None else devices
    return jax.make_mesh((len(devices),), ("data",), axis_types=(AxisType.Auto,), devices=devices)


def replicated(mesh: Mesh) -> NamedSharding:
    """Every device holds the whole array: parameters, optimiser state, metrics."""
    return NamedSharding(mesh, PartitionSpec())


def split_by_picture(mesh: Mesh) -> NamedSharding:
    """Each device holds its share of the first axis: batches."""
    return NamedSharding(mesh, PartitionSpec("data"))


def check_batch_size(batch_size: int, mesh: Mesh) -> None:
    """Raises ConfigError where the global batch does not divide over the devices."""
    if batch_size % mesh.size:
        raise ConfigError(
            f"train.batch_size {batch_size} does not divide over {mesh.size} devices: "
            f"choose a multiple of {mesh.size}"
        )


def put_batch(batch: Mapping[str, np.ndarray], mesh: Mesh) -> dict[str, jax.Array]:
    """This host's share of a global batch -> global arrays split over the mesh."""
    sharding = split_by_picture(mesh)
    return {k: jax.make_array_from_process_local_data(sharding, v) for k, v in batch.items()}


def compile_step(step: Any, mesh: Mesh) -> Any:
    """jit of a `(state, batch) -> (state, metrics)` function over the mesh; the old state is given up."""
    return jax.jit(
        step,
        in_shardings=(replicated(mesh), split_by_picture(mesh)),
        out_shardings=(replicated(mesh), replicated(mesh)),
        donate_argnums=0,
    )
