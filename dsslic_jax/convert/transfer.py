"""Whole models to state dicts and back: what networks there are, in which layout, and what is missing."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from dsslic_jax.bundle.model import Bundle, Part, require
from dsslic_jax.classes.table import ClassTable
from dsslic_jax.convert import naming as names_of
from dsslic_jax.convert import reference, resnets, rules
from dsslic_jax.convert.naming import MODULE, Found, Naming, module_namings
from dsslic_jax.convert.networks import Shapes, networks, part_of, told_by
from dsslic_jax.convert.rules import Arrays, Pair
from dsslic_jax.errors import ConfigError, ModelError
from dsslic_jax.models.parts import STATISTICS, PartKind, part_kind, part_kinds
from dsslic_jax.settings.fields import Settings, fields_of
from dsslic_jax.settings.reading import read, to_mapping

_REFERENCE = (reference.COMPNET, reference.FINENET, reference.DISCRIMINATOR)
_OTHERS = (reference.PIX2PIXHD, resnets.CSAIL, resnets.LIBRARY, resnets.TIMM_DEEP)  # only read
LAYOUTS = ("reference", MODULE)  # what can be written
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

    def networks_alone(self) -> Portable:
        """Without moments and step."""
        state = {*MOMENTS, STEP}
        own = {n: a for n, a in self.training.items() if n.partition("/")[0] not in state}
        return Portable(self.bundle, own)


def to_state_dict(model: Portable, layout: str) -> dict[str, np.ndarray]:
    """The arrays of a model by the keys of a layout of LAYOUTS.

    Raises ModelError listing the arrays that do not fit the model's settings, or for which the layout has no name.
    """
    # The authors' SegNet is a program of its own: CSAILVision's is the same network in PyTorch.
    written = module_namings() if layout == MODULE else (*_REFERENCE, resnets.CSAIL)
    namings = {naming.network: naming for naming in written}
    arrays = {**model.bundle.weights, **model.training}
    pairs: list[Pair] = []
    shapes: dict[str, tuple[int, ...]] = {STEP: ()}

    def add(network: str, settings: Mapping[str, Any], wanted: Shapes) -> None:
        pairs.extend(rules.pair(wanted, namings[network].table(settings)))
        shapes.update(wanted)

    for name, part in model.bundle.parts.items():
        kind = part_kind(name)
        there = kind.prefixes(part.settings)
        if layout != MODULE and (there != kind.all_prefixes or {*there} - namings.keys()):
            raise ModelError(
                f"layout {layout} has no place for {kind.title} with these settings: take layout {MODULE}"
            )
        needed = kind.shapes(part.settings)
        for network in there:
            own = {n: shape for n, shape in needed.items() if n.startswith(f"{network}/")}
            add(network, to_mapping(part.settings), own)
    for beside in networks():
        own_arrays = any(name.startswith(f"{beside.name}/") for name in model.training)
        if beside.shapes is not None and own_arrays:
            told = names_of.told_by_our_arrays(beside.name, model.training)
            add(beside.name, told, beside.shapes(told))
    pairs += _state_of_training(pairs, shapes, arrays)
    require(arrays, {pair.ours: shapes[pair.ours] for pair in pairs})
    return rules.to_theirs(arrays, pairs)


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
    arrays: Arrays, classes: ClassTable, chosen: Mapping[str, Mapping[str, Any]] | None = None
) -> Portable:
    """The model that a state dict holds, in whatever layout; widths, blocks and classes are read off the shapes.

    `chosen` has, by part, settings that shapes do not tell, instead of the layout's own. Networks that a part of such
    settings is without must not be there; the others must.

    Raises:
      ModelError: no network is known by these keys, they follow another class table, or listing every key that is
        missing, misshapen or not known.
      ConfigError: a setting that was chosen is not known or has a value that it may not have.
    """
    shapes = {key: array.shape for key, array in arrays.items()}
    found = [names_of.read_network(naming, shapes, classes) for naming in _find(arrays)]
    settings = _settings(found, classes, chosen or {})
    needed: dict[str, tuple[int, ...]] = {}
    for part, own in settings.items():
        needed |= part_kind(part).shapes(own)
    for beside in networks():
        for naming, own_settings, _ in found:
            if beside.shapes is not None and naming.network == beside.name:
                needed |= beside.shapes(own_settings)
    pairs: list[Pair] = []
    ours: dict[str, tuple[int, ...]] = {STEP: ()}
    for naming, counts, told in found:
        wanted = {n: s for n, s in needed.items() if n.startswith(f"{naming.network}/")}
        table = naming.table(counts)
        names = [n for n in wanted if naming.whole or table(rules.module_of(n)) is not None]
        pairs += rules.pair(names, table)
        ours |= wanted if told else {}
    pairs += _state_of_training(pairs, ours, arrays)
    ignored = "|".join([_IGNORED, *(naming.ignored for naming, _, _ in found)])
    weights = rules.to_ours(arrays, pairs, ours, ignored)
    parts = {name: _part(name, own, weights, found) for name, own in settings.items()}
    bundle = Bundle(classes, parts)
    in_parts = {name for kind in part_kinds().values() for name in kind.all_prefixes}
    training = {n: w for n, w in weights.items() if n.partition("/")[0] not in in_parts}
    return Portable(bundle, training)


def _find(arrays: Arrays) -> list[Naming]:
    """The namings that the keys follow, at most one for each network. Raises ModelError where they follow none."""
    namings = [*module_namings(), *_REFERENCE, *_OTHERS]
    found = {
        naming.network: naming
        for naming in reversed(namings)
        if any(re.match(naming.mark, key) for key in arrays)
    }
    if not found:
        layouts = ", ".join(dict.fromkeys(naming.layout for naming in namings))
        raise ModelError(f"no network is known by these keys; layouts known: {layouts}")
    if not any(map(part_of, found)):
        raise ModelError(f"a {' and '.join(found)} alone is no model: give the model's files too")
    return [*found.values()]


def _settings(
    found: Iterable[Found], classes: ClassTable, chosen: Mapping[str, Mapping[str, Any]]
) -> dict[str, Settings]:
    """The settings of each part that there is: of those with arrays, and of those chosen that have none."""
    found = [*found]
    settings: dict[str, Settings] = {}
    for name, kind in part_kinds().items():
        own = [each for each in found if each.naming.network in kind.all_prefixes]
        given = chosen.get(name, {})
        if own:
            settings[name] = _settings_of(kind, own, classes, given)
        elif given:
            without_arrays = read(kind.settings, given)
            if not kind.prefixes(without_arrays):
                settings[name] = without_arrays
    return settings


def _settings_of(
    kind: PartKind[Any], found: Sequence[Found], classes: ClassTable, given: Mapping[str, Any]
) -> Settings:
    """The settings of a part: what arrays tell, what was chosen, what the layout implies, or the default.

    Raises ModelError where a network is missing though the part needs it, or the class table does not fit.
    """
    # With one network from a file that never has the others, these are drawn.
    whole = all(each.naming.whole for each in found)
    there = {each.naming.network for each in found} if whole else {*kind.all_prefixes}
    names = {known.name for known in fields_of(kind.settings)}
    told = told_by(kind, there)
    values: dict[str, Any] = {"classes": classes.num_classes} if "classes" in names else {}
    for each in found:
        values |= each.naming.implied
    values |= {name: value for name, value in given.items() if name not in told}
    read(kind.settings, values)
    for each in found:
        values |= {name: value for name, value in each.settings.items() if name in names}
    try:
        settings = read(kind.settings, values)
    except ConfigError as error:
        raise ModelError(f"the arrays are of no {kind.title}: {error}") from error
    if any(each.told for each in found) and values.get("classes", 256) < classes.num_classes:
        raise ModelError(
            f"{kind.title} is for {values['classes']} classes, the table {classes.name!r} has "
            f"{classes.num_classes}: name the right one with --classes"
        )
    needed = {*kind.prefixes(settings)}
    if there != needed:
        network = min(there ^ needed)
        without = "arrays of it, and settings without it"
        raise ModelError(
            f"{network}: there are {'no arrays of it' if network in needed else without}"
        )
    return settings


def _part(name: str, settings: Settings, weights: Arrays, found: Iterable[Found]) -> Part:
    """A part with its arrays; what the file does not have is drawn."""
    kind = part_kind(name)
    arrays = {n: w for n, w in weights.items() if n.partition("/")[0] in kind.all_prefixes}
    provenance: dict[str, Any] = {}
    for naming, _, _ in found:
        if naming.network in kind.all_prefixes:
            provenance["converted_from"] = naming.layout
            if not naming.whole:
                made = kind.drawn(settings)
                added = made.keys() - arrays.keys()
                arrays |= {n: made[n] for n in added}
                provenance["drawn"] = sorted(set(map(rules.module_of, added)))
    return Part(settings, arrays, provenance)
