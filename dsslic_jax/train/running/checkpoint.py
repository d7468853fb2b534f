"""Checkpoints of the training state and of what is not reported yet, together and asynchronously (Orbax).

The step of a checkpoint is the position in the data too.
Where a run starts from: the newest whole checkpoint in its own work directory, else fresh weights. A work directory
belongs to one configuration; another one is refused rather than mixed in.
"""

import errno
import json
import math
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import flax.traverse_util
import jax
import numpy as np
import orbax.checkpoint as ocp
from jax.experimental import multihost_utils
from orbax.checkpoint import checkpoint_managers as managers

from dsslic_jax.errors import ConfigError, TrainingStopped
from dsslic_jax.settings.fields import free_to_change
from dsslic_jax.settings.reading import to_mapping
from dsslic_jax.system.files import write_atomically
from dsslic_jax.system.untrusted import read_json
from dsslic_jax.train.devices.sharding import place
from dsslic_jax.train.running.digests import find_damage, write_digests
from dsslic_jax.train.settings import RunSettings

CHECKPOINTS = "checkpoints"  # folder of a work directory
UNFINISHED = "*.orbax-checkpoint-tmp*"  # what Orbax calls a checkpoint until it is whole
# Parts of the names of metrics of which more is better. Of all others, losses and rates, less is.
MORE_IS_BETTER = ("psnr", "accuracy", "iou")


class Checkpoints:
    """Saves and restores training states under `directory`; keeps the last ones, and the best where it is asked for."""

    def __init__(self, directory: Path, keep: int, best_metric: str = "") -> None:
        """Opens the folder, to keep the last `keep`, and the best by the metric of that name, if any.

        A damaged checkpoint is set aside where an older one is whole. Raises TrainingStopped where none is.
        """
        self._directory = directory.absolute()
        self._best_metric = best_metric
        _tidy(self._directory)
        more = any(word in best_metric for word in MORE_IS_BETTER)
        worst = -math.inf if more else math.inf

        def quality(metrics: Mapping[str, float]) -> float:
            return metrics.get(best_metric, worst)

        best = managers.BestN(
            get_metric_fn=quality, reverse=not more, n=1, keep_checkpoints_without_metrics=False
        )
        kept = [managers.LatestN(keep), *([best] if best_metric else [])]
        options = ocp.CheckpointManagerOptions(
            preservation_policy=managers.AnyPreservationPolicy(kept),
            best_fn=quality if best_metric else None,
            best_mode="max" if more else "min",
            async_options=ocp.AsyncOptions(post_finalization_callback=self._add_digests),
        )
        self._manager = ocp.CheckpointManager(self._directory, options=options)

    @property
    def latest_step(self) -> int:
        """Of the newest checkpoint; 0 where there is none."""
        return self._manager.latest_step() or 0

    @property
    def best_step(self) -> int:
        """Of the best checkpoint by the metric asked for; 0 where there is none that was saved with it.

        Raises TrainingStopped where it is damaged, or one that was begun cannot be written.
        """
        self._wait()
        step = self._manager.best_step() or 0 if self._best_metric else 0
        if step and (damage := find_damage(self._directory / str(step))):
            raise TrainingStopped(f"the best checkpoint, {step}, is damaged: {damage}")
        return step

    def restore(self, step: int, state: Any, shardings: Any) -> tuple[Any, dict[str, Any]]:
        """(state, unreported) as saved at `step`; at step 0, before all checkpoints, (`state`, {}).

        `state` gives the shapes, and what is not saved; `shardings`, of each leaf, where to place the state, whatever
        mesh it was saved from.
        """
        if step == 0:
            return place(state, shardings), {}
        target = jax.tree.map(
            lambda leaf, sharding: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding),
            state.replace(frozen=None),
            shardings.replace(frozen=None),
        )
        args = ocp.args.Composite(
            state=ocp.args.StandardRestore(target), unreported=ocp.args.JsonRestore()
        )
        restored = self._manager.restore(step, args=args)
        frozen = place(state.frozen, shardings.frozen)
        return restored["state"].replace(frozen=frozen), restored["unreported"]

    def save(
        self, step: int, state: Any, unreported: Mapping[str, Any], quality: float | None = None
    ) -> None:
        """Begins a save; returns once the arrays are copied.

        `unreported` is what the monitor holds beside the state, as JSON; `quality` the best metric's value, if any.
        Raises TrainingStopped where this save or the one before cannot be written.
        """
        args = ocp.args.Composite(
            state=ocp.args.StandardSave(state.replace(frozen=None)),
            unreported=ocp.args.JsonSave(unreported),
        )
        metrics = None if quality is None else {self._best_metric: quality}
        with self._writing():
            self._manager.save(step, args=args, metrics=metrics)

    def close(self) -> None:
        """Waits until what was begun is on disk. Raises TrainingStopped where it cannot be written."""
        self._wait()
        self._manager.close()

    def _wait(self) -> None:
        with self._writing():
            self._manager.wait_until_finished()

    def _add_digests(self) -> None:
        # Orbax calls this when all files are written, just before the folder gets its name; one save at a time.
        (unfinished,) = self._directory.glob(UNFINISHED)
        write_digests(unfinished)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except (OSError, RuntimeError, ValueError) as error:
            last = max(saved_steps(self._directory), default=0)
            rest = f"that of step {last} is whole" if last else "and there is none before it"
            remedy = f"Make room under {self._directory}; the" if _is_disk_full(error) else "The"
            raise TrainingStopped(
                f"a checkpoint could not be written, {rest} ({error}). {remedy} same command then goes on from there"
            ) from error


def _is_disk_full(error: BaseException) -> bool:
    """Whether the disk is full, or a quota: TensorStore tells it in words alone."""
    full = (errno.ENOSPC, errno.EDQUOT)
    words = [os.strerror(number) for number in full]
    return getattr(error, "errno", 0) in full or any(word in str(error) for word in words)


def _tidy(directory: Path) -> None:
    """Removes what a killed run left half-written; renames the checkpoints newer than the newest whole one.

    Tells what is wrong with each. Raises TrainingStopped where there are checkpoints, but none is whole.
    """
    whole = True
    if jax.process_index() == 0:
        for unfinished in directory.glob(UNFINISHED):
            shutil.rmtree(unfinished)
        damaged: dict[Path, str] = {}
        whole = _find_whole(directory, damaged)
        for checkpoint, damage in damaged.items():
            print(f"checkpoint {checkpoint.name} is damaged: {damage}", flush=True)
            if whole:
                aside = checkpoint.with_name(f"{checkpoint.name}.damaged")
                shutil.rmtree(aside, ignore_errors=True)
                checkpoint.rename(aside)
    if not multihost_utils.broadcast_one_to_all(np.asarray(whole)):
        raise TrainingStopped(
            f"no checkpoint in {directory} is whole: bring one back, or begin again in another --workdir"
        )


def _find_whole(directory: Path, damaged: dict[Path, str]) -> bool:
    """Whether there is a whole checkpoint, or none at all; `damaged` gets those that are newer."""
    for step in sorted(saved_steps(directory), reverse=True):
        damage = find_damage(directory / str(step))
        if damage is None:
            return True
        damaged[directory / str(step)] = damage
    return not damaged


def saved_steps(directory: Path) -> list[int]:
    """The steps of the checkpoints in a folder, damaged or not."""
    return [int(path.name) for path in directory.glob("[0-9]*") if path.name.isdigit()]


def claim(workdir: Path, run: RunSettings) -> None:
    """Writes config.json, after checking that a run with checkpoints goes on with the settings it began with.

    Raises ConfigError naming the settings that differ, or saying that what it wrote cannot be read, or that no
    checkpoint could be written there.
    """
    if jax.process_index() == 0:
        _try_renaming(workdir)
    ours = json.loads(json.dumps(to_mapping(run)))
    path = workdir / "config.json"
    if path.exists() and saved_steps(workdir / CHECKPOINTS):
        theirs = read_json(path, dict[str, Any], ConfigError)
        free = tuple(free_to_change(type(run)))
        old, new = (flax.traverse_util.flatten_dict(held, sep=".") for held in (theirs, ours))
        changed = [
            f"{key} (was {old.get(key)!r}, now {new.get(key)!r})"
            for key in sorted(old.keys() | new.keys())
            if old.get(key) != new.get(key) and not key.startswith(free)
        ]
        if changed:
            raise ConfigError(
                f"{workdir} holds a run with other settings: {'; '.join(changed)}. "
                "Restore the settings to go on with that run, or begin another from its weights, in another --workdir "
                f"with --config.train.start_from={workdir / 'model'}"
            )
    if jax.process_index() == 0:
        write_atomically(path, json.dumps(ours, indent=1).encode())


def _try_renaming(workdir: Path) -> None:
    """Renames a folder, as a checkpoint is when it is whole. Raises ConfigError where that fails."""
    before, after = workdir / ".probe", workdir / ".probe.renamed"
    try:
        for folder in (before, after):
            shutil.rmtree(folder, ignore_errors=True)
        before.mkdir(parents=True)
        (before / "file").write_bytes(b"")
        before.rename(after)
        shutil.rmtree(after)
    except OSError as error:
        raise ConfigError(
            f"checkpoints cannot be written in {workdir}: a folder could not be made, renamed and removed there "
            f"({error}); a mounted bucket must have a hierarchical namespace, or its mount allow renaming folders"
        ) from error
