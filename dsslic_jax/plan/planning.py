"""Makes the plan of one configuration for one slice."""

from __future__ import annotations

from typing import Any

from dsslic_jax.plan.chips import Slice
from dsslic_jax.plan.compiling import DoesNotFit, Planner, make_planner
from dsslic_jax.plan.largest_batch import LargestBatch, largest_batch
from dsslic_jax.plan.report import Plan
from dsslic_jax.plan.roofline import step_time
from dsslic_jax.train.devices.mesh import picture_shares
from dsslic_jax.train.settings import resolve


def make_plan(config: Any, where: Slice, attained: float, search: bool) -> Plan:
    """Compiles the step of `config` for `where` and reckons; `search` looks for the largest batch, too.

    Raises:
      ConfigError: the configuration or the slice is not possible, or its batch does not divide.
      DoesNotFit: the batch is too large for a chip; says what is not, where `search` is on.
    """
    config = resolve(config)
    planner = make_planner(config, where)
    batch_size, precision = config.train.batch_size, config.precision
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
        task=config.task,
        precision=precision,
        crop=tuple(config.data.crop),
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
