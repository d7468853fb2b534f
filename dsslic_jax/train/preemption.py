"""The signals by which a scheduler says that a run must stop soon."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

# TPU VMs and most others send SIGTERM; Slurm what `#SBATCH --signal=USR1@120` names, so long before the end.
SIGNALS = (signal.SIGTERM, signal.SIGUSR1)


@contextmanager
def stop_requested() -> Iterator[threading.Event]:
    """An event that any of SIGNALS sets, so that the loop ends after the step it is in.

    Signals reach the main thread only; in another one the event is never set.
    """
    stop = threading.Event()

    def request(number: int, frame: FrameType | None) -> None:
        stop.set()

    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    previous = {number: signal.signal(number, request) for number in SIGNALS}
    try:
        yield stop
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
