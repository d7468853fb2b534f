"""The training loop: set up, restore, step, report, save, export. Reads top to bottom."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import jax
import numpy as np

from dsslic_jax import bundle as bundles
from dsslic_jax.classes import class_table
from dsslic_jax.data.pipeline import train_iterator
from dsslic_jax.data.sources import open_source
from dsslic_jax.train import samples, sharding
from dsslic_jax.train.checkpoint import CHECKPOINTS, Checkpoints, claim
from dsslic_jax.train.distributed import compile_together, stop_requests
from dsslic_jax.train.mesh import check_batch_size, make_mesh, positions_of_host
from dsslic_jax.train.monitor import Monitor
from dsslic_jax.train.settings import resolve
from dsslic_jax.train.tasks import Task, make_task


def train(config: Any, workdir: Path) -> Path | None:
    """Trains `config` in `workdir`, going on from its newest checkpoint.

    Returns the model directory, or None where SIGTERM ended the run early (state and model are saved).
    """
    config = resolve(config)
    mesh = make_mesh(config.mesh)
    batch_size = config.train.batch_size
    check_batch_size(batch_size, mesh)
    task = make_task(config, class_table(config.data.classes))
    source = open_source(config.data, config.data.train_split)
    claim(workdir, config)
    checkpoints = Checkpoints(workdir / CHECKPOINTS, config.train.keep)
    state, start = checkpoints.restore(task.state, sharding.state_sharding(task.state, mesh))
    data = train_iterator(
        config.data,
        batch_size=batch_size,
        seed=config.seed,
        start=start,
        positions=positions_of_host(batch_size, mesh, jax.process_index()),
        source=source,
    )
    step = sharding.compile_step(task.step, mesh, task.state)
    monitor = Monitor(workdir / "tensorboard", config.train.steps, batch_size)
    print(
        f"training on {mesh.size} {jax.default_backend()} device(s) from step {start}", flush=True
    )

    with stop_requests() as stop, closing(checkpoints), closing(monitor), closing(data):
        for number in range(start + 1, config.train.steps + 1):
            batch = next(data)
            placed = sharding.put_batch(batch, batch_size, mesh)
            if number == start + 1:
                step = compile_together(step, state, placed)
            state, metrics = step(state, placed)
            monitor.record(number, metrics)
            last = stop(number) or number == config.train.steps
            # The first step is reported too: waiting for it keeps compilation out of the timing.
            if last or number == start + 1 or number % config.train.log_every == 0:
                monitor.report()
            if config.train.sample_every and number % config.train.sample_every == 0:
                with monitor.clock.pause():
                    whole = sharding.on_host(state, mesh)
                    _write_samples(task, whole, batch, workdir / "samples" / f"{number:08d}.png")
            if last or number % config.train.save_every == 0:
                monitor.check()  # never save what is not finite
                with monitor.clock.pause():
                    checkpoints.save(number, state)
            if last:
                break
    if skipped := getattr(source, "skipped", 0):
        print(f"{skipped} undecodable picture(s) were skipped (data.on_bad_file)", flush=True)
    directory = workdir / "model"
    whole = sharding.on_host(state, mesh)
    if jax.process_index() == 0:
        bundles.save(task.bundle(whole), directory)
    if int(state.step) < config.train.steps:
        print(f"stopped at step {int(state.step)}; the same command goes on from there", flush=True)
        return None
    return directory


def _write_samples(task: Task, state: Any, batch: dict[str, np.ndarray], path: Path) -> None:
    if jax.process_index() == 0:
        samples.write_grid(task.sample(state, batch), path)
