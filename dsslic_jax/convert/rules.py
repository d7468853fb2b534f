"""One machinery for all foreign names: rows of (our module, their module), applied in both directions.

A leaf of a module (kernel, bias, …) has the same foreign name and change of array wherever it stands, so that a table
says nothing of single arrays. Arrays lie in flat dictionaries: ours as a model directory stores them,
{"finenet/stem/kernel": array}, theirs by the keys of a PyTorch state dict.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import NamedTuple

import numpy as np

from dsslic_jax.bundle.model import require
from dsslic_jax.convert.networks import Shapes
from dsslic_jax.errors import ModelError

Arrays = Mapping[str, np.ndarray]

LEAVES = {
    "kernel": "weight",
    "scale": "weight",
    "bias": "bias",
    "mean": "running_mean",
    "var": "running_var",
}
COLLECTIONS = ("params", "batch_stats")  # SegNet's names have one of them in second place


class Change(NamedTuple):
    """What becomes of an array on its way, in both directions."""

    to_theirs: Callable[[np.ndarray], np.ndarray]
    to_ours: Callable[[np.ndarray], np.ndarray]


def _transposition(*axes: int) -> Change:
    back = np.argsort(axes)
    return Change(partial(np.transpose, axes=axes), partial(np.transpose, axes=back))


SAME = Change(lambda array: array, lambda array: array)
CONVOLUTION = _transposition(3, 2, 0, 1)  # [kh, kw, I, O] -> [O, I, kh, kw]
TRANSPOSED_CONVOLUTION = _transposition(2, 3, 0, 1)  # [3, 3, I, O] -> [I, O, kh, kw]


class Row(NamedTuple):
    """Our module and theirs; `kernel` and `bias` say what becomes of those leaves."""

    ours: str
    theirs: str
    kernel: Change = CONVOLUTION
    bias: Change = SAME


# The row of one of our modules; None where it has no foreign name.
Table = Callable[[str], Row | None]


class Pair(NamedTuple):
    """One array under both names."""

    ours: str
    theirs: str
    change: Change


def module_of(name: str) -> str:
    """The module of one of our arrays: its name without collection and leaf."""
    parts = name.split("/")[:-1]
    if len(parts) > 1 and parts[1] in COLLECTIONS:
        del parts[1]
    return "/".join(parts)


def table(*rows: Row) -> Table:
    """The table that has these rows."""
    return {row.ours: row for row in rows}.get


def pair(names: Iterable[str], table: Table) -> list[Pair]:
    """Each of our arrays with its foreign name. Raises ModelError listing those that the table does not have."""
    pairs, unknown = [], []
    for name in names:
        row, leaf = table(module_of(name)), name.rpartition("/")[2]
        if row is None or leaf not in LEAVES:
            unknown.append(name)
        else:
            change = {"kernel": row.kernel, "bias": row.bias}.get(leaf, SAME)
            pairs.append(Pair(name, f"{row.theirs}.{LEAVES[leaf]}", change))
    if unknown:
        raise ModelError(f"this layout has no name for {', '.join(unknown)}: take another layout")
    return pairs


def to_theirs(weights: Arrays, pairs: Iterable[Pair]) -> dict[str, np.ndarray]:
    """Our arrays under their names."""
    return {p.theirs: np.asarray(p.change.to_theirs(weights[p.ours]), order="C") for p in pairs}


def foreign_shapes(pairs: Iterable[Pair], shapes: Shapes) -> dict[str, tuple[int, ...]]:
    """The shapes of arrays under their names, of the shapes under ours."""
    # Views of one number: nothing of that size is allocated.
    return {
        p.theirs: p.change.to_theirs(np.broadcast_to(np.float32(), shapes[p.ours])).shape
        for p in pairs
    }


def to_ours(
    arrays: Arrays, pairs: Iterable[Pair], shapes: Shapes, ignored: str = r"(?!)"
) -> dict[str, np.ndarray]:
    """Their arrays under our names: those of `pairs`, of the `shapes` by our names where these are known.

    `ignored` is a regular expression of keys that are left out. Raises ModelError as `bundle.model.require` does.
    """
    pairs = [*pairs]
    known = foreign_shapes([p for p in pairs if p.ours in shapes], shapes)
    needed = {p.theirs: known.get(p.theirs) for p in pairs}
    own = {k: a for k, a in arrays.items() if k in needed or not re.fullmatch(ignored, k)}
    require(own, needed)
    return {p.ours: np.asarray(p.change.to_ours(arrays[p.theirs]), order="C") for p in pairs}
