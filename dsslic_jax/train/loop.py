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
from dsslic_jax.train.evaluation import Evaluation, evaluate
from dsslic_jax.train.feed import Feed
from dsslic_jax.train.monitor import Monitor
from dsslic_jax.train.preemption import stop_requested
from dsslic_jax.train.profile import Profile
from dsslic_jax.train.settings import resolve
from dsslic_jax.train.tasks import Task, make_task


def train(
    config: Any, workdir: Path, evaluation: Evaluation | None = None, profile: bool = False
) -> Path | None:
    """Trains `config` in `workdir`, going on from its newest whole checkpoint.

    Args:
      config: a configuration, see configs/default.py.
      workdir: the folder of this run.
      evaluation: what to measure every train.evaluate_every steps.
      profile: whether to trace a few steps into WORKDIR/profile.

    Returns:
      The model directory, or None where a signal ended the run early (state and model are saved).
    """
    config = resolve(config)
    settings = config.train
    mesh = sharding.data_mesh()
    sharding.check_batch_size(settings.batch_size, mesh)
    task = make_task(config, class_table(config.data.classes))
    source = open_source(config.data, config.data.train_split)
    claim(workdir, config)
    checkpoints = Checkpoints(workdir / CHECKPOINTS, settings.keep, settings.best_metric)
    start = checkpoints.latest_step
    state, unreported = checkpoints.restore(start, task.state, sharding.replicated(mesh))
    data = train_iterator(
        config.data,
        global_batch_size=settings.batch_size,
        seed=config.seed,
        process_index=jax.process_index(),
        process_count=jax.process_count(),
        start=start,
        source=source,
    )
    feed = Feed(data, lambda batch: sharding.put_batch(batch, mesh))
    step = sharding.compile_step(task.step, mesh)
    monitor = Monitor(workdir, settings, start, unreported)
    tracer = Profile(workdir / "profile" if profile else None, first=start + 2)
    print(
        f"training on {mesh.size} {jax.default_backend()} device(s) from step {start}", flush=True
    )

    with (
        stop_requested() as stop,
        closing(checkpoints),
        closing(monitor),
        closing(data),
        closing(tracer),
    ):
        for number in range(start + 1, settings.steps + 1):
            tracer.before(number)
            with jax.transfer_guard(
                "disallow"
            ):  # a hidden copy between host and device is an error
                fed = feed.take()
                state, metrics = step(state, fed.batch)
                last = number == settings.steps or stop.is_set()
                if not last:
                    feed.look_ahead()
            monitor.record(number, metrics, fed.wait_s)
            tracer.after(number, metrics)
            if number == start + 1:
                monitor.start_clock()

            evaluated: dict[str, float] = {}
            with monitor.clock.pause():
                if evaluation is not None and _due(number, settings.evaluate_every):
                    evaluated = evaluate(evaluation, task.bundle, _local(state))
            if evaluated or number in (1, settings.steps) or _due(number, settings.log_every):
                monitor.report(number, evaluated)
            with monitor.clock.pause():
                if _due(number, settings.sample_every):
                    _write_samples(task, _local(state), fed.host, workdir, number)
                if last or _due(number, settings.save_every):
                    checkpoints.save(number, state, monitor.state(), monitor.quality)
            if last:
                break
        if best := checkpoints.best_step:
            best_state, _ = checkpoints.restore(best, task.state, sharding.replicated(mesh))
            _write_model(task, _local(best_state), workdir / "best")

    if skipped := getattr(source, "skipped", 0):
        print(f"{skipped} undecodable picture(s) were skipped (data.on_bad_file)", flush=True)
    _write_model(task, _local(state), workdir / "model")
    if int(state.step) < settings.steps:
        print(f"stopped at step {int(state.step)}; the same command goes on from there", flush=True)
        return None
    return workdir / "model"


def _due(number: int, every: int) -> bool:
    """Whether something done every so many steps (0: never) is done after step `number`."""
    return every > 0 and number % every == 0


def _local(state: Any) -> Any:
    """This process's own copy of a replicated state."""
    return jax.tree.map(lambda leaf: leaf.addressable_data(0), state)


def _write_samples(
    task: Task, state: Any, batch: dict[str, np.ndarray], workdir: Path, number: int
) -> None:
    if jax.process_index() == 0:
        samples.write_grid(task.sample(state, batch), workdir / "samples" / f"{number:08d}.png")


def _write_model(task: Task, state: Any, directory: Path) -> None:
    if jax.process_index() == 0:
        bundles.save(task.bundle(state), directory)
