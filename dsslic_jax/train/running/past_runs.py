"""Training runs from outside: the newest state that a work directory keeps."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path

import jax
import numpy as np
from ml_collections import ConfigDict

from dsslic_jax.bundle.directory import Bundle
from dsslic_jax.classes.table import class_table
from dsslic_jax.errors import ModelError
from dsslic_jax.train.portable import training_arrays
from dsslic_jax.train.running.checkpoint import CHECKPOINTS, Checkpoints, saved_steps
from dsslic_jax.train.tasks.registry import make_task


def read_run(path: Path) -> tuple[Bundle, dict[str, np.ndarray]]:
    """Model and state of training of a work directory's newest checkpoint, or of the checkpoint named by `path`.

    Raises ModelError where there is none.
    """
    named = path.name if path.parent.name == CHECKPOINTS else None
    workdir = path.parents[1] if named else path
    steps = saved_steps(workdir / CHECKPOINTS)
    if not steps or (named and not named.isdigit()):
        raise ModelError(f"{path} is neither a model directory nor a training run with checkpoints")
    try:
        config = ConfigDict(json.loads((workdir / "config.json").read_text()))
        if "vgg_weight" in config.losses:
            config.losses.vgg_weight = 0.0  # the file may lie elsewhere
        task = make_task(config, class_table(config.data.classes))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ModelError(f"{workdir}/config.json is damaged ({error!r})") from error
    device = jax.sharding.SingleDeviceSharding(jax.local_devices()[0])
    shardings = jax.tree.map(lambda _: device, task.state)
    with closing(Checkpoints(workdir / CHECKPOINTS, keep=len(steps))) as checkpoints:
        step = int(named) if named else checkpoints.latest_step
        state, _ = checkpoints.restore(step, task.state, shardings)
    return task.bundle(state), training_arrays(state)
