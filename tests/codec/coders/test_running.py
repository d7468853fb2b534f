"""External programs within limits: whatever they do, one line says so, and nothing of them is left."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dsslic_jax.codec.coders.programs import running
from dsslic_jax.codec.coders.programs.running import (
    Program,
    private_folder,
    program_version,
    run_program,
)
from dsslic_jax.errors import CoderFailed
from tests.signals import hearing


def program(folder: Path, body: str) -> str:
    """A shell script in the place of a program; $OUT is the folder it is in."""
    path = folder / "program"
    path.write_text(f"#!/bin/sh\nOUT={folder}\n{body}\n")
    path.chmod(0o755)
    return str(path)


def run(folder: Path, body: str) -> tuple[Path, str]:
    with private_folder() as private:
        written, said = run_program("flif", program(folder, body), [], private, 1, "out")
        assert written.read_bytes() == b"picture\n"
    assert not private.exists()
    return written, said


def assert_gone(pid_file: Path) -> None:
    """That the process named in a file ends at once."""
    pid = int(pid_file.read_text())
    for _ in range(100):
        try:
            stat = Path(f"/proc/{pid}/stat").read_text()
        except (FileNotFoundError, ProcessLookupError):
            return
        if stat.rpartition(")")[2].split()[0] == "Z":  # ended, and waits for its parent
            return
        time.sleep(0.02)
    os.kill(pid, signal.SIGKILL)
    pytest.fail("the process lives on")


def test_what_a_program_says_on_either_output_is_heard(tmp_path: Path) -> None:
    _, said = run(tmp_path, "echo one; echo two >&2; echo picture >out")
    assert sorted(said.split()) == ["one", "two"]


def test_endless_words_stop_a_program(tmp_path: Path) -> None:
    began = time.monotonic()
    for output in ("1", "2"):
        with pytest.raises(CoderFailed, match="flif was stopped as it said more than 1048576"):
            run(tmp_path, f"exec cat /dev/zero >&{output}")
    assert time.monotonic() - began < 5


@pytest.mark.parametrize(
    "body",
    ["exec cat /dev/zero >out", "exec cat /dev/zero >other", "truncate -s 5G out"],
    ids=["written", "beside it", "sparse"],
)
def test_a_file_of_any_length_stops_a_program(
    body: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "_BYTES_AT_LEAST", 1 << 16)
    monkeypatch.setattr(running, "_SECONDS_BETWEEN_LOOKS", 0.01)
    with pytest.raises(CoderFailed, match="flif was stopped as it wrote more than a picture"):
        run(tmp_path, body)


def test_a_link_is_no_output(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("picture\n")
    with pytest.raises(CoderFailed, match="wrote no output"):
        run(tmp_path, "ln -s $OUT/secret out")


def test_a_child_that_holds_the_pipe_is_not_waited_for_and_ends(tmp_path: Path) -> None:
    began = time.monotonic()
    run(tmp_path, "sleep 60 & echo $! >$OUT/pid; echo picture >out")
    assert time.monotonic() - began < 5
    assert_gone(tmp_path / "pid")


def test_a_program_stopped_by_the_clock_takes_its_children_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "_SECONDS_TO_START", 0.3)
    with pytest.raises(CoderFailed, match="flif was stopped after 0 seconds"):
        run(tmp_path, "sleep 60 & echo $! >$OUT/pid; wait")
    assert_gone(tmp_path / "pid")


def test_a_program_that_closes_its_output_may_still_work(tmp_path: Path) -> None:
    run(tmp_path, "exec >&- 2>&-; sleep 0.2; echo picture >out")


def test_a_version_is_not_waited_for_without_end(tmp_path: Path) -> None:
    path = program(tmp_path, "exec cat /dev/zero")
    with pytest.raises(CoderFailed, match="does not tell its version: as it said more than"):
        program_version(Program("flif", ""), {"flif": path})


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_that_ends_us_leaves_neither_processes_nor_folders(
    number: signal.Signals, tmp_path: Path
) -> None:
    """Of a program that stays while we are told to end."""
    (tmp_path / "tmp").mkdir()
    path = program(tmp_path, "sleep 60 & echo $! >$OUT/new; mv $OUT/new $OUT/pid; wait")
    script = (
        "from dsslic_jax.codec.coders.programs.running import private_folder, run_program\n"
        f"with private_folder() as folder:\n    run_program('flif', {path!r}, [], folder, 1, 'out')"
    )
    command = [sys.executable, "-c", script]
    environment = {**os.environ, "TMPDIR": str(tmp_path / "tmp")}
    command = hearing(number, command)
    with subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL) as process:
        while not (tmp_path / "pid").exists():
            assert process.poll() is None
            time.sleep(0.02)
        assert len([*(tmp_path / "tmp").iterdir()]) == 1
        process.send_signal(number)
        assert process.wait(20) in (128 + number, -number)
    assert_gone(tmp_path / "pid")
    assert not [*(tmp_path / "tmp").iterdir()]
