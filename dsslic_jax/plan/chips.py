"""What chips are said to do by those who make them; every figure with its source."""

import math
from dataclasses import dataclass

from dsslic_jax.errors import ConfigError

GIB = 1 << 30
TPU_PAGES = "docs.cloud.google.com/tpu/docs/{}, table of specifications"
TPU_V4_PAPER = "Jouppi et al., TPU v4, ISCA 2023 (six links of 50 GB/s each way)"


@dataclass(frozen=True)
class Chip:
    """One accelerator as published: dense arithmetic, no sparsity."""

    name: str
    kind: str  # "tpu" or "gpu"
    bfloat16_flops_per_second: float
    # Multiply-adds of float32 convolutions as JAX runs them by default: in bfloat16 passes on TPUs, in TF32 on GPUs.
    float32_flops_per_second: float
    memory_bytes: int
    memory_bytes_per_second: float
    link_bytes_per_second: float  # one way, one link
    links: int
    axes: int  # of a topology: 2 for AxB, 3 for AxBxC, 1 for a count of GPUs
    ring_multiple: int  # an axis whose length is a multiple of this closes to a ring
    sources: tuple[str, ...]

    def peak_flops_per_second(self, precision: str) -> float:
        """Of arithmetic in "float32" or "bfloat16"."""
        single, half = self.float32_flops_per_second, self.bfloat16_flops_per_second
        return single if precision == "float32" else half


def _tpu(
    name: str, tera: float, gib: int, giga_memory: float, giga_link: float, axes: int, *sources: str
) -> Chip:
    return Chip(
        name=name,
        kind="tpu",
        bfloat16_flops_per_second=tera * 1e12,
        float32_flops_per_second=tera * 1e12,
        memory_bytes=gib * GIB,
        memory_bytes_per_second=giga_memory * 1e9,
        link_bytes_per_second=giga_link * 1e9,
        links=2 * axes,
        axes=axes,
        ring_multiple=16 if axes == 2 else 4,
        sources=sources,
    )


def _gpu(
    name: str, tera: float, gb: int, giga_memory: float, giga_links: float, source: str
) -> Chip:
    return Chip(
        name=name,
        kind="gpu",
        bfloat16_flops_per_second=tera * 1e12,
        float32_flops_per_second=tera / 2 * 1e12,
        memory_bytes=gb * 10**9,
        memory_bytes_per_second=giga_memory * 1e9,
        link_bytes_per_second=giga_links / 2 * 1e9,  # published for both ways together
        links=1,  # to the switch that joins the GPUs of a host
        axes=1,
        ring_multiple=1,
        sources=(source,),
    )


# Interconnect as published for both ways and all links together: v5e 400 GB/s over 4, v5p 1,200 over 6, v6e 800 over 4.
CHIPS = {
    chip.name: chip
    for chip in (
        _tpu("v4", 275, 32, 1200, 50, 3, TPU_PAGES.format("v4"), TPU_V4_PAPER),
        _tpu("v5e", 197, 16, 819, 50, 2, TPU_PAGES.format("v5e")),
        _tpu("v5p", 459, 95, 2765, 100, 3, TPU_PAGES.format("v5p")),
        _tpu("v6e", 918, 32, 1638, 100, 2, TPU_PAGES.format("v6e")),
        _gpu("a100", 312, 80, 2039, 600, "NVIDIA A100 80GB datasheet, SXM, without sparsity"),
        _gpu("h100", 989.5, 80, 3350, 900, "NVIDIA H100 datasheet, SXM, half the sparse figure"),
        _gpu("h200", 989.5, 141, 4800, 900, "NVIDIA H200 datasheet, SXM, half the sparse figure"),
    )
}
MOST_GPUS = 8  # of one host: the network between hosts is each installation's own


@dataclass(frozen=True)
class Slice:
    """So many chips of one kind, wired as `shape` says."""

    chip: Chip
    shape: tuple[int, ...]

    @property
    def name(self) -> str:
        """As it is written on the command line, e.g. "v5e:8x8"."""
        return f"{self.chip.name}:{'x'.join(map(str, self.shape))}"

    @property
    def chips(self) -> int:
        """How many chips."""
        return math.prod(self.shape)

    @property
    def link_bytes_per_second(self) -> float:
        """What the chip with the fewest neighbours can send: a corner, where an axis is no ring."""
        multiple = self.chip.ring_multiple
        links = sum(2 if length % multiple == 0 else 1 for length in self.shape if length > 1)
        return min(links, self.chip.links) * self.chip.link_bytes_per_second


def parse_slice(text: str) -> Slice:
    """The slice that "v5e:8x8", "v5p:2x2x1", "h200" or "h200:8" names.

    Raises ConfigError listing what is known.
    """
    name, _, lengths = text.partition(":")
    chip = CHIPS.get(name)
    if chip is None:
        raise ConfigError(f"unknown chip {name!r}; topologies known: {known_topologies()}")
    parts = (lengths or "1").split("x") if chip.kind == "gpu" else lengths.split("x")
    if len(parts) != chip.axes or not all(p.isdecimal() and 1 <= int(p) <= 256 for p in parts):
        raise ConfigError(f"unknown topology {text!r}; known: {known_topologies()}")
    found = Slice(chip, tuple(int(p) for p in parts))
    if chip.kind == "gpu" and found.chips > MOST_GPUS:
        raise ConfigError(f"{text}: GPUs are planned within one host, {MOST_GPUS} at most")
    return found


def known_topologies() -> str:
    """The forms that `parse_slice` takes."""
    forms = {1: f"{{}}:1 to {{}}:{MOST_GPUS}", 2: "{}:AxB", 3: "{}:AxBxC"}
    return ", ".join(forms[chip.axes].format(name, name) for name, chip in CHIPS.items())
