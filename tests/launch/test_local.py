"""launch/local.sh: what it would run, and what it starts again, with a stand-in for Python."""

import os
import shlex
import subprocess
from pathlib import Path

import pytest

from tests.conftest import ROOT


def local(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = ["bash", str(ROOT / "launch" / "local.sh"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_simulated_devices_are_divided_over_the_processes() -> None:
    done = local("--dry-run", "--processes", "2", "8", "--config=c.py", "--workdir=/a b")
    assert done.returncode == 0, done.stderr
    first, second = (shlex.split(line) for line in done.stdout.splitlines())
    assert "JAX_NUM_CPU_DEVICES=4" in first and "--workdir=/a b" in first
    assert {"--num_processes=2", "--process_id=0"} <= set(first)
    assert [word for word in second if word not in first] == ["--process_id=1"]


def test_one_process_joins_nobody() -> None:
    done = local("--dry-run", "8", "--config=c.py", "--workdir=runs/a")
    (line,) = done.stdout.splitlines()
    assert "JAX_NUM_CPU_DEVICES=8" in line and "--coordinator" not in line


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "launch/local.sh [--dry-run]"),
        (("8",), "launch/local.sh [--dry-run]"),
        (("--processes", "two", "8", "--config=c", "--workdir=w"), "launch/local.sh [--dry-run]"),
        (("--processes", "3", "8", "--config=c", "--workdir=w"), "8 devices cannot be divided"),
    ],
)
def test_a_local_call_that_makes_no_sense_shows_how(
    arguments: tuple[str, ...], message: str
) -> None:
    done = local("--dry-run", *arguments)
    assert done.returncode == 2
    assert message in done.stderr


def stand_in(folder: Path, script: str) -> dict[str, str]:
    """An environment whose Python is `script`, which also sees its attempt's number as $attempt."""
    python = folder / "venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    counted = f'echo . >> "{folder}/starts"; attempt=$(wc -l < "{folder}/starts")'
    python.write_text(f'#!/bin/bash\n[ "$1" = -c ] && echo 1234 && exit\n{counted}\n{script}\n')
    python.chmod(0o755)
    return {**os.environ, "DSSLIC_VENV": str(folder / "venv")}


@pytest.mark.parametrize(
    ("script", "status", "starts"),
    [
        ("exit 0", 0, 2),
        ("exit 75", 75, 2),  # a signal ended them
        ("[ $attempt -gt 2 ] || { [[ $* = *id=1* ]] && kill -KILL $$; exec sleep 60; }", 0, 4),
        ("[[ $* = *id=1* ]] && exit 1; exec sleep 60", 1, 2),  # a mistake: not again
        ("[[ $* = *id=1* ]] && exit 70; exec sleep 60", 70, 6),  # --restarts 2
    ],
)
def test_all_processes_are_started_again_when_one_dies_but_not_after_a_mistake(
    tmp_path: Path, script: str, status: int, starts: int
) -> None:
    launcher = ["bash", str(ROOT / "launch" / "local.sh"), "--processes", "2", "--restarts", "2"]
    done = subprocess.run(
        [*launcher, "2", "--config=c.py", f"--workdir={tmp_path}"],
        env=stand_in(tmp_path, script),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == status, done.stderr
    assert len((tmp_path / "starts").read_text().splitlines()) == starts
