"""Whole runs: the command that starts one, and comparing what two of them made."""

import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dsslic_jax.bundle import directory as bundle
from dsslic_jax.train.running.monitor import Monitor


def command(workdir: Path, *settings: str) -> list[str]:
    config = "--config=configs/quickstart.py:tiny"
    base = [sys.executable, "-m", "dsslic_jax.main", config, f"--workdir={workdir}"]
    return [*base, "--config.after.evaluate=False", *settings]


def environment() -> dict[str, str]:
    """The command's own: one device, the tests' compilation cache."""
    kept = {k: v for k, v in os.environ.items() if k != "XLA_FLAGS"}
    flags = "--xla_backend_optimization_level=0"
    return {**kept, "XLA_FLAGS": flags}


def assert_same_weights(model: Path | None, other: Path | None) -> None:
    assert model is not None and other is not None
    expected, weights = bundle.load(model).weights, bundle.load(other).weights
    assert expected.keys() == weights.keys()
    for name, array in expected.items():
        np.testing.assert_array_equal(weights[name], array, err_msg=name)


class StoppedHere(Exception):
    """Stands for a machine that goes away."""


def stop_after(step: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes the loop die right before step `step` + 1."""
    record = Monitor.record

    def dying(self: Monitor, number: int, *recorded: Any) -> None:
        if number == step + 1:
            raise StoppedHere
        record(self, number, *recorded)

    monkeypatch.setattr(Monitor, "record", dying)
