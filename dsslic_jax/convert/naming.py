"""How one program names the arrays of one of our networks: what recognises it, what its shapes tell, its table."""

import re
from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any, NamedTuple

from dsslic_jax.classes.table import ClassTable
from dsslic_jax.convert import rules
from dsslic_jax.convert.networks import Network, Shapes, network_called, networks
from dsslic_jax.convert.rules import Arrays, Row, Table

MODULE = "module"  # the layout of our own PyTorch modules


class Naming(NamedTuple):
    """One program's names of one network's arrays.

    Attributes:
      network: what our names of its arrays begin with.
      layout: the program.
      mark: regular expression that some key begins with where this naming is used.
      counts: what the keys tell of how many layers there are, as settings of the network, with whatever else the table
        needs to know of a file that is to follow a class table.
      table: the table of a network of such settings.
      ignored: regular expression of keys that stand for nothing of ours.
      implied: settings that this program's networks have and no shape tells, where they are not the poster's.
      whole: False where the file has a part only of what belongs together; the rest is then drawn as for training.
    """

    network: str
    layout: str
    mark: str
    counts: Callable[[Shapes, ClassTable], dict[str, Any]]
    table: Callable[[Mapping[str, Any]], Table]
    ignored: str = r"(?!)"
    implied: Mapping[str, Any] = MappingProxyType({})
    whole: bool = True


class Found(NamedTuple):
    """A network in a file."""

    naming: Naming
    settings: dict[str, Any]  # that keys and shapes tell
    told: bool  # False where keys are missing: the settings give its names then, not its shapes


def module_row(module: str) -> Row:
    """The row of any module in our own layout, names with dots.

    Flax wraps a norm once more, and only UpConv stores its kernel otherwise.
    """
    wrapped = ("BatchNorm_0", "GroupNorm_0")
    theirs = ".".join(part for part in module.split("/") if part not in wrapped)
    transposed = re.search(r"/up_\d+$", module)
    return Row(module, theirs, rules.TRANSPOSED_CONVOLUTION if transposed else rules.CONVOLUTION)


def module_namings() -> list[Naming]:
    """Our own layout: of every network that is known."""
    return [
        Naming(known.name, MODULE, mark, partial(_counts, known), lambda settings: module_row)
        for known in networks()
        for mark in [rf"{re.escape(known.name)}\."]
    ]


def read_network(naming: Naming, shapes: Shapes, classes: ClassTable) -> Found:
    """What keys and shapes of a file tell of a network that is named so."""
    settings = naming.counts(shapes, classes)
    told = _read(network_called(naming.network), naming.table(settings), shapes, settings)
    return Found(naming, settings, told)


def told_by_our_arrays(name: str, arrays: Arrays) -> dict[str, Any]:
    """The settings that a network's arrays tell, by our names."""
    network = network_called(name)
    own = {n: a.shape for n, a in arrays.items() if n.startswith(f"{name}/")}
    own = {n: shape for n, shape in own.items() if len(shape) == 4 or not n.endswith("/kernel")}
    shapes = rules.foreign_shapes(rules.pair(own, module_row), own)
    settings = _counts(network, shapes)
    _read(network, module_row, shapes, settings)
    return settings


def _counts(network: Network, shapes: Shapes, classes: ClassTable | None = None) -> dict[str, Any]:
    return {setting: count(shapes) for setting, count in network.counts.items()}


def _read(network: Network, table: Table, shapes: Shapes, settings: dict[str, Any]) -> bool:
    """Adds what widths and norms tell to the settings; False where a width is not told."""
    told = True
    for setting, (module, axis, beyond) in network.widths.items():
        row = table(module)
        if row is None or setting in settings:
            continue
        shape = shapes.get(f"{row.theirs}.weight", ())
        if len(shape) == 4 and shape[axis] > beyond:
            settings[setting] = shape[axis] - beyond
        elif axis == 0 and (size := shapes.get(f"{row.theirs}.bias", ())[:1]) > (0,):
            settings[setting] = size[0]
        else:
            told = False
    if network.norm:
        settings |= _norm(network.norm, table, shapes)
    return told


def _norm(module: str, table: Table, shapes: Shapes) -> dict[str, str]:
    """{"norm": "batch" or "group"} where the norm has arrays, which "instance" and "none" do not."""
    for kind, name, key in (
        ("batch", module, "running_mean"),
        ("batch", f"{module}/BatchNorm_0", "running_mean"),
        ("group", f"{module}/GroupNorm_0", "weight"),
    ):
        row = table(name)
        if row is not None and {f"{row.theirs}.{key}", f"{row.theirs}.weight"} <= {*shapes}:
            return {"norm": kind}
    return {}
