"""Tasks one after the other in this process, or side by side in processes of their own.

Each worker process has one task at a time: nothing waits in queues, and where a process dies, its task is known. Coders
run on one thread each. Networks are kept to the first worker alone: they use every core by themselves, and a second
copy would cost memory and no less time. It takes other tasks once those of the networks are done.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool

from dsslic_jax.errors import CoderFailed, DsslicError
from dsslic_jax.evaluate.codecs.registry import LAYERED
from dsslic_jax.evaluate.measuring.measure import Workshop
from dsslic_jax.evaluate.measuring.points import Task
from dsslic_jax.evaluate.measuring.store import Measurement

MOST_DEATHS = 3  # of worker processes, before the run is given up
_SIGNALS_SECONDS = 0.1  # between looks for a signal
_KILL = getattr(signal, "SIGKILL", signal.SIGTERM)  # Windows has the other alone

Outcome = list[Measurement] | str  # or why the task failed, in a line


def measured(
    tasks: Sequence[Task],
    make_workshop: Callable[[], Workshop],
    workers: int,
    stopping: threading.Event,
) -> Generator[tuple[Task, Outcome]]:
    """Each task with its measurements, or with why it failed, as they are done.

    Args:
        tasks: in this order, but for networks' tasks when there are several workers.
        make_workshop: makes what measures them; picklable for several workers.
        workers: processes; 1 for this process alone.
        stopping: once set, tasks at work are finished and no others begun.

    Raises:
        CoderFailed: MOST_DEATHS worker processes died.
        Exception: what no user can mend, and what stops every task, such as a full disk.
    """
    if workers > 1 and len(tasks) > 1:
        yield from _in_processes(tasks, make_workshop, min(workers, len(tasks)), stopping)
        return
    workshop = make_workshop()
    for task in tasks:
        if stopping.is_set():
            return
        yield task, _outcome(workshop, task)


def _in_processes(
    tasks: Sequence[Task],
    make_workshop: Callable[[], Workshop],
    workers: int,
    stopping: threading.Event,
) -> Generator[tuple[Task, Outcome]]:
    networks = deque(task for task in tasks if task.curve.codec in LAYERED)
    others = deque(task for task in tasks if task.curve.codec not in LAYERED)
    lanes = [_Lane(make_workshop) for _ in range(workers)]
    at_work: dict[Future[Outcome], tuple[_Lane, Task]] = {}
    deaths = 0
    try:
        while True:
            busy = [lane for lane, _ in at_work.values()]
            for lane in lanes:
                waiting = networks if lane is lanes[0] and networks else others
                if lane not in busy and waiting and not stopping.is_set():
                    task = waiting.popleft()
                    at_work[lane.begin(task)] = lane, task
            if not at_work:
                return
            done, _ = wait(at_work, _SIGNALS_SECONDS, FIRST_COMPLETED)
            for future in done:
                lane, task = at_work.pop(future)
                try:
                    outcome = future.result()
                except BrokenProcessPool as error:
                    outcome = "its process died; is there too little memory for so many workers?"
                    deaths += not stopping.is_set()
                    if deaths == MOST_DEATHS:
                        raise CoderFailed(f"{task}: {outcome}") from error
                yield task, outcome
    except BaseException:
        for lane in lanes:
            lane.kill()
        raise
    finally:
        for lane in lanes:
            lane.close()


class _Lane:
    """One worker process, started with its first task."""

    def __init__(self, make_workshop: Callable[[], Workshop]) -> None:
        self._make_workshop = make_workshop
        self._start()

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._executor = ProcessPoolExecutor(1, context, _begin, (self._make_workshop,))
        self._process_id: Future[int] | None = None

    def begin(self, task: Task) -> Future[Outcome]:
        """Gives the process its next task."""
        try:
            return self._submit(task)
        except BrokenProcessPool:  # it died, at its last task or since
            self._start()
            return self._submit(task)

    def _submit(self, task: Task) -> Future[Outcome]:
        if self._process_id is None:
            self._process_id = self._executor.submit(os.getpid)
        return self._executor.submit(_measure, task)

    def kill(self) -> None:
        """Ends the process amid its task."""
        if self._process_id is not None and self._process_id.done():
            with contextlib.suppress(ProcessLookupError, BrokenProcessPool):
                os.kill(self._process_id.result(), _KILL)

    def close(self) -> None:
        """Ends the process after its task."""
        self._executor.shutdown()


_workshop: Workshop | None = None  # of a worker process


def _begin(make_workshop: Callable[[], Workshop]) -> None:
    """In a worker process, before its first task."""
    global _workshop  # noqa: PLW0603
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # the parent decides when to stop
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _workshop = make_workshop()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _measure(task: Task) -> Outcome:
    assert _workshop is not None
    return _outcome(_workshop, task)


def _outcome(workshop: Workshop, task: Task) -> Outcome:
    try:
        return workshop.measure(task)
    except DsslicError as error:
        return str(error)
