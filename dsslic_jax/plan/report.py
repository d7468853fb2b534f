"""A plan as text and as JSON."""

import json
from dataclasses import asdict, dataclass
from typing import Any

from dsslic_jax.plan.chips import GIB, Chip, Slice
from dsslic_jax.plan.collectives import Collective
from dsslic_jax.plan.largest_batch import LargestBatch
from dsslic_jax.plan.roofline import Cost, StepTime


@dataclass(frozen=True)
class Plan:
    """Everything that is told about one configuration on one slice."""

    where: Slice
    task: str
    precision: str
    crop: tuple[int, int]
    mesh: dict[str, int]
    batch_size: int  # global
    cost: Cost
    compile_seconds: float
    bound: StepTime
    expected: StepTime
    largest: LargestBatch | None = None  # in global batch sizes

    @property
    def estimate(self) -> bool:
        """Whether the costs are those of a program compiled for another processor."""
        return self.where.chip.kind == "gpu"


def as_json(plan: Plan) -> str:
    """One object: bytes, FLOPs and seconds as plain numbers; costs are those of one chip."""
    cost = asdict(plan.cost)
    memory = {name: size for name, size in cost.items() if name.endswith("_bytes")}
    fields: dict[str, Any] = {
        "topology": plan.where.name,
        "chips": plan.where.chips,
        "estimate": plan.estimate,
        "task": plan.task,
        "precision": plan.precision,
        "crop": plan.crop,
        "mesh": plan.mesh,
        "batch_size": plan.batch_size,
        "compile_seconds": round(plan.compile_seconds, 1),
        "memory": {
            **memory,
            "reserved_bytes": plan.cost.reserved_bytes,
            "chip_bytes": plan.where.chip.memory_bytes,
        },
        "flops": plan.cost.flops,
        "bytes_accessed": plan.cost.bytes_accessed,
        "collectives": [
            {"kind": kind, "count": count, "bytes": size, "sent_bytes": round(sent)}
            for kind, count, size, sent in totals(plan.cost.collectives)
        ],
        "bound": _time(plan, plan.bound),
        "expected": _time(plan, plan.expected),
        "largest_batch": plan.largest and asdict(plan.largest),
        "chip": asdict(plan.where.chip),
    }
    return json.dumps(fields, indent=1)


def _time(plan: Plan, time: StepTime) -> dict[str, float]:
    return {
        **asdict(time),
        "step_seconds": time.seconds,
        "pictures_per_second": plan.batch_size / time.seconds,
        "model_flops_utilisation": time.model_flops_utilisation,
        "scaling_efficiency": time.scaling_efficiency,
    }


def totals(collectives: tuple[Collective, ...]) -> list[tuple[str, int, int, float]]:
    """(kind, count, bytes of results, bytes sent) of one chip's step, most sent first."""
    found = []
    for kind in dict.fromkeys(c.kind for c in collectives):
        alike = [c for c in collectives if c.kind == kind]
        sent = sum(c.sent_bytes for c in alike)
        found.append((kind, len(alike), sum(c.bytes for c in alike), sent))
    return sorted(found, key=lambda entry: -entry[3])


def as_text(plan: Plan) -> str:
    """What a person reads."""
    where, cost, chip = plan.where, plan.cost, plan.where.chip
    height, width = plan.crop
    mesh = (
        " x ".join(f"{axis} {size}" for axis, size in plan.mesh.items() if size > 1) or "one chip"
    )
    travelling = [
        f"{kind} x {count}: {size / 1e6:.1f} MB, {sent / 1e6:.1f} MB sent"
        for kind, count, size, sent in totals(cost.collectives)
    ]
    # A CPU's compiler does not account for what is in use.
    in_use = "" if plan.estimate else f"; {cost.peak_bytes / GIB:.2f} in use at the peak"
    lines = [
        f"{where.name}: {where.chips} chip(s), {mesh}; {plan.task}, {plan.precision}",
        f"batch            {plan.batch_size}, {plan.batch_size / where.chips:g} a chip, of {height}x{width}",
        f"memory of a chip {cost.reserved_bytes / GIB:.2f} of {chip.memory_bytes / GIB:.1f} GiB: "
        f"arguments {cost.argument_bytes / GIB:.2f}, temporaries {cost.temporary_bytes / GIB:.2f}, "
        f"program {cost.program_bytes / GIB:.2f}{in_use}",
        f"work of a chip   {cost.flops / 1e12:.3f} TFLOP, {cost.bytes_accessed / 1e9:.2f} GB accessed",
        f"collectives      {'; '.join(travelling) or 'none'}",
        f"bound            {_step(plan, plan.bound)}",
        f"expected         {_step(plan, plan.expected)}",
        *_largest(plan),
        "",
        *_assumptions(plan, chip),
    ]
    return "\n".join(lines)


def _step(plan: Plan, time: StepTime) -> str:
    limit = "compute" if time.compute_seconds >= time.memory_seconds else "memory"
    return (
        f"{1e3 * time.seconds:.1f} ms a step ({limit} {1e3 * time.local_seconds:.1f}, "
        f"collectives {1e3 * time.collective_seconds:.1f}), {plan.batch_size / time.seconds:.4g} pictures/s, "
        f"MFU {100 * time.model_flops_utilisation:.0f} %, scaling {100 * time.scaling_efficiency:.0f} %"
    )


def _largest(plan: Plan) -> list[str]:
    if plan.largest is None:
        return []
    chips, refused = plan.where.chips, plan.largest.too_large
    tried = f"; {refused / chips:g} does not" if refused else ""
    return [f"largest batch    {plan.largest.fits / chips:g} a chip fit{tried} (compiled)"]


def _assumptions(plan: Plan, chip: Chip) -> list[str]:
    peak = chip.peak_flops_per_second(plan.precision)
    speed = plan.where.link_bytes_per_second
    link = f"{speed / 1e9:g} GB/s" if speed else "link bandwidth"
    lines = [
        f"Bound: max(FLOPs / {peak / 1e12:g} TFLOP/s, bytes / {chip.memory_bytes_per_second / 1e9:g} GB/s) "
        f"+ bytes sent / {link}, nothing overlapped.",
        f"Expected: assumes that compute and memory attain {plan.expected.attained:g} of those peaks; not measured.",
        f"Peaks: {'; '.join(chip.sources)}.",
    ]
    if plan.estimate:
        lines.insert(
            0, "ESTIMATE: compiled for a CPU; a GPU's compiler fuses and lays out otherwise."
        )
    return lines
