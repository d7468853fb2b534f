"""An encoder killed at any point leaves no part of a file under the name that it was given.

A few kills by default. The full set: DSSLIC_KILLS=50 python -m pytest -n0 tests/test_killed.py -rP
"""

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from PIL import Image

from dsslic_jax.codec.stream import container
from tests.codec.pictures import smooth_picture
from tests.conftest import ROOT

KILLS = int(os.environ.get("DSSLIC_KILLS", "7"))
# As `dsslic encode --verbose` names them, and how long each may last before the kill, in seconds.
PHASES = {
    "picture": 0.3,
    "model": 3.0,
    "labels": 1.0,
    "compact image": 0.6,
    "coarse picture": 0.6,
    "residual": 0.1,
    "file": 0.01,
}


@pytest.mark.parametrize("old", [None, container.MAGIC + b", an older stream"])
def test_a_killed_encoder_leaves_the_whole_file_or_what_was_there(
    old: bytes | None, tiny_model: Path, tmp_path: Path
) -> None:
    Image.fromarray(smooth_picture(200, 300)).save(tmp_path / "picture.png")
    output = tmp_path / "out" / "picture.dsslic"
    output.parent.mkdir()
    rng = random.Random(5)
    log: Counter[str] = Counter()
    for kill in range(-(-KILLS // 2)):
        phase = [*PHASES][kill % len(PHASES)]
        if old is not None:
            output.write_bytes(old)
        reached = killed_in(phase, rng.uniform(0, PHASES[phase]), tiny_model, tmp_path)
        log[f"{phase}: killed in {reached}"] += 1
        left = {path: path.read_bytes() for path in output.parent.iterdir()}
        new = [data for path, data in left.items() if path == output and data != old]
        for data in new:
            assert len(data) == sum(container.layer_lengths(data).values())
        assert old is None or output in left
        # Killed as it writes, it may leave a hidden file beside.
        assert all(path == output or path.name.startswith(".") for path in left) and len(left) <= 2
        log["whole file" if new else "nothing new"] += 1
        for path in left:
            path.unlink()
    print(*sorted(log.items()), sep="\n")
    assert log["nothing new"]


def killed_in(phase: str, seconds: float, model: Path, folder: Path) -> str:
    """Starts an encoder, kills it so long after a phase began, and tells the phase that it was in."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "DSSLIC_MODELS": str(folder / "known")}
    command = [sys.executable, "-m", "dsslic_jax", "encode", folder / "picture.png"]
    command += [folder / "out" / "picture.dsslic", "--model", model, "--verbose"]
    with subprocess.Popen(
        command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, env=environment
    ) as process:
        assert process.stderr is not None
        seen = []
        for line in process.stderr:
            seen.append(line.strip().removeprefix("phase: "))
            if seen[-1] == phase:
                break
        assert seen and seen[-1] == phase, seen
        time.sleep(seconds)
        process.send_signal(signal.SIGKILL)
        seen += [line.strip().removeprefix("phase: ") for line in process.stderr]
        process.wait(60)
        return seen[-1] if process.returncode == -signal.SIGKILL else "done"
