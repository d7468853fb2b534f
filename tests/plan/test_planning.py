"""`python -m dsslic_jax.plan`: what it prints is what the state's shapes say; mistakes are told in one line."""

import importlib.util
import json
import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import jax
import pytest

from dsslic_jax.configs import quickstart
from dsslic_jax.plan.planning import state_shapes
from dsslic_jax.train.tasks.registry import make_task

ROOT = Path(__file__).resolve().parents[2]
CONFIG = "configs/quickstart.py:tiny"


def plan(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {k: v for k, v in os.environ.items() if k not in ("XLA_FLAGS", "JAX_PLATFORMS")}
    return subprocess.run(
        [sys.executable, "-m", "dsslic_jax.plan", f"--config={CONFIG}", *arguments],
        cwd=ROOT,
        env={**kept, **environment},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def told(*arguments: str) -> dict[str, Any]:
    """The JSON object that a plan without a search prints."""
    done = plan("--json", "--nolargest_batch", *arguments)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="session")
def libtpu() -> None:
    """Stands for the TPU compiler; without it tests are skipped, or fail where DSSLIC_REQUIRE_LIBTPU=1."""
    if importlib.util.find_spec("libtpu") or os.environ.get("TPU_LIBRARY_PATH"):
        return
    if os.environ.get("DSSLIC_REQUIRE_LIBTPU") == "1":
        pytest.fail("libtpu is not installed")
    pytest.skip("libtpu is not installed (extra [tpu])")


def bytes_of(tree: Any) -> int:
    return sum(math.prod(x.shape) * x.dtype.itemsize for x in jax.tree.leaves(tree))


def check_costs(found: dict[str, Any], chips: int, most_padded: int) -> None:
    """Each parameter's gradient is summed over all chips once; arguments are the state and a share of the batch.

    The sum may be taken before the four phases of a transposed convolution are put together, 16 taps for 9.
    """
    state = state_shapes(make_task(quickstart.get_config("tiny")))
    parameters = bytes_of((state.generator.params, state.discriminator.params))
    reduced = sum(c["bytes"] for c in found["collectives"] if c["kind"] == "all-reduce")
    assert parameters <= reduced <= 16 / 9 * parameters
    pictures = found["batch_size"] // chips * 64 * 64 * (3 + 1)
    arguments = bytes_of(state) + pictures
    assert arguments <= found["memory"]["argument_bytes"] <= most_padded * arguments
    assert found["chips"] == chips and found["flops"] > 0
    assert found["bound"]["step_seconds"] < found["expected"]["step_seconds"]
    assert found["bound"]["scaling_efficiency"] < 1


def test_the_train_step_is_compiled_for_a_v5e_slice(libtpu: None) -> None:
    found = told("--topology=v5e:2x2", "--config.train.batch_size=8")
    check_costs(found, chips=4, most_padded=8)  # narrow arrays fill tiles of 8 x 128 badly
    assert not found["estimate"]
    assert found["memory"]["peak_bytes"] <= found["memory"]["reserved_bytes"]


def test_gpus_are_estimated_from_the_program_for_a_cpu() -> None:
    found = told("--topology=h200:2", "--config.train.batch_size=8")
    check_costs(found, chips=2, most_padded=1)
    assert found["estimate"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--topology=v7:2x2",), "unknown chip 'v7'; topologies known: v4:AxBxC, v5e:AxB,"),
        (("--topology=h200:4", "--config.train.batch_size=6"), "choose a multiple of 4"),
        (("--topology=h200", "--config.model.norm=layer"), "model.norm must be one of"),
    ],
)
def test_what_cannot_be_planned_is_told_in_one_line(
    arguments: tuple[str, ...], message: str
) -> None:
    done = plan(*arguments)
    assert done.returncode == 1
    assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1
    assert message in done.stderr


def test_a_missing_compiler_names_its_remedy(tmp_path: Path) -> None:
    # A finder that hides libtpu, where it is installed.
    (tmp_path / "sitecustomize.py").write_text(
        "import importlib.util as u\nfind = u.find_spec\n"
        "u.find_spec = lambda name, *a: None if name == 'libtpu' else find(name, *a)\n"
    )
    done = plan("--topology=v5e:2x2", PYTHONPATH=str(tmp_path), TPU_LIBRARY_PATH="")
    assert done.returncode == 1
    assert "pip install 'jax[tpu]" in done.stderr


def test_a_slice_that_the_compiler_refuses_is_told(libtpu: None) -> None:
    done = plan("--topology=v5e:3x3")
    assert done.returncode == 1
    assert "the TPU compiler does not take v5e:3x3: Topology layout" in done.stderr
