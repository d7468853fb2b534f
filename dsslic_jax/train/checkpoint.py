"""Checkpoints of the training state and of the data position, together and asynchronously (Orbax).

Where a run starts from: the newest checkpoint in its own work directory, else fresh weights. A work directory
belongs to one configuration; another one is refused rather than mixed in.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jax

from dsslic_jax.errors import ConfigError
from dsslic_jax.files import write_atomically

CHECKPOINTS = "checkpoints"  # folder of a work directory
# Settings that may change between the parts of one run without changing its result.
FREE_TO_CHANGE = (
    "train.log_every",
    "train.save_every",
    "train.sample_every",
    "train.keep",
    "train.start_from",
    "coding",
    "after",
    "data.root",  # where things lie on this machine
    "data.data_dir",
    "data.eval_split",
    "data.description",
    "data.terms",
    "losses.vgg_weights",
)


class Checkpoints:
    """Saves and restores (state, data iterator) under `directory`."""

    def __init__(self, directory: Path, keep: int) -> None:
        import orbax.checkpoint as ocp

        options = ocp.CheckpointManagerOptions(max_to_keep=keep, enable_async_checkpointing=True)
        self._manager = ocp.CheckpointManager(directory.absolute(), options=options)

    def restore(self, state: Any, data: Any, sharding: Any) -> tuple[Any, int]:
        """The newest checkpoint's state and step, or `state` and its own; placed by `sharding`; `data` moves too."""
        import grain

        step = self._manager.latest_step()
        if step is None:
            return jax.device_put(state, sharding), int(state.step)
        frozen = jax.device_put(state.frozen, sharding)
        moved = grain.checkpoint.CheckpointRestore(data)
        return self.read(step, state, sharding, data=moved).replace(frozen=frozen), step

    def read(self, step: int, state: Any, sharding: Any, **others: Any) -> Any:
        """The state saved at `step`, in the form of `state`, without what is frozen; `others` are restored too."""
        import orbax.checkpoint as ocp

        target = jax.tree.map(
            lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding),
            state.replace(frozen=None),
        )
        args = ocp.args.Composite(state=ocp.args.StandardRestore(target), **others)
        return self._manager.restore(step, args=args)["state"]

    def save(self, step: int, state: Any, data: Any) -> None:
        """Begins a save; returns once the arrays are copied. Saving a step that exists does nothing."""
        import grain
        import orbax.checkpoint as ocp

        if self._manager.latest_step() == step:
            return
        args = ocp.args.Composite(
            state=ocp.args.StandardSave(state.replace(frozen=None)),
            data=grain.checkpoint.CheckpointSave(data),
        )
        self._manager.save(step, args=args)

    def close(self) -> None:
        """Waits until what was begun is on disk."""
        self._manager.wait_until_finished()
        self._manager.close()


def has_checkpoints(workdir: Path) -> bool:
    """Whether a run in this work directory goes on, rather than starting."""
    return any((workdir / CHECKPOINTS).glob("[0-9]*"))


def claim(workdir: Path, config: Any) -> None:
    """Writes config.json, after checking that a run with checkpoints goes on with the settings it began with.

    Raises ConfigError naming the settings that differ.
    """
    ours = json.loads(json.dumps(config.to_dict(), default=str))
    path = workdir / "config.json"
    if path.exists() and has_checkpoints(workdir):
        theirs = json.loads(path.read_text())
        changed = [
            f"{key} (was {old!r}, now {new!r})"
            for key, old, new in _differences(theirs, ours)
            if not key.startswith(FREE_TO_CHANGE)
        ]
        if changed:
            raise ConfigError(
                f"{workdir} holds a run with other settings: {'; '.join(changed)}. "
                "Choose another --workdir, or restore the settings to go on with that run"
            )
    if jax.process_index() == 0:
        write_atomically(path, json.dumps(ours, indent=1).encode())


def _differences(old: Any, new: Any, prefix: str = "") -> list[tuple[str, Any, Any]]:
    if isinstance(old, dict) and isinstance(new, dict):
        found = []
        for key in sorted(set(old) | set(new)):
            found += _differences(old.get(key), new.get(key), f"{prefix}.{key}" if prefix else key)
        return found
    return [] if old == new else [(prefix, old, new)]
