"""The state of training as flat arrays: what travels beside a model, and what a run starts from.

Names: "discriminator/…" its weights, "mu/…", "nu/…" (Adam) and "trace/…" (SGD) the moments of the array of that name,
"step" the number of steps taken.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import flax.traverse_util
import jax
import numpy as np
import optax

from dsslic_jax.bundle.directory import Bundle
from dsslic_jax.convert.transfer import MOMENTS
from dsslic_jax.errors import ConfigError
from dsslic_jax.train.averaging import begin_average
from dsslic_jax.train.state import Player, TrainState


def training_arrays(state: Any) -> dict[str, np.ndarray]:
    """All of a `TrainState` or `NetworkState` that is not in the model made of it."""
    arrays = {"step": np.asarray(state.step)}
    if isinstance(state, TrainState):
        arrays |= _flat(state.discriminator.params, "discriminator/")
    for prefix, player in _players(state).items():
        for moment, tree in _moments(player).items():
            arrays |= _flat(tree, f"{moment}/{prefix}")
    return arrays


def start_from(
    state: Any, bundle: Bundle, training: Mapping[str, np.ndarray], anew: Collection[str] = ()
) -> Any:
    """A fresh state with the weights of a model and, as far as they are there, discriminator, moments and step.

    Layers named in `anew` stay as they are in `state`, such as those that see labels where the model has other classes.

    Raises ConfigError where the model is not the one that the configuration describes, or no layer has such a name.
    """
    arrays = {**bundle.weights, **training}
    arrays |= _weights_anew(state, anew, [moment for moment in MOMENTS if _has(arrays, moment)])
    players = {prefix: _started(p, prefix, arrays) for prefix, p in _players(state).items()}
    changed: dict[str, Any] = {"step": np.asarray(training.get("step", state.step), np.int32)}
    if isinstance(state, TrainState):
        changed |= {"generator": players[""], "discriminator": players["discriminator/"]}
        changed["batch_stats"] = _filled(state.batch_stats, "", arrays)
    else:
        (player,) = players.values()
        changed |= {"params": player.params, "opt_state": player.opt_state}
        statistics = f"{state.network}/batch_stats/"
        changed["batch_stats"] = _filled(state.batch_stats, statistics, arrays)
    # A step gives its state's memory away: no two leaves may share theirs.
    started = state.replace(
        **{name: jax.tree.map(np.array, part) for name, part in changed.items()}
    )
    return started if state.average is None else begin_average(started)


def _weights_anew(
    state: Any, layers: Collection[str], moments: Collection[str]
) -> dict[str, np.ndarray]:
    """The weights of some layers in `state`, and of the `moments` named those of these weights."""
    own: dict[str, np.ndarray] = {}
    for prefix, player in _players(state).items():
        own |= _flat(player.params, prefix)
        for moment, tree in _moments(player).items():
            own |= _flat(tree, f"{moment}/{prefix}") if moment in moments else {}
    if unknown := sorted(set(layers) - {part for name in own for part in name.split("/")}):
        raise ConfigError(f"train.start_anew: no layer is named {unknown[0]}")
    return {n: array for n, array in own.items() if not set(layers).isdisjoint(n.split("/"))}


def _has(arrays: Collection[str], prefix: str) -> bool:
    return any(name.startswith(f"{prefix}/") for name in arrays)


def _players(state: Any) -> dict[str, Player]:
    """Who learns, by what the names of its parameters begin with."""
    if isinstance(state, TrainState):
        return {"": state.generator, "discriminator/": state.discriminator}
    return {f"{state.network}/params/": Player(state.params, state.opt_state)}


def _moments(player: Player) -> dict[str, Any]:
    """The moments that the player's optimiser keeps, each a tree like its parameters."""
    trees = {moment: optax.tree.get(player.opt_state, moment) for moment in MOMENTS}
    return {moment: tree for moment, tree in trees.items() if tree is not None}


def _started(player: Player, prefix: str, arrays: Mapping[str, np.ndarray]) -> Player:
    moments = {
        moment: _filled(tree, f"{moment}/{prefix}", arrays)
        for moment, tree in _moments(player).items()
    }
    if "step" in arrays:
        moments["count"] = np.asarray(arrays["step"], np.int32)
    opt_state = optax.tree.set(player.opt_state, **moments)
    return Player(_filled(player.params, prefix, arrays), opt_state)


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
