"""Launch scripts: they refuse bad calls and, dry, print the commands they would run, quoted."""

from __future__ import annotations

import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


def tpu_vm(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = ["bash", str(ROOT / "launch" / "tpu_vm.sh"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.skipif(
    shutil.which("git") is None or not (ROOT / ".git").exists(), reason="not a git checkout"
)
def test_a_dry_run_prints_every_command_with_its_arguments_quoted() -> None:
    config = "configs/ade20k.py:tiny"
    done = tpu_vm("--dry-run", "my vm", "zone-a", config, "/mnt/run", "--config.data.root=/a b")
    assert done.returncode == 0, done.stderr
    copy, _, rest = done.stdout.partition("\n")
    assert shlex.split(copy)[:5] == ["gcloud", "compute", "tpus", "tpu-vm", "scp"]
    assert "my vm:dsslic_jax.tar.gz" in shlex.split(copy)
    remote = next(a for a in shlex.split(rest) if a.startswith("--command="))
    train = shlex.split(remote.rpartition("; ")[2])
    assert "--config=configs/ade20k.py:tiny" in train
    assert "--config.data.root=/a b" in train and "--distributed" in train


def test_a_call_without_its_arguments_shows_how() -> None:
    done = tpu_vm("--dry-run", "vm")
    assert done.returncode == 2
    assert "NAME ZONE CONFIG WORKDIR" in done.stderr


def test_an_unknown_configuration_is_refused_before_anything_is_run() -> None:
    done = tpu_vm("--dry-run", "vm", "zone", "configs/none.py", "/mnt/run")
    assert done.returncode == 2
    assert "no configuration configs/none.py" in done.stderr
    assert "gcloud" not in done.stdout
