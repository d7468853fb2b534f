"""The roofline on numbers worked by hand, and the slices it is drawn for."""

import pytest

from dsslic_jax.errors import ConfigError
from dsslic_jax.plan.chips import CHIPS, parse_slice
from dsslic_jax.plan.collectives import Collective
from dsslic_jax.plan.roofline import Cost, step_time


def cost(flops: float, accessed: float, *collectives: Collective) -> Cost:
    return Cost(flops, accessed, collectives, 1, 2, 3, 4, 5)


def test_a_step_takes_as_long_as_its_scarcest_resource_and_its_collectives() -> None:
    # v5e: 197 TFLOP/s, 819 GB/s; a chip of 2x2 has two links of 50 GB/s.
    where = parse_slice("v5e:2x2")
    reduce = Collective("all-reduce", 200_000_000, 4)  # sends 300 MB: 3 ms
    bound = step_time(cost(1.97e12, 4.095e9, reduce), where, "bfloat16")
    assert bound.compute_seconds == pytest.approx(0.010)
    assert bound.memory_seconds == pytest.approx(0.005)
    assert bound.seconds == pytest.approx(0.013)
    assert bound.model_flops_utilisation == pytest.approx(10 / 13)
    assert bound.scaling_efficiency == pytest.approx(10 / 13)
    expected = step_time(cost(1.97e12, 4.095e9, reduce), where, "bfloat16", attained=0.5)
    assert expected.seconds == pytest.approx(0.023)


def test_memory_bounds_a_step_that_reads_more_than_it_computes() -> None:
    bound = step_time(cost(1.97e12, 16.38e9), parse_slice("v5e:1x1"), "bfloat16")
    assert bound.seconds == bound.memory_seconds == pytest.approx(0.020)


def test_float32_runs_at_half_speed_on_gpus_and_in_bfloat16_passes_on_tpus() -> None:
    for name, ratio in (("h100", 2), ("v4:2x2x1", 1)):
        times = [
            step_time(cost(1e12, 0), parse_slice(name), dtype).seconds
            for dtype in ("float32", "bfloat16")
        ]
        assert times[0] == pytest.approx(ratio * times[1])


def test_memory_reserved_is_all_that_must_be_there_together() -> None:
    assert cost(1, 1).reserved_bytes == 1 + 2 + 3 + 4


@pytest.mark.parametrize(
    ("name", "chips", "gigabytes_per_second"),
    [
        ("v5e:1x1", 1, 0),
        ("v5e:2x2", 4, 100),  # a corner has two neighbours
        ("v5e:8x8", 64, 100),
        ("v5e:8x16", 128, 150),  # only the axis of 16 closes to a ring
        ("v5e:16x16", 256, 200),  # published: 51.2 TB/s of all-reduce by 256 chips
        ("v6e:16x16", 256, 400),  # published: 102.4 TB/s
        ("v4:2x2x1", 4, 100),
        ("v4:4x4x4", 64, 300),
        ("v5p:4x4x8", 128, 600),
        ("a100", 1, 0),
        ("h100:8", 8, 450),
    ],
)
def test_a_slice_has_the_links_of_its_least_connected_chip(
    name: str, chips: int, gigabytes_per_second: float
) -> None:
    found = parse_slice(name)
    assert found.chips == chips
    assert found.link_bytes_per_second == gigabytes_per_second * 1e9


@pytest.mark.parametrize(
    "name", ["v5e", "v5e:8", "v5e:2x2x2", "v5e:0x2", "v5e:axb", "v4:2x2", "h200:2x2", "v5e:2x-2"]
)
def test_a_topology_that_is_none_lists_those_known(name: str) -> None:
    with pytest.raises(
        ConfigError, match=r"unknown topology .*v5e:AxB.*v5p:AxBxC.*h200:1 to h200:8"
    ):
        parse_slice(name)


def test_an_unknown_chip_lists_those_known() -> None:
    with pytest.raises(ConfigError, match="unknown chip 'v9'; topologies known: v4:AxBxC"):
        parse_slice("v9:2x2")


def test_gpus_of_several_hosts_are_refused() -> None:
    with pytest.raises(ConfigError, match="within one host, 8 at most"):
        parse_slice("h100:16")


def test_every_chip_names_its_sources() -> None:
    assert all(chip.sources and all(chip.sources) for chip in CHIPS.values())
