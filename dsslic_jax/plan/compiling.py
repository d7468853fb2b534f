"""Compiles the train step of a configuration for a slice that is not here, and reads what it will cost."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import jax
from jax.experimental import topologies

from dsslic_jax.errors import ConfigError, DsslicError
from dsslic_jax.models.convolution import accelerator_forms
from dsslic_jax.plan import shapes
from dsslic_jax.plan.chips import Slice
from dsslic_jax.plan.collectives import read_collectives
from dsslic_jax.plan.roofline import Cost
from dsslic_jax.train.devices.mesh import check_batch_size, make_mesh
from dsslic_jax.train.devices.sharding import batch_sharding, compile_step


class DoesNotFit(DsslicError):
    """The compiler found no way to run the step in the chip's memory."""


@dataclass(frozen=True)
class Planner:
    """Compiles one configuration's step for one slice, at any batch size."""

    config: Any  # resolved
    where: Slice
    mesh: jax.sharding.Mesh
    state: Any  # shapes

    def cost(self, batch_size: int) -> tuple[Cost, float]:
        """What a step of a global batch costs each chip, and the seconds it took to compile.

        Raises DoesNotFit where the chip's memory is too small, ConfigError where the batch cannot be divided.
        """
        check_batch_size(batch_size, self.mesh)
        step = compile_step(shapes.train_step(self.config), self.mesh, self.state)
        batch = {
            name: jax.ShapeDtypeStruct(
                array.shape, array.dtype, sharding=batch_sharding(self.mesh, array.ndim)
            )
            for name, array in shapes.batch_shapes(self.config, batch_size).items()
        }
        began = time.perf_counter()
        estimated = self.where.chip.kind == "gpu"  # compiled for a CPU
        with accelerator_forms() if estimated else nullcontext():
            lowered = step.lower(self.state, batch)
        compiled = self._compile(lowered)
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

    def _compile(self, lowered: jax.stages.Lowered) -> jax.stages.Compiled:
        try:
            return lowered.compile()
        except jax.errors.JaxRuntimeError as error:
            if "RESOURCE_EXHAUSTED" not in str(error):
                raise
            raise DoesNotFit(
                re.sub(r"^RESOURCE_EXHAUSTED: ", "", str(error)).splitlines()[0]
            ) from error


def make_planner(config: Any, where: Slice) -> Planner:
    """A planner for a resolved configuration.

    Raises ConfigError where the compiler does not know the topology or pictures have no fixed size.
    """
    if config.data.crop is None:
        raise ConfigError("a plan needs pictures of one size: set data.crop")
    mesh = make_mesh(config.mesh, _devices(where))
    return Planner(config, where, mesh, shapes.state_shapes(config))


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
