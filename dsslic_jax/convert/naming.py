"""How one program names the arrays of one of our networks: what recognises it, what its shapes tell, its table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from dsslic_jax.classes.table import ClassTable
from dsslic_jax.convert.rules import Shapes, Table

Settings = Mapping[str, Any]
PICTURE = 3  # channels that the stems see after the one-hot labels
MAX_DOWNS = 6  # steps of stride 2: alpha is at most 64
FOR_TABLES = ("labels_alone", "scored")  # counts that are no settings of a network


class Naming(NamedTuple):
    """One program's names of one network's arrays.

    Attributes:
      network: "compnet", "finenet", "discriminator", "segnet" or "enhancenet".
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
    table: Callable[[Settings], Table]
    ignored: str = r"(?!)"
    implied: Mapping[str, Any] = MappingProxyType({})
    whole: bool = True


# Setting: our module, axis of its foreign weight, what the axis has more of.
_DIMENSIONS: dict[str, dict[str, tuple[str, int, int]]] = {
    "compnet": {
        "compnet_width": ("compnet/stem", 0, 0),
        "classes": ("compnet/stem", 1, PICTURE),
    },
    "finenet": {
        "finenet_width": ("finenet/stem", 0, 0),
        "classes": ("finenet/stem", 1, PICTURE),
    },
    "discriminator": {
        "width": ("discriminator/scale_0/conv_0", 0, 0),
        "channels": ("discriminator/scale_0/conv_0", 1, 0),
    },
    "segnet": {
        "width": ("segnet/stem_0/conv", 0, 0),
        "pyramid_width": ("segnet/pyramid_1/conv", 0, 0),
        "auxiliary_width": ("segnet/auxiliary/conv", 0, 0),
        "classes": ("segnet/logits", 0, 0),
    },
    "enhancenet": {
        "width": ("enhancenet/stem", 0, 0),
        "label_width": ("enhancenet/labels", 0, 0),
        "classes": ("enhancenet/labels", 1, 0),
    },
}
_NORMS = {
    "compnet": "compnet/stem_norm",
    "finenet": "finenet/stem_norm",
    "discriminator": "discriminator/scale_0/norm_1",
    "segnet": "segnet/stem_0/norm",
}


def downs(number: int) -> int:
    """So many steps of stride 2, kept within what a network can have: keys may say anything."""
    return min(max(number, 0), MAX_DOWNS)


class Found(NamedTuple):
    """A network in a file."""

    naming: Naming
    settings: dict[str, Any]  # that keys and shapes tell
    told: bool  # False where keys are missing: the settings give its names then, not its shapes


def read(naming: Naming, shapes: Shapes, classes: ClassTable) -> Found:
    """What keys and shapes of a file tell of a network that is named so."""
    settings = naming.counts(shapes, classes)
    table = naming.table(settings)
    told = True
    for setting, (module, axis, more) in _DIMENSIONS[naming.network].items():
        row = table(module)
        if row is None or setting in settings:
            continue
        shape = shapes.get(f"{row.theirs}.weight", ())
        if len(shape) == 4 and shape[axis] > more:
            settings[setting] = shape[axis] - more
        elif axis == 0 and (size := shapes.get(f"{row.theirs}.bias", ())[:1]) > (0,):
            settings[setting] = size[0]
        else:
            told = False
    if naming.network in _NORMS:
        settings |= _norm(naming.network, table, shapes)
    return Found(naming, settings, told)


def _norm(network: str, table: Table, shapes: Shapes) -> dict[str, str]:
    """{"norm": "batch" or "group"} where the norm has arrays, which "instance" and "none" do not."""
    module = _NORMS[network]
    for kind, names in (
        ("batch", (module, f"{module}/BatchNorm_0")),
        ("group", (f"{module}/GroupNorm_0",)),
    ):
        for row in map(table, names):
            key = "running_mean" if kind == "batch" else "weight"
            if row is not None and {f"{row.theirs}.{key}", f"{row.theirs}.weight"} <= {*shapes}:
                return {"norm": kind}
    return {}
