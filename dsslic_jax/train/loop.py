"""The training loop: set up, restore, step, report, save, export. Reads top to bottom."""

from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import jax
from jax.sharding import Mesh

from dsslic_jax.bundle import directory as bundles
from dsslic_jax.bundle.known import model_directory
from dsslic_jax.data.pipeline import train_iterator
from dsslic_jax.data.sources import open_source
from dsslic_jax.train.devices import sharding
from dsslic_jax.train.devices.distributed import compile_together, stop_requests
from dsslic_jax.train.devices.sharding import check_batch_size, make_mesh, positions_of_host
from dsslic_jax.train.evaluation import Evaluation, evaluate, kept_metrics
from dsslic_jax.train.portable import start_from
from dsslic_jax.train.running import samples
from dsslic_jax.train.running.checkpoint import CHECKPOINTS, Checkpoints, claim
from dsslic_jax.train.running.feed import Feed, HostBatch
from dsslic_jax.train.running.monitor import Monitor
from dsslic_jax.train.running.profile import Profile
from dsslic_jax.train.settings import LoopSettings
from dsslic_jax.train.tasks.task import Task


def train(task: Task[Any], workdir: Path, profile: bool = False) -> Path | None:
    """Trains in `workdir`, going on from its newest whole checkpoint.

    `profile` traces a few steps into WORKDIR/profile. Returns the model directory, or None where a signal ended the run
    early (state and model are saved).
    """
    run, settings = task.settings, task.settings.train
    batch_size = settings.batch_size
    mesh = make_mesh(run.mesh)
    check_batch_size(batch_size, mesh)
    evaluation = task.evaluation() if settings.evaluate_every else None
    fresh = task.first_state().replace(frozen=task.frozen())
    source = open_source(run.data, run.data.train_split)
    claim(workdir, run)
    checkpoints = Checkpoints(workdir / CHECKPOINTS, settings.keep, settings.best_metric)
    saved, first = checkpoints.latest_step, fresh
    if settings.start_from and not saved:
        given = model_directory(settings.start_from)
        anew = [*filter(None, settings.start_anew.split(","))]
        first = start_from(first, *bundles.load_with_training(given), anew)
    start = saved or int(first.step)
    shardings = sharding.state_sharding(first, mesh)
    state, unreported = checkpoints.restore(saved, first, shardings)
    data = train_iterator(
        run.data,
        batch_size=batch_size,
        seed=run.seed,
        start=start,
        positions=positions_of_host(batch_size, mesh, jax.process_index()),
        source=source,
    )
    feed = Feed(data, lambda batch: sharding.put_batch(batch, batch_size, mesh))
    step = sharding.compile_step(task.step(), mesh, fresh)
    monitor = Monitor(workdir, settings, start, unreported, evaluation.names if evaluation else ())
    keeper = _Keeper(settings, workdir, mesh, task, evaluation, monitor, checkpoints)
    tracer = Profile(workdir / "profile" if profile else None, first=start + 2)
    print(
        f"training on {mesh.size} {jax.default_backend()} device(s) from step {start}", flush=True
    )

    with ExitStack() as stack:
        stop = stack.enter_context(stop_requests())
        for opened in (checkpoints, monitor, data, tracer):
            stack.enter_context(closing(opened))
        for number in range(start + 1, settings.steps + 1):
            tracer.before(number)
            with jax.transfer_guard("disallow"):  # a hidden copy to or from the host is an error
                fed = feed.take()
                if number == start + 1:
                    step = compile_together(step, monitor.require_best_metric, state, fed.batch)
                state, metrics = step(state, fed.batch)
                last = stop(number) or number == settings.steps
                if not last:
                    feed.look_ahead()
            monitor.record(number, metrics, fed.wait_s)
            tracer.after(number, metrics)
            keeper.after_step(number, state, fed.host, last)
            if last:
                break
        finished = int(state.step) >= settings.steps
        directory = keeper.export(state, "model", finished)
        if best := checkpoints.best_step:
            keeper.export(checkpoints.restore(best, fresh, shardings)[0], "best", finished)

    if skipped := getattr(source, "skipped", 0):
        print(f"{skipped} undecodable picture(s) were skipped (data.on_bad_file)", flush=True)
    if not finished:
        print(f"stopped at step {int(state.step)}; the same command goes on from there", flush=True)
        return None
    return directory


@dataclass(frozen=True)
class _Keeper:
    """What is kept of a run: reports with what is measured, samples, checkpoints, models. Every host must call it."""

    settings: LoopSettings
    workdir: Path
    mesh: Mesh
    task: Task[Any]
    evaluation: Evaluation | None
    monitor: Monitor
    checkpoints: Checkpoints
    evaluated: dict[int, dict[str, float]] = field(default_factory=dict)  # the last one, by step

    def after_step(self, number: int, state: Any, batch: HostBatch, last: bool) -> None:
        """Does what is due after a step, which had `batch`; saves after the last in any case."""
        settings, monitor = self.settings, self.monitor
        evaluated: dict[str, float] = {}
        if self.evaluation is not None and _due(number, settings.evaluate_every):
            with monitor.pause():
                whole = sharding.on_host(state, self.mesh)
                evaluated = evaluate(self.evaluation, self.task.bundle, whole)
            self.evaluated.clear()
            self.evaluated[number] = evaluated
        if evaluated or number in (1, settings.steps) or _due(number, settings.log_every):
            monitor.report(number, evaluated)
        if _due(number, settings.sample_every):
            with monitor.pause():
                whole = sharding.on_host(state, self.mesh)
                if jax.process_index() == 0:
                    path = self.workdir / "samples" / f"{number:08d}.png"
                    samples.write_grid(self.task.sample(whole, batch), path)
        if last or _due(number, settings.save_every):
            unreported = monitor.unreported()  # what is not finite is refused here
            with monitor.pause():
                self.checkpoints.save(number, state, unreported, monitor.quality)

    def export(self, state: Any, name: str, finished: bool) -> Path:
        """Writes the model of a state as WORKDIR/name; of a finished run, with what is measured of it."""
        whole = sharding.on_host(state, self.mesh)
        metrics: dict[str, Any] = {}
        if finished and self.evaluation is not None:
            values = self.evaluated.get(int(whole.step))
            values = values or evaluate(self.evaluation, self.task.bundle, whole)
            metrics = kept_metrics(self.evaluation, values)
        if jax.process_index() == 0:
            bundles.save(replace(self.task.bundle(whole), metrics=metrics), self.workdir / name)
        return self.workdir / name


def _due(number: int, every: int) -> bool:
    """Whether something done every so many steps (0: never) is done after step `number`."""
    return every > 0 and number % every == 0
