"""Points one after the other in this process, or side by side in processes of their own.

Each worker process has one point at a time: nothing waits in queues, and where a process dies, its point is known.
Coders run on one thread each. Networks are kept to the first worker alone: they use every core by themselves, and a
second copy would cost memory and no less time. It takes other points once those of the networks are done.
"""

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from functools import partial

from dsslic_jax.errors import CoderFailed, DsslicError
from dsslic_jax.evaluate.codecs.registry import LAYERED
from dsslic_jax.evaluate.measuring.measure import Measurer
from dsslic_jax.evaluate.measuring.points import Point
from dsslic_jax.evaluate.measuring.store import Measurement

MOST_DEATHS = 3  # of worker processes, before the run is given up
_SIGNALS_SECONDS = 0.1  # between looks for a signal

Outcome = list[Measurement] | str  # or why the point failed, in a line


def measured(
    points: Sequence[Point],
    make_measurer: Callable[[], Measurer],
    workers: int,
    stopping: threading.Event,
) -> Generator[tuple[Point, Outcome]]:
    """Each point with its measurements, or with why it failed, as they are done.

    One worker is this process; several take the networks' points out of their order, and need `make_measurer` to be
    picklable. Once `stopping` is set, points at work are finished and no others begun.

    Raises:
        CoderFailed: MOST_DEATHS worker processes died.
        Exception: what no user can put right, and what stops every point, such as a full disk.
    """
    if workers > 1 and len(points) > 1:
        yield from _in_processes(points, make_measurer, min(workers, len(points)), stopping)
        return
    measurer = make_measurer()
    for point in points:
        if stopping.is_set():
            return
        yield point, _outcome(measurer, point)


def _in_processes(
    points: Sequence[Point],
    make_measurer: Callable[[], Measurer],
    workers: int,
    stopping: threading.Event,
) -> Generator[tuple[Point, Outcome]]:
    networks = deque(point for point in points if point.curve.codec in LAYERED)
    others = deque(point for point in points if point.curve.codec not in LAYERED)
    context = multiprocessing.get_context("spawn")
    new_lane = partial(ProcessPoolExecutor, 1, context, _begin, (make_measurer,))
    lanes = [new_lane() for _ in range(workers)]
    at_work: dict[Future[Outcome], tuple[int, Point]] = {}
    deaths = 0
    not_ours = {*multiprocessing.active_children()}
    try:
        while True:
            busy = {lane for lane, _ in at_work.values()}
            for lane in range(workers):
                waiting = networks if lane == 0 and networks else others
                if lane not in busy and waiting and not stopping.is_set():
                    point = waiting.popleft()
                    try:
                        future = lanes[lane].submit(_measure, point)
                    except BrokenProcessPool:  # it died, at its last point or since
                        lanes[lane] = new_lane()
                        future = lanes[lane].submit(_measure, point)
                    at_work[future] = lane, point
            if not at_work:
                return
            done, _ = wait(at_work, _SIGNALS_SECONDS, FIRST_COMPLETED)
            for future in done:
                _, point = at_work.pop(future)
                try:
                    outcome = future.result()
                except BrokenProcessPool as error:
                    outcome = "its process died; is there too little memory for so many workers?"
                    deaths += not stopping.is_set()
                    if deaths == MOST_DEATHS:
                        raise CoderFailed(f"{point}: {outcome}") from error
                yield point, outcome
    except BaseException:
        for process in {*multiprocessing.active_children()} - not_ours:
            process.kill()  # amid its point
        raise
    finally:
        for executor in lanes:
            executor.shutdown()


_measurer: Measurer | None = None  # of a worker process


def _begin(make_measurer: Callable[[], Measurer]) -> None:
    """In a worker process, before its first point."""
    global _measurer  # noqa: PLW0603
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # the parent decides when to stop
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _measurer = make_measurer()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _measure(point: Point) -> Outcome:
    assert _measurer is not None
    return _outcome(_measurer, point)


def _outcome(measurer: Measurer, point: Point) -> Outcome:
    try:
        return measurer.measure(point)
    except DsslicError as error:
        return str(error)
