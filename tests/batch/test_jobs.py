"""Working through files in threads: signals, and what is to be done."""

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from dsslic_jax.batch import jobs
from dsslic_jax.errors import ModelError
from tests.conftest import ROOT


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


STOPPED = """
import os, signal, time
from pathlib import Path
from dsslic_jax.batch import jobs

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs begin without it

def tell(line):
    os.write(1, f"{line}\\n".encode())  # lines of threads stay whole

def work(job, codec):
    tell(job.source.name)
    time.sleep(0.3)
    job.target.write_bytes(b"whole")

made = [jobs.Job(Path(f"{i}.png"), Path(f"{i}.out")) for i in range(50)]
jobs.run(made, work, [None], what="work", workers=2, is_there=None, hopeless=(), report=tell)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_run_finishes_what_is_at_work_and_says_how_to_go_on(number: int) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", STOPPED],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert process.stdout is not None
    begun = [process.stdout.readline().strip() for _ in range(2)]
    process.send_signal(number)
    out, err = process.communicate(timeout=30)
    assert process.returncode != 0 and "KeyboardInterrupt" in err
    lines = out.splitlines()
    assert [line for line in lines if "goes on from there" in line]
    begun += [line for line in lines if line.endswith(".png")]
    assert 2 <= len(begun) < 50
    assert {path.stem for path in Path().glob("*.out")} == {Path(name).stem for name in begun}


def nothing_to_do() -> jobs.Summary:
    return jobs.run(
        [], print, [None], what="", workers=1, is_there=None, hopeless=(), report=jobs.say
    )


def test_signals_are_as_before_afterwards() -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    assert nothing_to_do() == jobs.Summary(0, 0, ())
    assert before == [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]


def test_jobs_run_in_other_threads_than_the_main_one_too() -> None:
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(nothing_to_do).result() == jobs.Summary(0, 0, ())


def test_what_stops_all_leaves_the_jobs_that_wait_undone() -> None:
    begun = []

    def work(job: jobs.Job, codec: object) -> None:
        begun.append(job)
        time.sleep(0.001)
        raise ModelError("no model")

    waiting = [jobs.Job(Path(f"{i}"), Path(f"{i}.out")) for i in range(1000)]
    with pytest.raises(ModelError, match="no model"):
        jobs.run(
            waiting,
            work,
            [None],
            what="",
            workers=1,
            is_there=None,
            hopeless=(ModelError,),
            report=jobs.say,
        )
    assert 0 < len(begun) < 1000


def test_files_are_found_by_path_hidden_ones_and_linked_folders_left_out() -> None:
    for name in ("in/b.A", "in/a.x.a", "in/c/d.a", "in/.c/d.a", "in/.e.a", "in/f.b", "out/g.a"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_bytes(b"")
    Path("in", "linked").symlink_to(Path("out").resolve())
    Path("in", "z.a").symlink_to("nowhere")
    os.mkfifo("in/pipe.a")
    found = jobs.find_jobs([Path("in")], Path("to"), {".a"}, ".made")
    assert [str(path) for path in found.passed_over] == ["in/f.b"]
    assert [(str(job.source), str(job.target)) for job in found.jobs] == [
        ("in/a.x.a", "to/a.x.made"),
        ("in/b.A", "to/b.made"),
        ("in/z.a", "to/z.made"),
        ("in/c/d.a", "to/c/d.made"),
    ]


def test_a_folder_inside_the_source_takes_what_is_made_and_gives_nothing() -> None:
    for name in ("in/a.a", "in/made/b.a"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_bytes(b"")

    def found(source: str, target: str) -> list[str]:
        jobs_found = jobs.find_jobs([Path(source)], Path(target), {".a"}, ".made").jobs
        return [str(job.source) for job in jobs_found]

    assert found("in", "in/made") == ["in/a.a"]
    assert found("in", str(Path("in/made").resolve())) == ["in/a.a"]
    for target in ("in", ".", ".."):
        assert found("in", target) == ["in/a.a", "in/made/b.a"]


def test_an_error_is_told_in_one_line_without_its_file() -> None:
    job = jobs.Job(Path("in/a.png"), Path("out"))
    for error, said in (
        (ValueError("in/a.png: no\nmore"), "no"),
        (OSError(13, "Permission denied", "x"), "[Errno 13] Permission denied: 'x'"),
        (MemoryError(), "MemoryError"),
    ):
        assert jobs.one_line(error, job) == said
