"""What the arrays of each network tell of its settings: one record each, which every layout reads.

A part that is registered without one has settings that no array tells. Light to import.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from dsslic_jax.convert import discriminator
from dsslic_jax.errors import ModelError
from dsslic_jax.models.parts import PartKind, part_kinds
from dsslic_jax.settings.fields import Field, fields_of

Shapes = Mapping[str, tuple[int, ...]]
NORMS = ("batch", "group")  # those that have arrays
MAX_DOWNS = 6  # steps of stride 2: alpha is at most 64
PICTURE = 3  # channels that stems see after the one-hot labels


class Width(NamedTuple):
    """A setting that a module's weight in PyTorch tells: what the axis has more than `beyond`."""

    module: str
    axis: int
    beyond: int = 0


@dataclass(frozen=True)
class Network:
    """One network.

    Attributes:
      name: what the names of its arrays begin with.
      counts: by setting: shapes by key of layout `module` -> its value, where the number of layers tells it.
      widths: by setting, where a width tells it.
      norm: a norm whose arrays tell the setting "norm", where it is of NORMS; "" for none.
      shapes: of one that is no part of a model, but travels with the state of its training: all that is told of it ->
        its arrays' shapes.
    """

    name: str
    counts: Mapping[str, Callable[[Shapes], Any]] = field(default_factory=dict)
    widths: Mapping[str, Width] = field(default_factory=dict)
    norm: str = ""
    shapes: Callable[[Mapping[str, Any]], dict[str, tuple[int, ...]]] | None = None


_NETWORKS: dict[str, Network] = {}


def register_network(network: Network) -> Network:
    """Makes a record known; returns it."""
    _NETWORKS[network.name] = network
    return network


def network_called(name: str) -> Network:
    """The record of a network, an empty one where none is registered."""
    return _NETWORKS.get(name, Network(name))


def networks() -> list[Network]:
    """Those of all parts that are registered, then those that are no part."""
    names = [name for kind in part_kinds().values() for name in kind.all_prefixes]
    beside = [network for network in _NETWORKS.values() if network.shapes is not None]
    return [*map(network_called, names), *beside]


def part_of(network: str) -> PartKind[Any] | None:
    """The kind of part that a network belongs to; None for one that is no part of a model."""
    kinds = (kind for kind in part_kinds().values() if network in kind.all_prefixes)
    return next(kinds, None)


def told_by(kind: PartKind[Any], names: Iterable[str]) -> set[str]:
    """The settings of a part that the arrays of these networks of it tell whatever they are."""
    records = [network_called(name) for name in names]
    told = {setting for record in records for setting in (*record.counts, *record.widths)}
    if any(record.norm for record in records):
        # Where every choice of norm has arrays.
        told |= {f.name for f in fields_of(kind.settings) if {*f.spec.choices} == {*NORMS}}
    return told


def untold(kind: PartKind[Any]) -> list[Field]:
    """The settings of a part that neither its arrays nor the class table tell."""
    told = told_by(kind, kind.all_prefixes) | {"classes"}
    return [known for known in fields_of(kind.settings) if known.name not in told]


def largest(keys: Iterable[str], pattern: str, default: int = -1) -> int:
    """The largest number that `pattern`'s group matches at the beginning of a key."""
    found = (re.match(pattern, key) for key in keys)
    return max((int(match[1]) for match in found if match), default=default)


def counted(keys: Iterable[str], pattern: str) -> int:
    """How many different numbers `pattern`'s group matches at the beginning of keys."""
    return len({match[1] for key in keys if (match := re.match(pattern, key))})


def downs(number: int) -> int:
    """So many steps of stride 2, kept within what a network can have: keys may say anything."""
    return min(max(number, 0), MAX_DOWNS)


def backbone_name(stages: tuple[int, ...], bottleneck: bool, stem: int) -> str:
    """The backbone with so many blocks a stage and convolutions in its stem. Raises ModelError where there is none."""
    from dsslic_jax.models.segnet import BACKBONES

    for name, plan in BACKBONES.items():
        if (plan.stages, plan.bottleneck, len(plan.stem)) == (stages, bottleneck, stem):
            return name
    wanted = f"{stages} blocks in its stages and {stem} convolutions in its stem"
    raise ModelError(f"no backbone has {wanted}; known: {', '.join(BACKBONES)}")


def _backbone(shapes: Shapes) -> str:
    blocks = (largest(shapes, rf"segnet\.stage_{i}_block_(\d+)\.") + 1 for i in range(4))
    bottleneck = largest(shapes, r"segnet\.stage_0_block_0\.conv_(\d)\.") == 1
    return backbone_name((*blocks,), bottleneck, largest(shapes, r"segnet\.stem_(\d+)\.") + 1)


_OWN = (
    Network(
        "compnet",
        {"alpha": lambda shapes: 2 ** downs(counted(shapes, r"compnet\.down_(\d+)\."))},
        {"compnet_width": Width("compnet/stem", 0), "classes": Width("compnet/stem", 1, PICTURE)},
        "compnet/stem_norm",
    ),
    Network(
        "finenet",
        {
            "finenet_blocks": lambda shapes: counted(shapes, r"finenet\.block_(\d+)\."),
            "finenet_downs": lambda shapes: downs(counted(shapes, r"finenet\.down_(\d+)\.")),
        },
        {"finenet_width": Width("finenet/stem", 0), "classes": Width("finenet/stem", 1, PICTURE)},
        "finenet/stem_norm",
    ),
    Network(
        "segnet",
        {"backbone": _backbone},
        {
            "width": Width("segnet/stem_0/conv", 0),
            "pyramid_width": Width("segnet/pyramid_1/conv", 0),
            "auxiliary_width": Width("segnet/auxiliary/conv", 0),
            "classes": Width("segnet/logits", 0),
        },
        "segnet/stem_0/norm",
    ),
    Network(
        "enhancenet",
        {"blocks": lambda shapes: counted(shapes, r"enhancenet\.block_(\d+)_in\.")},
        {
            "width": Width("enhancenet/stem", 0),
            "label_width": Width("enhancenet/labels", 0),
            "classes": Width("enhancenet/labels", 1),
        },
    ),
    Network(
        "discriminator",
        {
            "scales": lambda shapes: counted(shapes, r"discriminator\.scale_(\d+)\."),
            "layers": lambda shapes: largest(shapes, r"discriminator\.scale_\d+\.conv_(\d{1,2})\."),
        },
        {
            "width": Width("discriminator/scale_0/conv_0", 0),
            "channels": Width("discriminator/scale_0/conv_0", 1),
        },
        "discriminator/scale_0/norm_1",
        discriminator.shapes,
    ),
)
for _network in _OWN:
    register_network(_network)
