"""Plans of a stand-in compiler: the search, what does not fit, and how it is told."""

import json
from typing import Any, NamedTuple

import pytest

from dsslic_jax.errors import ConfigError
from dsslic_jax.plan import planning
from dsslic_jax.plan.chips import GIB, Slice, parse_slice
from dsslic_jax.plan.collectives import Collective
from dsslic_jax.plan.planning import DoesNotFit, make_planner
from dsslic_jax.plan.report import Plan, as_json, as_text
from dsslic_jax.plan.roofline import Cost
from dsslic_jax.train.tasks.registry import make_task
from tests.configurations import small_compression


class Mesh(NamedTuple):
    shape: dict[str, int]


class StandIn:
    """Needs 1 GiB and another for each picture of a chip; refuses above 12 pictures a chip, as a compiler may."""

    def __init__(self, where: Slice) -> None:
        self.mesh = Mesh({"data": where.chips, "fsdp": 1, "rows": 1})
        self.where = where

    def cost(self, batch_size: int) -> tuple[Cost, float]:
        share = batch_size // self.where.chips
        if share > 12:
            raise DoesNotFit("out of memory")
        reduce = Collective("all-reduce", 100_000_000, self.where.chips)
        temporary = share * GIB
        return Cost(1.97e12 * share, 1e9, (reduce, reduce), GIB, temporary, 0, 0, GIB), 12.34


def plan(
    topology: str, batch_size: int, monkeypatch: pytest.MonkeyPatch, search: bool = True
) -> Plan:
    where = parse_slice(topology)
    monkeypatch.setattr(planning, "make_planner", lambda *_: StandIn(where))
    config = small_compression(batch_size=batch_size)
    return planning.make_plan(make_task(config), where, attained=0.5, search=search)


def test_the_largest_batch_is_searched_in_whole_shares_of_the_slice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = plan("v5e:2x2", 16, monkeypatch).largest
    assert found is not None
    assert (found.fits, found.too_large) == (4 * 12, 4 * 13)
    assert found.reserved_bytes[16] == 5 * GIB


def test_the_text_tells_what_a_person_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = as_text(plan("v5e:2x2", 16, monkeypatch)).splitlines()
    assert lines[0] == "v5e:2x2: 4 chip(s), data 4; compression, float32"
    assert lines[1:8] == [
        "batch            16, 4 a chip, of 64x64",
        "memory of a chip 5.00 of 16.0 GiB: arguments 1.00, temporaries 4.00, program 0.00; 1.00 in use at the peak",
        "work of a chip   7.880 TFLOP, 1.00 GB accessed",
        "collectives      all-reduce x 2: 200.0 MB, 300.0 MB sent",
        # 7.88 / 197 s of compute, 300 MB over two links of 50 GB/s
        "bound            43.0 ms a step (compute 40.0, collectives 3.0), 372.1 pictures/s, MFU 93 %, scaling 93 %",
        "expected         83.0 ms a step (compute 80.0, collectives 3.0), 192.8 pictures/s, MFU 48 %, scaling 96 %",
        "largest batch    12 a chip fit; 13 does not (compiled)",
    ]
    rest = "\n".join(lines[8:])
    assert "nothing overlapped" in rest and "not measured" in rest and "tpu/docs/v5e" in rest
    assert "ESTIMATE" not in rest


def test_a_plan_for_gpus_is_marked_as_an_estimate(monkeypatch: pytest.MonkeyPatch) -> None:
    found = plan("h200", 1, monkeypatch, search=False)
    assert "ESTIMATE" in as_text(found) and "collectives      " in as_text(found)
    assert "largest batch" not in as_text(found)
    assert json.loads(as_json(found))["estimate"]


def test_the_json_form_holds_plain_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    found: dict[str, Any] = json.loads(as_json(plan("v5e:2x2", 16, monkeypatch)))
    assert found["collectives"] == [
        {"kind": "all-reduce", "count": 2, "bytes": 200_000_000, "sent_bytes": 300_000_000}
    ]
    assert found["memory"]["reserved_bytes"] == 5 * GIB
    assert found["bound"]["step_seconds"] == pytest.approx(0.043)
    assert found["expected"]["pictures_per_second"] == pytest.approx(16 / 0.083)
    assert found["largest_batch"]["fits"] == 48


def test_a_batch_that_does_not_fit_is_told_with_one_that_does(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    message = r"batch_size 128 does not fit v5e:2x2 \(out of memory\); the largest .* fit is 48$"
    with pytest.raises(DoesNotFit, match=message):
        plan("v5e:2x2", 128, monkeypatch)
    with pytest.raises(DoesNotFit, match="a larger slice may fit"):
        plan("v5e:2x2", 128, monkeypatch, search=False)


def test_pictures_without_one_size_cannot_be_planned() -> None:
    config = small_compression()
    config.data.crop = None
    with pytest.raises(ConfigError, match=r"data\.crop must be"):
        make_planner(make_task(config), parse_slice("h200"))
