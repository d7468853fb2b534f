"""The device mesh, which pictures a host's devices hold, and where arrays live.

    data  copies of the model, each with its own pictures
    fsdp  the same, except that parameters and optimiser state are divided among these devices
    rows  devices that share a picture, each with its own band of rows

The first axis varies slowest, so devices that exchange rows are neighbours, and a host holds whole pictures wherever
its device count allows.
"""

import functools
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding
from jax.sharding import PartitionSpec as Spec

from dsslic_jax.errors import ConfigError
from dsslic_jax.train.settings import REST, MeshSettings

AXES = ("data", "fsdp", "rows")

# Where the training state lies, kept apart from the models. The first pattern found in a leaf's path decides, e.g.
# generator/opt_state/0/mu/finenet/head/kernel. Adam's moments have the paths of their parameters, so they lie beside
# them. A dimension that its axis does not divide stays whole (the kernels to three colours and to one logit), as does
# everything that no pattern names (biases, counters).
TABLE: tuple[tuple[str, Spec], ...] = (
    (r"/kernel$", Spec(None, None, None, "fsdp")),  # [kh, kw, in, out]: by output features
)
PICTURES = Spec(("data", "fsdp"), "rows")  # [B, H, …]


def make_mesh(sizes: MeshSettings, devices: Sequence[jax.Device] | None = None) -> Mesh:
    """A mesh with axes `AXES` of the given sizes over all devices, or over those given.

    Auto axes: XLA places collectives and halo exchanges; the models know nothing of them. Raises ConfigError where the
    sizes do not use up the devices, or these lie in several TPU slices.
    """
    devices = jax.devices() if devices is None else devices
    slices = {getattr(device, "slice_index", None) for device in devices}
    if len(slices) > 1:
        raise ConfigError(f"the devices lie in {len(slices)} slices; a run takes one")
    inner = sizes.fsdp * sizes.rows
    data = len(devices) // inner if sizes.data == REST else sizes.data
    if data * inner != len(devices):
        wanted = " x ".join(f"mesh.{axis} {getattr(sizes, axis)}" for axis in AXES)
        raise ConfigError(f"{wanted} does not use up the {len(devices)} devices there are")
    shape = (data, sizes.fsdp, sizes.rows)
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


def state_sharding(state: Any, mesh: Mesh) -> Any:
    """A NamedSharding for each leaf of a state, given as arrays or as shapes."""

    def sharding_of(path: Any, leaf: Any) -> NamedSharding:
        name = jax.tree_util.keystr(path, simple=True, separator="/")
        spec = next((spec for pattern, spec in TABLE if re.search(pattern, name)), Spec())
        fitting = [
            axis if axis is not None and size % mesh.shape[axis] == 0 else None
            for size, axis in zip(np.shape(leaf), spec, strict=False)
        ]
        return NamedSharding(mesh, Spec(*fitting))

    return jax.tree_util.tree_map_with_path(sharding_of, state)


def batch_sharding(mesh: Mesh, dimensions: int) -> NamedSharding:
    """Of an array of a batch: pictures over data and fsdp, their rows, where it has so many dimensions, over rows."""
    return NamedSharding(mesh, Spec(*PICTURES[:dimensions]))


def replicated(mesh: Mesh) -> NamedSharding:
    """Every device holds the whole array: metrics."""
    return NamedSharding(mesh, Spec())


def place(tree: Any, shardings: Any) -> Any:
    """Arrays that every host holds alike -> global arrays; each device is given its own part alone."""
    return jax.tree.map(
        lambda leaf, sharding: jax.make_array_from_callback(
            np.shape(leaf), sharding, np.asarray(leaf).__getitem__
        ),
        tree,
        shardings,
    )


def put_batch(batch: Mapping[str, np.ndarray], batch_size: int, mesh: Mesh) -> dict[str, jax.Array]:
    """A host's pictures of a global batch (`positions_of_host`) -> global arrays split over the mesh."""
    return {
        name: jax.make_array_from_process_local_data(
            batch_sharding(mesh, array.ndim), array, (batch_size, *array.shape[1:])
        )
        for name, array in batch.items()
    }


def on_host(tree: Any, mesh: Mesh) -> Any:
    """Global arrays -> whole NumPy arrays, one at a time; every process must call it, and each gets them."""

    def whole(leaf: jax.Array) -> np.ndarray:
        if not leaf.is_fully_replicated:
            leaf = jax.device_put(leaf, replicated(mesh))
        return np.asarray(leaf.addressable_data(0))

    return jax.tree.map(whole, tree)


def compile_step(
    step: Callable[[Any, Any], tuple[Any, Any]], mesh: Mesh, state: Any
) -> jax.stages.Wrapped:
    """jit of a `(state, batch) -> (state, metrics)` function over the mesh; the old state is given up.

    Each weight is gathered whole before it is used; what only follows the weights stays divided. (Left to itself XLA
    also divides the convolutions by features, and with bands of rows its gradients were then wrong: jaxlib 0.10.2.)
    `state` gives the shapes, as arrays or as jax.ShapeDtypeStruct.
    """
    of_state = state_sharding(state, mesh)

    def gathered(path: Any, leaf: jax.Array) -> jax.Array:
        follows = any(getattr(key, "name", None) in ("opt_state", "average") for key in path)
        return leaf if follows else jax.lax.with_sharding_constraint(leaf, replicated(mesh))

    @functools.wraps(step)
    def step_on_mesh(state: Any, batch: Any) -> tuple[Any, Any]:
        return step(jax.tree_util.tree_map_with_path(gathered, state), batch)

    return jax.jit(
        step_on_mesh,
        in_shardings=(of_state, None),  # a batch lies where `put_batch` has put it
        out_shardings=(of_state, replicated(mesh)),
        donate_argnums=0,
    )
