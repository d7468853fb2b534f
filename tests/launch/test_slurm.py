"""launch/slurm.sbatch against stand-ins."""

import os
import shlex
import signal
import subprocess
import time
from contextlib import suppress

import pytest

from tests.launch.machine import AWKWARD, CONFIG, ROOT, Machine

SBATCH = str(ROOT / "launch" / "slurm.sbatch")


def test_slurm_starts_a_task_for_each_gpu_with_unchanged_arguments(machine: Machine) -> None:
    machine.add("srun")
    machine.add("scontrol")
    done = machine.run("bash", SBATCH, CONFIG, "/mnt/a run", *AWKWARD, SLURM_JOB_ID="7")
    assert done.returncode == 0, done.stderr
    (call,) = machine.calls()
    assert call[:3] == ["srun", "--kill-on-bad-exit=1", "--gpu-bind=none"]
    assert call[4:] == [
        *("-m", "dsslic_jax.main", "--distributed", f"--config={CONFIG}"),
        "--workdir=/mnt/a run",
        *AWKWARD,
    ]
    dry = machine.run("bash", SBATCH, "--dry-run", CONFIG, "/mnt/a run", *AWKWARD)
    assert shlex.split(dry.stdout) == call


@pytest.mark.parametrize(
    ("ending", "starts_before", "queued_again"),
    [(0, 0, False), (1, 0, False), (75, 99, True), (137, 4, True), (137, 5, False)],
)
def test_slurm_queues_again_what_may_go_on(
    ending: int, starts_before: int, queued_again: bool, machine: Machine
) -> None:
    machine.add("srun", f"sys.exit({ending})")
    machine.add("scontrol")
    counted = {"SLURM_JOB_ID": "7", "SLURM_RESTART_COUNT": str(starts_before)}
    done = machine.run("bash", SBATCH, CONFIG, "/mnt/run", **counted)
    again = ["scontrol", "requeue", "7"] in machine.calls()
    assert again == queued_again
    assert done.returncode == (0 if queued_again else ending)


def test_slurm_s_warning_stops_training_and_queues_it_again(machine: Machine) -> None:
    machine.add(
        "srun",
        "import signal\n"
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(75))\n"
        f"open({str(machine.home / 'training')!r}, 'w').close()\n"
        "time.sleep(60)",
    )
    machine.add("scontrol")
    job = subprocess.Popen(
        ["bash", SBATCH, CONFIG, "/mnt/run"],
        cwd=ROOT,
        env={**machine.environment, "SLURM_JOB_ID": "7"},
        start_new_session=True,
    )
    try:
        deadline = time.monotonic() + 30
        while not (machine.home / "training").exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        job.send_signal(signal.SIGUSR1)
        assert job.wait(30) == 0
    finally:
        with suppress(ProcessLookupError):  # all have ended
            os.killpg(job.pid, signal.SIGKILL)
    assert machine.calls()[-1] == ["scontrol", "requeue", "7"]


def test_slurm_refuses_what_it_cannot_start() -> None:
    for arguments, message in (
        (["--dry-run", CONFIG], "CONFIG WORKDIR"),
        (["configs/none.py", "/mnt/run"], "no configuration configs/none.py here"),
    ):
        done = subprocess.run(
            ["bash", SBATCH, *arguments],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 2
        assert message in done.stderr
