"""Where arrays live on the mesh. `TABLE` decides for the training state, kept apart from the models."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Mapping
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as Spec

# The first pattern found in a leaf's path decides, e.g. generator/opt_state/0/mu/finenet/head/kernel. Adam's moments
# have the paths of their parameters, so they lie beside them. A dimension that its axis does not divide stays whole
# (the kernels to three colours and to one logit), as does everything that no pattern names (biases, counters).
TABLE: tuple[tuple[str, Spec], ...] = (
    (r"/kernel$", Spec(None, None, None, "fsdp")),  # [kh, kw, in, out]: by output features
)
PICTURES = Spec(("data", "fsdp"), "rows")  # [B, H, …]


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
    """A host's pictures of a global batch (`mesh.positions_of_host`) -> global arrays split over the mesh."""
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
