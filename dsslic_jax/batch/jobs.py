"""Working through many files in threads: what there is to do, what was done before, how far it is, what failed."""

import contextlib
import errno
import os
import queue
import sys
import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dsslic_jax.errors import ConfigError, DataError
from dsslic_jax.system.signals import stop_signals

_MOST_THREADS = 8  # by default: each holds a picture of up to a few hundred megabytes
_SIGNALS_SECONDS = 0.1  # between looks for a signal
_DISK_IS_FULL = (errno.ENOSPC, errno.EDQUOT)

Report = Callable[[str], None]


@dataclass(frozen=True)
class Job:
    """One file to make of another."""

    source: Path
    target: Path
    name: Path = Path()  # of the source, from the folder that was named


# Why a job failed, in a line or as what stops all; "" if it did not.
Outcome = tuple[Job, str | Exception]


@dataclass(frozen=True)
class Summary:
    """What became of a folder."""

    written: int
    kept: int  # were there already
    failed: tuple[tuple[Path, str], ...]  # source and why, by path
    bits_per_pixel: float | None = None  # mean of the streams written or kept; None for pictures
    passed_over: tuple[Path, ...] = ()  # files of other suffixes


def say(line: str) -> None:
    """Prints a line on stderr, above the bar if there is one."""
    from tqdm import tqdm

    tqdm.write(line, file=sys.stderr)


@dataclass(frozen=True)
class Found:
    """What is to be done, and files that are not."""

    jobs: tuple[Job, ...]
    clashing: tuple[
        tuple[Path, str], ...
    ]  # would be written to the file of another; with the reason
    passed_over: tuple[Path, ...]  # of other suffixes


def find_jobs(sources: Sequence[Path], target: Path, wanted: Collection[str], suffix: str) -> Found:
    """Files, and the files below folders that have a suffix of `wanted`, by path, each to become one below `target`.

    Raises DataError where a source is not there or nothing is to be done, OSError for a folder that cannot be read.
    """
    jobs: dict[Path, Job] = {}
    clashing, passed_over = [], []
    for path, name in _files_of(sources, target):
        job = Job(path, target / name.with_suffix(suffix), name)
        if path.suffix.lower() == suffix or path.suffix.lower() not in wanted:
            passed_over += [path] if path.suffix.lower() != suffix else []
        elif job.target in jobs:
            other = jobs[job.target].source
            clashing.append((path, f"would become {job.target}, as {other} does: rename one"))
        else:
            jobs[job.target] = job
    if not jobs:
        some = ", ".join(sorted(wanted)[:4]) + (", …" if len(wanted) > 4 else "")
        raise DataError(f"{sources[0]}: no files with suffix {some} in it")
    return Found(tuple(jobs.values()), tuple(clashing), tuple(passed_over))


def _files_of(sources: Sequence[Path], target: Path) -> Iterator[tuple[Path, Path]]:
    """Each file with its name below the folder that was named; a file that was named, by its own."""
    for source in sources:
        if source.is_dir():
            inside = source.resolve() in target.resolve().parents  # what was made is not made again
            for path in _files_below(source):
                if not (inside and target.resolve() in path.resolve().parents):
                    yield path, path.relative_to(source)
        elif source.exists():
            yield source, Path(source.name)
        else:
            raise DataError(f"{source} is not there")


def _files_below(source: Path) -> Iterator[Path]:
    """Files by path, broken links among them; passes over hidden ones, hidden folders and links to folders."""

    def refuse(error: OSError) -> None:
        raise error

    for folder, folders, names in os.walk(source, onerror=refuse):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            path = Path(folder, name)
            if not name.startswith(".") and (path.is_file() or not path.exists()):
                yield path


def one_line(error: Exception, job: Job) -> str:
    """What an error says, without the path that stands beside it in `Summary.failed`."""
    said = str(error).removeprefix(f"{job.source}: ").strip()
    return said.splitlines()[0] if said else type(error).__name__


def run(
    jobs: Sequence[Job],
    work: Callable[[Job, Any], None],
    codecs: Sequence[Any],
    *,
    what: str,
    workers: int,
    is_there: Callable[[Job], bool] | None,
    hopeless: tuple[type[Exception], ...],
    report: Report,
) -> Summary:
    """Does what is to be done, in order, as many jobs at a time as there are workers, with a bar on terminals.

    Args:
      work: makes a job's target with one of the codecs, which take turns; what it raises is that job's failure.
      what: the bar's name.
      workers: 0 for as many as there are cores, but 8 at most and at least one for each codec.
      is_there: tells a job that was done before; None does all again.
      hopeless: what fails one job with this fails all: it stops the run, as a full disk does.
      report: told that the run was stopped and how to go on.
    """
    from tqdm import tqdm

    if workers < 0:
        raise ConfigError(f"workers is the number of pictures at a time, not {workers}")
    left = [job for job in jobs if not (is_there and is_there(job))]
    threads = workers or max(len(codecs), min(os.cpu_count() or 1, _MOST_THREADS))
    failed: list[tuple[Path, str]] = []
    outcomes: queue.SimpleQueue[Outcome] = queue.SimpleQueue()

    def attempt(job: Job, codec: Any) -> None:
        if stopping.is_set():
            return
        problem: str | Exception = ""
        try:
            work(job, codec)
        except Exception as error:
            stops_all = isinstance(error, hopeless) or getattr(error, "errno", 0) in _DISK_IS_FULL
            # A line, not the error, if others go on: its traceback holds the picture.
            problem = error if stops_all else one_line(error, job)
        outcomes.put((job, problem))

    bar = tqdm(total=len(left), desc=what, unit="picture", disable=None)  # None: on terminals only
    with bar, stop_signals() as stopping, ThreadPoolExecutor(threads) as pool:
        try:
            for number, job in enumerate(left):
                pool.submit(attempt, job, codecs[number % len(codecs)])
            for _ in left:
                job, problem = _next(outcomes, stopping)
                if isinstance(problem, Exception):
                    raise problem
                if problem:
                    failed.append((job.source, problem))
                bar.update()
        except KeyboardInterrupt:
            report("stopped once the files at work are done; the same command goes on from there")
            raise
        finally:
            stopping.set()
    return Summary(len(left) - len(failed), len(jobs) - len(left), tuple(sorted(failed)))


def _next(outcomes: queue.SimpleQueue[Outcome], stopping: threading.Event) -> Outcome:
    while not stopping.is_set():
        with contextlib.suppress(queue.Empty):
            return outcomes.get(timeout=_SIGNALS_SECONDS)
    raise KeyboardInterrupt
