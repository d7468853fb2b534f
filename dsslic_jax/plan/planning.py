"""Makes the plan of a configuration: its train step compiled for a slice that is not here, and what that will cost."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.experimental import topologies

from dsslic_jax.errors import ConfigError, DsslicError
from dsslic_jax.models.convolution import accelerator_forms
from dsslic_jax.plan.chips import Slice
from dsslic_jax.plan.collectives import read_collectives
from dsslic_jax.plan.largest_batch import LargestBatch, largest_batch
from dsslic_jax.plan.report import Plan
from dsslic_jax.plan.roofline import Cost, step_time
from dsslic_jax.train.devices.sharding import (
    batch_sharding,
    check_batch_size,
    compile_step,
    make_mesh,
    picture_shares,
)
from dsslic_jax.train.tasks.task import Task


def make_plan(task: Task[Any], where: Slice, attained: float, search: bool) -> Plan:
    """Compiles a training step for `where` and estimates what it takes; `search` looks for the largest batch, too.

    Raises ConfigError where the slice is not possible, or the batch does not divide, DoesNotFit where the batch is too
    large for a chip; it says what is not, where `search` is on.
    """
    planner, run = make_planner(task, where), task.settings
    batch_size, precision = run.train.batch_size, run.precision
    assert run.data.crop is not None
    try:
        cost, seconds = planner.cost(batch_size)
    except DoesNotFit as error:
        advice = "a smaller train.batch_size or a larger slice may fit"
        if search:
            largest = _search(planner, batch_size, None)
            advice = f"the largest that was found to fit is {largest.fits or 'none'}"
        raise DoesNotFit(
            f"train.batch_size {batch_size} does not fit {where.name} ({error}); {advice}"
        ) from error
    return Plan(
        where=where,
        task=task.name,
        precision=precision,
        crop=run.data.crop,
        mesh=dict(planner.mesh.shape),
        batch_size=batch_size,
        cost=cost,
        compile_seconds=seconds,
        bound=step_time(cost, where, precision),
        expected=step_time(cost, where, precision, attained),
        largest=_search(planner, batch_size, cost.reserved_bytes) if search else None,
    )


def _search(planner: Planner, batch_size: int, reserved_bytes: int | None) -> LargestBatch:
    """Searches from `batch_size`, whose outcome is known, in steps that divide over the mesh."""
    shares = picture_shares(planner.mesh)
    first = batch_size // shares

    def reserved(share: int) -> int | None:
        if share == first:
            return reserved_bytes
        try:
            return planner.cost(share * shares)[0].reserved_bytes
        except DoesNotFit:
            return None

    found = largest_batch(reserved, first, planner.where.chip.memory_bytes)
    return LargestBatch(
        fits=found.fits * shares,
        too_large=found.too_large and found.too_large * shares,
        reserved_bytes={share * shares: n for share, n in found.reserved_bytes.items()},
    )


class DoesNotFit(DsslicError):
    """The compiler found no way to run the step in the chip's memory."""


@dataclass(frozen=True)
class Planner:
    """Compiles one configuration's step for one slice, at any batch size."""

    task: Task[Any]
    where: Slice
    mesh: jax.sharding.Mesh
    state: Any  # shapes

    def cost(self, batch_size: int) -> tuple[Cost, float]:
        """What a step of a global batch costs each chip, and the seconds it took to compile.

        Raises DoesNotFit where the chip's memory is too small, ConfigError where the batch cannot be divided.
        """
        check_batch_size(batch_size, self.mesh)
        step = compile_step(self.task.step(), self.mesh, self.state)
        batch = {
            name: jax.ShapeDtypeStruct(
                array.shape, array.dtype, sharding=batch_sharding(self.mesh, array.ndim)
            )
            for name, array in self.task.batch_shapes(batch_size).items()
        }
        began = time.perf_counter()
        estimated = self.where.chip.kind == "gpu"  # compiled for a CPU
        with accelerator_forms() if estimated else nullcontext():
            lowered = step.lower(self.state, batch)
        try:
            compiled = lowered.compile()
        except jax.errors.JaxRuntimeError as error:
            if "RESOURCE_EXHAUSTED" not in str(error):
                raise
            reason = str(error).removeprefix("RESOURCE_EXHAUSTED: ").splitlines()[0]
            raise DoesNotFit(reason) from error
        seconds = time.perf_counter() - began
        memory: Any = compiled.memory_analysis()
        counted: Any = compiled.cost_analysis()
        cost = Cost(
            flops=counted["flops"],
            bytes_accessed=counted["bytes accessed"],
            collectives=tuple(read_collectives(str(compiled.as_text()), self.where.chips)),
            argument_bytes=memory.argument_size_in_bytes,
            temporary_bytes=memory.temp_size_in_bytes,
            result_bytes=memory.output_size_in_bytes - memory.alias_size_in_bytes,
            program_bytes=memory.generated_code_size_in_bytes,
            peak_bytes=memory.peak_memory_in_bytes,
        )
        if cost.reserved_bytes > self.where.chip.memory_bytes:
            raise DoesNotFit(f"it needs {cost.reserved_bytes / 2**30:.2f} GiB of a chip")
        return cost, seconds


def make_planner(task: Task[Any], where: Slice) -> Planner:
    """A planner for what a configuration trains. Raises ConfigError where the compiler does not know the topology."""
    mesh = make_mesh(task.settings.mesh, _devices(where))
    return Planner(task, where, mesh, state_shapes(task))


def state_shapes(task: Task[Any]) -> Any:
    """The training state as a tree of jax.ShapeDtypeStruct: no weights are drawn, no weight file is read."""
    return jax.eval_shape(lambda: task.first_state(_traced).replace(frozen=task.frozen(_traced)))


def _traced(module: nn.Module, seed: int, *inputs: Any, **how: Any) -> Any:
    """The variables of `init_params`, as values that are only traced."""
    shapes = jax.eval_shape(lambda *a: module.init(jax.random.key(seed), *a), *inputs)
    return jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes)


def _devices(where: Slice) -> Sequence[jax.Device]:
    if where.chip.kind == "gpu":
        return jax.devices()[: where.chips]
    # Both TensorCores of a v4 or v5p chip as one device, as they run. A host holds 2x2 chips, or a single one.
    settings: dict[str, Any] = {}
    if where.chip.axes == 3:
        settings["chip_config_name"] = "megacore"
    if where.chips == 1:
        settings["chips_per_host_bounds"] = (1, 1, 1)
    try:
        topology = topologies.get_topology_desc(where.name, platform="tpu", **settings)
    except jax.errors.JaxRuntimeError as error:
        reason = str(error).splitlines()[0].removeprefix("INVALID_ARGUMENT: ")
        raise ConfigError(f"the TPU compiler does not take {where.name}: {reason}") from error
    return topology.devices
