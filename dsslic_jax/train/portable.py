"""The state of training as flat arrays: what travels beside a model, and what a run starts from.

Names: "discriminator/…" its weights, "mu/…", "nu/…" (Adam) and "trace/…" (SGD) the moments of the array of that name,
"step" the number of steps taken.
"""

from collections.abc import Collection, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import flax.traverse_util
import jax
import numpy as np
import optax

from dsslic_jax.bundle.model import Bundle
from dsslic_jax.convert.transfer import MOMENTS
from dsslic_jax.errors import ConfigError, ModelError
from dsslic_jax.system.untrusted import read_json
from dsslic_jax.train.running.checkpoint import CHECKPOINTS, Checkpoints, saved_steps
from dsslic_jax.train.state import Learner, State, begin_average
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
        task = make_task(read_json(workdir / "config.json", dict[str, Any], ModelError))
    except ConfigError as error:
        raise ModelError(f"{workdir}/config.json is damaged: {error}") from error
    first = task.first_state()
    device = jax.sharding.SingleDeviceSharding(jax.local_devices()[0])
    shardings = jax.tree.map(lambda _: device, first)
    with closing(Checkpoints(workdir / CHECKPOINTS, keep=len(steps))) as checkpoints:
        step = int(named) if named else checkpoints.latest_step
        state, _ = checkpoints.restore(step, first, shardings)
    return task.bundle(state), training_arrays(state)


def training_arrays(state: State) -> dict[str, np.ndarray]:
    """All of a state that is not in the model made of it."""
    arrays = {"step": np.asarray(state.step)}
    _, *others = state.learners  # the first is the model itself
    for prefix in others:
        arrays |= _flat(state.learners[prefix].params, prefix)
    for prefix, learner in state.learners.items():
        for moment, tree in _moments(learner).items():
            arrays |= _flat(tree, f"{moment}/{prefix}")
    return arrays


def start_from(
    state: State, bundle: Bundle, training: Mapping[str, np.ndarray], anew: Collection[str] = ()
) -> Any:
    """A fresh state with the weights of a model and, as far as they are there, other learners, moments and step.

    Layers named in `anew` stay as they are in `state`, such as those that see labels where the model has other classes.

    Raises ConfigError where the model is not the one that the configuration describes, or no layer has such a name.
    """
    arrays = {**bundle.weights, **training}
    arrays |= _weights_anew(state, anew, {name.partition("/")[0] for name in arrays})
    learners = {prefix: _started(p, prefix, arrays) for prefix, p in state.learners.items()}
    statistics = _filled(state.batch_stats, state.statistics_prefix, arrays)
    step = np.asarray(training.get("step", state.step), np.int32)
    # A step gives its state's memory away: no two leaves may share theirs.
    step, learners, statistics = jax.tree.map(np.array, (step, learners, statistics))
    started = state.with_learners(learners).replace(step=step, batch_stats=statistics)
    return started if state.average is None else begin_average(started)


def _weights_anew(
    state: State, layers: Collection[str], moments: Collection[str]
) -> dict[str, np.ndarray]:
    """The weights of some layers in `state`, and of the `moments` named those of these weights."""
    own: dict[str, np.ndarray] = {}
    for prefix, learner in state.learners.items():
        own |= _flat(learner.params, prefix)
        for moment, tree in _moments(learner).items():
            own |= _flat(tree, f"{moment}/{prefix}") if moment in moments else {}
    if unknown := sorted(set(layers) - {part for name in own for part in name.split("/")}):
        raise ConfigError(f"train.start_anew: no layer is named {unknown[0]}")
    return {n: array for n, array in own.items() if not set(layers).isdisjoint(n.split("/"))}


def _moments(learner: Learner) -> dict[str, Any]:
    """The moments that the learner's optimiser keeps, each a tree like its parameters."""
    trees = {moment: optax.tree.get(learner.opt_state, moment) for moment in MOMENTS}
    return {moment: tree for moment, tree in trees.items() if tree is not None}


def _started(learner: Learner, prefix: str, arrays: Mapping[str, np.ndarray]) -> Learner:
    moments = {
        moment: _filled(tree, f"{moment}/{prefix}", arrays)
        for moment, tree in _moments(learner).items()
    }
    if "step" in arrays:
        moments["count"] = np.asarray(arrays["step"], np.int32)
    opt_state = optax.tree.set(learner.opt_state, **moments)
    return Learner(_filled(learner.params, prefix, arrays), opt_state)


def _filled(tree: Any, prefix: str, arrays: Mapping[str, np.ndarray]) -> Any:
    """The tree with the arrays that have its names; as it is where there are none of that prefix."""
    own = _flat(tree, prefix)
    missing = own.keys() - arrays.keys()
    if prefix and missing == own.keys():
        return tree
    misfits = sorted(missing | {n for n in own.keys() - missing if own[n].shape != arrays[n].shape})
    if misfits:
        raise ConfigError(
            f"train.start_from is a model of other settings: {', '.join(misfits)} are missing or misshapen"
        )
    filled = {tuple(name.removeprefix(prefix).split("/")): arrays[name] for name in own}
    return flax.traverse_util.unflatten_dict(filled)


def _flat(tree: Any, prefix: str) -> dict[str, np.ndarray]:
    leaves = flax.traverse_util.flatten_dict(jax.device_get(tree), sep="/")
    return {f"{prefix}{name}": np.asarray(leaf) for name, leaf in leaves.items()}
