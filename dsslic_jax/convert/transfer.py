"""Whole models to state dicts and back: what networks there are, in which layout, and what is missing."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np

from dsslic_jax.bundle.directory import COARSE_NETWORKS, STATISTICS, Bundle
from dsslic_jax.classes.table import ClassTable
from dsslic_jax.convert import own_layout as module
from dsslic_jax.convert import reference, resnets, rules
from dsslic_jax.convert.naming import FOR_TABLES, Found, Naming, read
from dsslic_jax.convert.ours import (
    SETTINGS,
    TOLD_BY,
    TOLD_BY_ARRAYS,
    drawn,
    require_known,
    shapes_of,
)
from dsslic_jax.convert.rules import Arrays, Pair
from dsslic_jax.errors import ModelError
from dsslic_jax.models.coarse import coarse_networks

_REFERENCE = (reference.COMPNET, reference.FINENET, reference.DISCRIMINATOR)
# What can be written. The authors' SegNet is a program of its own: CSAILVision's is the same network in PyTorch.
LAYOUTS = {"reference": (*_REFERENCE, resnets.CSAIL), "module": module.NAMINGS}
# What can be read.
NAMINGS = (
    *module.NAMINGS,
    *_REFERENCE,
    reference.PIX2PIXHD,
    resnets.CSAIL,
    resnets.LIBRARY,
    resnets.TIMM_DEEP,
)
# Moments of an optimiser: optax's names and PyTorch's.
MOMENTS = {"mu": "exp_avg", "nu": "exp_avg_sq", "trace": "momentum_buffer"}
STEP = "step"
_IGNORED = r".*\.num_batches_tracked"


class Portable(NamedTuple):
    """A model, and the state of its training where it travels too.

    Attributes:
      bundle: the model.
      training: by name: the discriminator's arrays ("discriminator/…"), optimisers' moments ("mu/finenet/…", …) and the
        number of steps taken ("step"); empty where there is none.
    """

    bundle: Bundle
    training: Arrays


def to_state_dict(model: Portable, layout: str) -> dict[str, np.ndarray]:
    """The arrays of a model by the keys of a layout, "reference" or "module".

    Raises ModelError listing the arrays that do not fit the model's settings, or for which the layout has no name.
    """
    arrays = {**model.bundle.weights, **model.training}
    needed = {*model.bundle.parts} - {"coarse"}
    absent: set[str] = set()
    if model.bundle.model is not None:
        needed |= {*coarse_networks(model.bundle.model)}
        absent = {*COARSE_NETWORKS} - needed
    if layout == "reference" and (absent or "enhancenet" in needed):
        raise ModelError(
            "the authors' program has no EnhanceNet and always CompNet and FineNet: take layout module"
        )
    pairs: list[Pair] = []
    shapes: dict[str, tuple[int, ...]] = {STEP: ()}
    for naming in LAYOUTS[layout]:
        there = any(name.startswith(f"{naming.network}/") for name in arrays)
        if naming.network in needed or (there and naming.network not in absent):
            settings = _settings_of(naming.network, model)
            wanted = shapes_of(naming.network, settings)
            pairs += rules.pair(wanted, naming.table(settings))
            shapes |= wanted
    pairs += _state_of_training(pairs, shapes, arrays)
    rules.require(arrays, {pair.ours: shapes[pair.ours] for pair in pairs})
    return rules.to_theirs(arrays, pairs)


def discriminator_settings(training: Arrays) -> dict[str, Any]:
    """The settings of the discriminator whose arrays a state of training has.

    Raises ModelError where the first of them is missing or misshapen.
    """
    first = "discriminator/scale_0/conv_0/kernel"
    if first not in training or training[first].ndim != 4:
        raise ModelError(f"the weights do not fit; missing or misshapen: {first}")
    affine = any(re.match(r"discriminator/.*/GroupNorm_0/", name) for name in training)
    return {
        "channels": training[first].shape[2],
        "width": training[first].shape[3],
        "scales": rules.largest(training, r"discriminator/scale_(\d{1,2})/") + 1,
        "layers": rules.largest(training, r"discriminator/scale_\d+/conv_(\d{1,2})/"),
        "norm": "group" if affine else "instance",
    }


def _settings_of(network: str, model: Portable) -> Mapping[str, Any]:
    if network == "discriminator":
        return discriminator_settings(model.training)
    settings = model.bundle.parts.get("coarse" if network in COARSE_NETWORKS else network)
    if settings is None:
        raise ModelError(f"the model has arrays of {network}, but no settings of it")
    return settings


def _state_of_training(
    pairs: Iterable[Pair], shapes: dict[str, tuple[int, ...]], names: Iterable[str]
) -> list[Pair]:
    """The pairs of the moments of all that is learned, of the kinds that some name is of, and of the step.

    The moments' shapes are added to `shapes`.
    """
    kinds = {re.split(r"[./]", name)[0] for name in names}
    found = [Pair(STEP, STEP, rules.SAME)] if STEP in kinds else []
    for ours, theirs in MOMENTS.items():
        if kinds & {ours, theirs}:
            for pair in pairs:
                if pair.ours.rpartition("/")[2] in STATISTICS:
                    continue
                name = f"{ours}/{pair.ours}"
                found.append(Pair(name, f"{theirs}.{pair.theirs}", pair.change))
                if pair.ours in shapes:
                    shapes[name] = shapes[pair.ours]
    return found


def from_state_dict(
    arrays: Arrays,
    classes: ClassTable,
    model: Mapping[str, Any] | None = None,
    segnet: Mapping[str, Any] | None = None,
    enhancenet: Mapping[str, Any] | None = None,
) -> Portable:
    """The model that a state dict holds, in whatever layout; widths, blocks and classes are read off the shapes.

    Args:
      arrays: by key.
      classes: the table that labels follow.
      model: settings of the coarse model that shapes do not tell, instead of the layout's own. Where these are
        without CompNet or FineNet, arrays of it must not be there; else they must.
      segnet, enhancenet: likewise of those.

    Raises:
      ModelError: no network is known by these keys, they follow another class table, or listing every key that is
        missing, misshapen or not known.
      ConfigError: a setting has an unknown value.
    """
    shapes = {key: array.shape for key, array in arrays.items()}
    found = [read(naming, shapes, classes) for naming in _find(arrays)]
    chosen = {"coarse": model, "segnet": segnet, "enhancenet": enhancenet}
    settings = _settings(found, classes, {part: own or {} for part, own in chosen.items()})
    pairs: list[Pair] = []
    ours: dict[str, tuple[int, ...]] = {STEP: ()}
    for naming, counts, told in found:
        wanted, table = shapes_of(naming.network, settings[naming.network]), naming.table(counts)
        names = [n for n in wanted if naming.whole or table(rules.module_of(n)) is not None]
        pairs += rules.pair(names, table)
        ours |= wanted if told else {}
    pairs += _state_of_training(pairs, ours, arrays)
    ignored = "|".join([_IGNORED, *(naming.ignored for naming, _, _ in found)])
    return _portable(rules.to_ours(arrays, pairs, ours, ignored), found, settings, classes)


def _find(arrays: Arrays) -> list[Naming]:
    """The namings that the keys follow, at most one for each network. Raises ModelError where they follow none."""
    found = {
        naming.network: naming
        for naming in reversed(NAMINGS)
        if any(re.match(naming.mark, key) for key in arrays)
    }
    if not found:
        layouts = ", ".join(dict.fromkeys(naming.layout for naming in NAMINGS))
        raise ModelError(f"no network is known by these keys; layouts known: {layouts}")
    if [*found] == ["discriminator"]:
        raise ModelError("a discriminator alone is no model: compnet and finenet are needed")
    return [*found.values()]


def _settings(
    found: Iterable[Found],
    classes: ClassTable,
    chosen: Mapping[str, Mapping[str, Any]],
) -> dict[str, dict[str, Any]]:
    """The settings of each network; CompNet and FineNet share theirs.

    Raises ModelError where CompNet or FineNet is missing though they need it, or the class table does not fit.
    """
    found = [*found]
    coarse = _coarse_networks_of(found)
    absent = {name for network in {*COARSE_NETWORKS} - coarse for name in TOLD_BY[network]}
    told_by_arrays = {*TOLD_BY_ARRAYS} - absent
    settings: dict[str, dict[str, Any]] = {}

    def begin(part: str, implied: Mapping[str, Any]) -> None:
        own = {k: v for k, v in chosen.get(part, {}).items() if k not in told_by_arrays}
        settings[part] = {**SETTINGS[part], "classes": classes.num_classes, **implied, **own}
        require_known(part, settings[part])

    if not coarse and chosen["coarse"].get("finenet_width") == 0:
        begin("coarse", {})  # without networks
    for naming, counts, told in found:
        part = "coarse" if naming.network in COARSE_NETWORKS else naming.network
        if part not in settings:
            begin(part, naming.implied)
        settings[part] |= counts
        if told and settings[part]["classes"] < classes.num_classes:
            raise ModelError(
                f"{naming.network} is for {settings[part]['classes']} classes, the table "
                f"{classes.name!r} has {classes.num_classes}: name the right one with --classes"
            )
    needed = {*coarse_networks(settings["coarse"])} if "coarse" in settings else coarse
    if coarse != needed:
        network = min(coarse ^ needed)
        problem = (
            "no arrays of it" if network in needed else "arrays of it, and settings without it"
        )
        raise ModelError(f"{network}: there are {problem}")
    settings = {
        part: {key: value for key, value in of_part.items() if key not in FOR_TABLES}
        for part, of_part in settings.items()
    }
    return settings | dict.fromkeys(COARSE_NETWORKS, settings.get("coarse", {}))


def _coarse_networks_of(found: Iterable[Found]) -> set[str]:
    """Which of CompNet and FineNet the model will have: with one from a file that never has the other, both."""
    namings = [naming for naming, _, _ in found if naming.network in COARSE_NETWORKS]
    drawn_too = not all(naming.whole for naming in namings)
    return {*COARSE_NETWORKS} if drawn_too else {naming.network for naming in namings}


def _portable(
    weights: dict[str, np.ndarray],
    found: Iterable[Found],
    settings: Mapping[str, dict[str, Any]],
    classes: ClassTable,
) -> Portable:
    """The model of these arrays; what the file does not have is drawn."""
    for part in settings.keys() & SETTINGS.keys():
        require_known(part, settings[part])  # also what the shapes told
    provenance: dict[str, dict[str, Any]] = {}
    for naming, _, _ in found:
        if naming.network == "discriminator":
            continue
        part = "coarse" if naming.network in COARSE_NETWORKS else naming.network
        provenance[part] = {"converted_from": naming.layout}
        if not naming.whole:
            made: dict[str, np.ndarray] = {}
            for network in COARSE_NETWORKS if part == "coarse" else (part,):
                made |= drawn(network, settings[network])
            added = made.keys() - weights.keys()
            weights |= {name: made[name] for name in added}
            provenance[part]["drawn"] = sorted({rules.module_of(name) for name in added})
    networks = (*COARSE_NETWORKS, "segnet", "enhancenet")
    bundle = Bundle(
        classes=classes,
        model=settings.get("coarse"),
        segnet=settings.get("segnet"),
        enhancenet=settings.get("enhancenet"),
        coding={},
        provenance=provenance,
        weights={n: w for n, w in weights.items() if n.partition("/")[0] in networks},
    )
    return Portable(bundle, {n: w for n, w in weights.items() if n not in bundle.weights})
