"""The training loop: set up, restore, step, report, save, export. Reads top to bottom."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import jax
import numpy as np

from dsslic_jax import bundle as bundles
from dsslic_jax.classes import class_table
from dsslic_jax.data.pipeline import train_iterator
from dsslic_jax.data.sources import open_source
from dsslic_jax.train import samples, sharding
from dsslic_jax.train.checkpoint import CHECKPOINTS, Checkpoints, claim, has_checkpoints
from dsslic_jax.train.monitor import Monitor
from dsslic_jax.train.portable import start_from
from dsslic_jax.train.settings import resolve
from dsslic_jax.train.tasks import Task, make_task


def train(config: Any, workdir: Path) -> Path | None:
    """Trains `config` in `workdir`, going on from its newest checkpoint.

    Returns the model directory, or None where SIGTERM ended the run early (state and model are saved).
    """
    config = resolve(config)
    mesh = sharding.data_mesh()
    sharding.check_batch_size(config.train.batch_size, mesh)
    task = make_task(config, class_table(config.data.classes))
    source = open_source(config.data, config.data.train_split)
    data = train_iterator(
        config.data,
        global_batch_size=config.train.batch_size,
        seed=config.seed,
        process_index=jax.process_index(),
        process_count=jax.process_count(),
        source=source,
    )
    claim(workdir, config)
    checkpoints = Checkpoints(workdir / CHECKPOINTS, config.train.keep)
    first = task.state
    if config.train.start_from and not has_checkpoints(workdir):
        first = start_from(first, *bundles.load_with_training(config.train.start_from))
    state, start = checkpoints.restore(first, data, sharding.replicated(mesh))
    step = sharding.compile_step(task.step, mesh)
    monitor = Monitor(workdir / "tensorboard", config.train.steps, config.train.batch_size)
    print(
        f"training on {mesh.size} {jax.default_backend()} device(s) from step {start}", flush=True
    )

    with _stop_requested() as stop, closing(checkpoints), closing(monitor), closing(data):
        for number in range(start + 1, config.train.steps + 1):
            batch = next(data)
            state, metrics = step(state, sharding.put_batch(batch, mesh))
            monitor.record(number, metrics)
            last = number == config.train.steps or stop.is_set()
            # The first step is reported too: waiting for it keeps compilation out of the timing.
            if last or number == start + 1 or number % config.train.log_every == 0:
                monitor.report()
            if config.train.sample_every and number % config.train.sample_every == 0:
                with monitor.clock.pause():
                    _write_samples(task, state, batch, workdir / "samples" / f"{number:08d}.png")
            if last or number % config.train.save_every == 0:
                monitor.check()  # never save what is not finite
                with monitor.clock.pause():
                    checkpoints.save(number, state, data)
            if last:
                break
    if skipped := getattr(source, "skipped", 0):
        print(f"{skipped} undecodable picture(s) were skipped (data.on_bad_file)", flush=True)
    directory = workdir / "model"
    if jax.process_index() == 0:
        bundles.save(task.bundle(_local(state)), directory)
    if int(state.step) < config.train.steps:
        print(f"stopped at step {int(state.step)}; the same command goes on from there", flush=True)
        return None
    return directory


def _local(state: Any) -> Any:
    """This process's own copy of a replicated state."""
    return jax.tree.map(lambda leaf: leaf.addressable_data(0), state)


def _write_samples(task: Task, state: Any, batch: dict[str, np.ndarray], path: Path) -> None:
    if jax.process_index() == 0:
        samples.write_grid(task.sample(_local(state), batch), path)


@contextmanager
def _stop_requested() -> Iterator[threading.Event]:
    """An event that SIGTERM sets, so that the loop ends after the step it is in.

    Signals reach the main thread only; in another one the event is never set.
    """
    stop = threading.Event()

    def request(number: int, frame: FrameType | None) -> None:
        stop.set()

    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    previous = signal.signal(signal.SIGTERM, request)
    try:
        yield stop
    finally:
        signal.signal(signal.SIGTERM, previous)
