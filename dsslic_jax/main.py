"""Trains: python -m dsslic_jax.main --config=configs/X.py[:tiny] --workdir=DIR

Any key can be set on the command line, e.g. --config.train.batch_size=16 --config.data.root=/data/camvid.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dsslic_jax.system import extras, runtime, signals
from dsslic_jax.system.printable import speak_plainly

if __name__ == "__main__":
    signals.leave_when_interrupted()  # as long as it only imports
    speak_plainly()
runtime.prepare()

with extras.remedy_told():
    from absl import app, flags, logging
    from ml_collections import config_flags

from dsslic_jax.errors import ConfigError, DsslicError  # noqa: E402
from dsslic_jax.system.command_line import parse_flags  # noqa: E402
from dsslic_jax.train.devices import distributed  # noqa: E402

if TYPE_CHECKING:
    from dsslic_jax.train.tasks.task import Task

_CONFIG = config_flags.DEFINE_config_file("config", None, "training configuration (configs/*.py)")
_WORKDIR = flags.DEFINE_string("workdir", None, "directory for checkpoints, logs and the model")
_PROFILE = flags.DEFINE_bool("profile", False, "write a trace of a few steps to WORKDIR/profile")
_UNTRAINED = flags.DEFINE_bool(
    "untrained", False, "write the model as it is before the first step, and stop"
)
_DISTRIBUTED = flags.DEFINE_bool(
    "distributed", False, "join the other processes of a TPU slice, Slurm job or GKE job"
)
_COORDINATOR = flags.DEFINE_string(
    "coordinator", None, "elsewhere: HOST:PORT of process 0; the port must be free there"
)
_PROCESSES = flags.DEFINE_integer("num_processes", None, "elsewhere: how many processes there are")
_PROCESS = flags.DEFINE_integer("process_id", None, "elsewhere: this process's number, from 0")
_HEARTBEAT = flags.DEFINE_integer(
    "heartbeat_timeout", 100, "seconds of silence after which another process counts as dead"
)


def main(arguments: Sequence[str]) -> int:
    """Trains, then measures held-back pictures where the configuration asks for it; returns the exit status."""
    if len(arguments) > 1:
        raise app.UsageError(f"unexpected arguments: {' '.join(arguments[1:])}")
    if not flags.FLAGS["verbosity"].present:
        logging.set_verbosity(logging.WARNING)
        # Orbax tells each step of each save there, and every stack of an error that it raises as well.
        logging.get_absl_logger().setLevel("CRITICAL")
    try:
        signals.interrupt_again()
        finished = _run(Path(str(_WORKDIR.value)))
    except (DsslicError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        distributed.abandon(1)
    except KeyboardInterrupt:
        print("stopped; the same command goes on from the newest checkpoint", file=sys.stderr)
        distributed.abandon(distributed.STOPPED)
    except BaseException:
        traceback.print_exc()
        distributed.abandon(distributed.CRASHED)
    distributed.finish()
    return 0 if finished else distributed.STOPPED


def _run(workdir: Path) -> bool:
    """Returns whether training reached its last step."""
    import jax

    from dsslic_jax.bundle import directory
    from dsslic_jax.system.files import require_text
    from dsslic_jax.system.locks import alone_in
    from dsslic_jax.train.tasks.registry import make_task

    if "://" in str(_WORKDIR.value):
        raise ConfigError("--workdir must be a folder; mount a bucket to use it")
    require_text(workdir)
    task = make_task(_CONFIG.value)  # a mistake is told before a file or a device is opened
    if _UNTRAINED.value:
        directory.save(task.bundle(task.first_state()), workdir / "model")
        print(f"model: {workdir / 'model'}")
        return True
    place = (_COORDINATOR.value, _PROCESSES.value, _PROCESS.value)
    if _DISTRIBUTED.value or place != (None, None, None):
        distributed.join(*place, heartbeat_timeout_s=_HEARTBEAT.value)
    if task.settings.after.evaluate:
        task.require_measuring()
    with ExitStack() as stack:
        if jax.process_index() == 0:
            stack.enter_context(alone_in(workdir, "run"))
        return _train(task, workdir)


def _train(task: Task[Any], workdir: Path) -> bool:
    import jax

    from dsslic_jax.bundle import directory, known
    from dsslic_jax.train.loop import train

    model = train(task, workdir, _PROFILE.value)
    if model is None:
        return False
    if jax.process_index() == 0:
        print(f"model: {model}")
        known.remember(directory.load(model).fingerprints, model)
        if task.settings.after.evaluate:
            task.measure(model, workdir)
    return True


if __name__ == "__main__":
    flags.mark_flags_as_required(["config", "workdir"])
    app.run(main, flags_parser=parse_flags)
