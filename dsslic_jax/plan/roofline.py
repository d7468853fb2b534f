"""How long a step should take: the work of one chip against what the chip is said to do.

A step does its arithmetic and its memory traffic at the same time and its collectives afterwards:

    seconds = max(FLOPs / peak, bytes accessed / memory bandwidth) / attained + bytes sent / link bandwidth

That is the bound where `attained` is 1. Collectives that overlap with the backward pass would make it shorter,
latency of small operations longer; neither is counted.
"""

from dataclasses import dataclass

from dsslic_jax.plan.chips import Slice
from dsslic_jax.plan.collectives import Collective


@dataclass(frozen=True)
class Cost:
    """What one chip does in one step, as its compiler counts."""

    flops: float
    bytes_accessed: float
    collectives: tuple[Collective, ...]
    argument_bytes: int
    temporary_bytes: int
    result_bytes: int  # of results that do not take an argument's place
    program_bytes: int
    peak_bytes: int  # in use at once; less than what is reserved

    @property
    def reserved_bytes(self) -> int:
        """Memory that a chip must have."""
        return self.argument_bytes + self.temporary_bytes + self.result_bytes + self.program_bytes


@dataclass(frozen=True)
class StepTime:
    """Seconds of one step by what takes them."""

    compute_seconds: float
    memory_seconds: float
    collective_seconds: float
    attained: float  # share of the peaks that compute and memory reach

    @property
    def local_seconds(self) -> float:
        """Without collectives: as long as one chip alone takes."""
        return max(self.compute_seconds, self.memory_seconds) / self.attained

    @property
    def seconds(self) -> float:
        """The whole step."""
        return self.local_seconds + self.collective_seconds

    @property
    def scaling_efficiency(self) -> float:
        """Pictures/s of a chip in the slice over those of a chip alone, 0 … 1."""
        return self.local_seconds / self.seconds

    @property
    def model_flops_utilisation(self) -> float:
        """MFU: FLOPs done over those that the peak would allow in the same time, 0 … 1."""
        return self.compute_seconds / self.seconds


def step_time(cost: Cost, where: Slice, precision: str, attained: float = 1.0) -> StepTime:
    """The roofline of `cost` on a chip of this slice; `precision` is that of the arithmetic."""
    chip = where.chip
    sent = sum(collective.sent_bytes for collective in cost.collectives)
    return StepTime(
        compute_seconds=cost.flops / chip.peak_flops_per_second(precision),
        memory_seconds=cost.bytes_accessed / chip.memory_bytes_per_second,
        collective_seconds=sent / where.link_bytes_per_second if sent else 0.0,
        attained=attained,
    )
