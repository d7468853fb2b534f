"""A run killed at any moment and started again ends as if nothing had happened, in weights and in reports.

Two kills by default. Many: DSSLIC_TRAIN_KILLS=20 python -m pytest -n0 -rP tests/train/test_kills.py
"""

import os
import random
import signal
import subprocess
import time
from collections import Counter
from pathlib import Path

import pytest

from dsslic_jax.bundle import directory as bundle
from dsslic_jax.bundle import known as known_models
from tests.conftest import ROOT
from tests.train.reports import assert_each_report_is_there_once, json_lines, without_times
from tests.train.runs import assert_same_weights, command, environment

KILLS = int(os.environ.get("DSSLIC_TRAIN_KILLS", "2"))
KILLS_PER_RUN = 4
SETTINGS = ("train.steps=60", "train.log_every=2", "train.save_every=3", "train.sample_every=0")
# What a run says before the kill, and how many seconds after that it comes at most: as it starts, or as it trains.
MOMENTS = {"training on": 4.0, "step ": 3.0}


def started(workdir: Path) -> subprocess.Popen[str]:
    settings = [f"--config.{setting}" for setting in SETTINGS]
    return subprocess.Popen(
        command(workdir, *settings),
        cwd=ROOT,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def is_killed(workdir: Path, begins: str, seconds: float) -> bool:
    """Starts the run, kills it so long after a line that begins so; False where it had ended by then."""
    with started(workdir) as process:
        assert process.stdout is not None
        said = []
        for line in process.stdout:
            said.append(line)
            if line.startswith(begins):
                break
        time.sleep(seconds)
        process.send_signal(signal.SIGKILL)
        said += process.stdout
        process.wait(60)
        assert process.returncode in (0, -signal.SIGKILL), "".join(said)
        return process.returncode != 0


def test_a_killed_run_ends_as_if_nothing_had_happened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DSSLIC_MODELS", str(tmp_path / "known"))
    rng = random.Random(8)
    log: Counter[str] = Counter()
    undisturbed = started(tmp_path / "undisturbed")
    kills, runs = 0, []
    while kills < KILLS:
        runs.append(workdir := tmp_path / str(len(runs)))
        ended = False
        for _ in range(min(KILLS_PER_RUN, KILLS - kills)):
            begins = rng.choice(["training on", "step ", "step ", "step "])
            if ended := not is_killed(workdir, begins, rng.uniform(0, MOMENTS[begins])):
                break
            kills += 1
            saving = any((workdir / "checkpoints").glob("*.orbax-checkpoint-tmp"))
            log["while saving" if saving else f"after {begins!r}"] += 1
        if not ended:
            said, _ = (last := started(workdir)).communicate(timeout=600)
            assert last.returncode == 0, said
    said, _ = undisturbed.communicate(timeout=600)
    assert undisturbed.returncode == 0, said
    model = bundle.load(tmp_path / "undisturbed" / "model")
    assert known_models.find(model.fingerprint).resolve().name == "model"  # as decode finds it
    expected = without_times(json_lines(tmp_path / "undisturbed"))
    assert [report["step"] for report in expected] == [1, *range(2, 61, 2)]
    for workdir in runs:
        assert_same_weights(tmp_path / "undisturbed" / "model", workdir / "model")
        assert without_times(json_lines(workdir)) == expected
        assert_each_report_is_there_once(workdir)
    print(f"{kills} kills in {len(runs)} runs:", *sorted(log.items()), sep="\n")
