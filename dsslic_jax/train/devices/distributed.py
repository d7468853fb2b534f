"""One run in several processes: they join before anything else, stop after the same step, and leave together.

The engine is JAX's own: its coordination service runs in process 0, watches heartbeats and ends every process when
one has died. Whoever started the processes (launch/local.sh, Slurm, a TPU VM's watcher) starts all of them again.
"""

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, NoReturn

from dsslic_jax.errors import ConfigError
from dsslic_jax.system.signals import Handler, handled

# Exit status (EX_TEMPFAIL) after a signal ended training before its last step: the same command goes on.
STOPPED = 75
CRASHED = 70  # exit status (EX_SOFTWARE) after which starting again may help; 1 is a mistake of the user's
_LONGEST_COMPILATION_MS = 3600 * 1000
_LONGEST_MEASUREMENT_S = 24 * 3600  # others wait so long at their end while process 0 measures


def join(
    coordinator: str | None, processes: int | None, process: int | None, heartbeat_timeout_s: int
) -> None:
    """Joins the other processes of a run, of which this is number `process`; call before JAX is used.

    `coordinator` is HOST:PORT of process 0. It and the numbers are None on TPU VMs, Slurm and GKE, where JAX finds
    them; raises ConfigError where it does not. After `heartbeat_timeout_s` of silence a process counts as dead.
    """
    import jax

    try:
        jax.distributed.initialize(
            coordinator,
            processes,
            process,
            heartbeat_timeout_seconds=heartbeat_timeout_s,
            shutdown_timeout_seconds=_LONGEST_MEASUREMENT_S,
        )
    except ValueError as error:
        raise ConfigError(
            f"no cluster was found to join ({error}): give --coordinator, --num_processes and --process_id"
        ) from None


def compile_together(step: Any, check: Callable[[Any], None], *arguments: Any) -> Any:
    """`step` compiled for these arguments, once every process has got so far; `check` sees the shapes of its results.

    The first step then begins everywhere at once: Gloo gives up on a peer that keeps it waiting for 30 s, and where
    one process finds its executable in the compilation cache and another does not, they are further apart than that.
    """
    from orbax.checkpoint import multihost

    lowered = step.lower(*arguments)
    check(lowered.out_info)
    compiled = lowered.compile()
    multihost.get_barrier_sync_fn()(key="compiled", timeout_ms=_LONGEST_COMPILATION_MS)
    return compiled


def finish() -> None:
    """Waits for the other processes, so that none ends while another still needs it."""
    import jax

    jax.distributed.shutdown()


def abandon(status: int) -> NoReturn:
    """Ends this process after an error.

    Where others have joined it does so at once: they may be waiting for it in the middle of a step, and waiting for
    them in turn, as an orderly exit does, would never end.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    jax = sys.modules.get("jax")
    if jax is not None and jax.distributed.is_initialized():
        os._exit(status)
    sys.exit(status)


@contextmanager
def stop_requests() -> Iterator[Callable[[int], bool]]:
    """Gives a function that tells, after step number so-and-so, whether a signal asks the run to end with it.

    That is SIGTERM, Ctrl-C (the second one interrupts), or SIGUSR1, which Slurm sends in time for `#SBATCH
    --signal=USR1@120`. In a run of several processes a signal to one of them ends all, after the same step; each must
    ask at every step. Signals reach the main thread only: in another one, without other processes, the answer is always
    no.
    """
    import jax
    from jax.experimental import multihost_utils

    stop = threading.Event()

    def request(number: int, frame: FrameType | None) -> None:
        if number == signal.SIGINT and stop.is_set():
            raise KeyboardInterrupt
        stop.set()

    def forward(number: int, frame: FrameType | None) -> None:
        request(number, frame)
        signal.raise_signal(signal.SIGTERM)

    together = jax.distributed.is_initialized()  # JAX has its own handler of SIGTERM then
    handlers: dict[int, Handler] = {signal.SIGUSR1: forward}
    if signal.getsignal(signal.SIGINT) != signal.SIG_IGN:
        handlers[signal.SIGINT] = forward
    if not together:
        handlers[signal.SIGTERM] = request
    with handled(handlers):
        if together:
            yield multihost_utils.reached_preemption_sync_point
        else:
            yield lambda step: stop.is_set()
