"""Collectives of a compiled program, read from its HLO text: what travels between chips in one step."""

import math
import re
from dataclasses import dataclass

KINDS = (
    "all-reduce",
    "all-gather",
    "reduce-scatter",
    "all-to-all",
    "collective-permute",
    "collective-broadcast",
)
# `%name = SHAPE KIND(operands), attributes`; of an asynchronous pair only the start counts.
_INSTRUCTION = re.compile(
    rf"^\s*(?:ROOT\s+)?%?[\w.-]+ = (?P<shape>.+?) (?P<kind>{'|'.join(KINDS)})(?P<start>-start)?\((?P<rest>.*)"
)
_ARRAY = re.compile(r"\b(?P<type>pred|bf16|[a-z]\d+\w*)\[(?P<sizes>[\d,]*)\]")
_LISTED_GROUP = re.compile(r"replica_groups=\{\{(?P<first>[\d,]*)\}")
_COUNTED_GROUPS = re.compile(r"replica_groups=\[(?P<groups>\d+),(?P<size>\d+)\]")
_MESH_GROUPS = re.compile(r"replica_groups=mesh\[(?P<axes>[^\]]*)\][^{}]*\{(?P<used>[^}]*)\}")
_MESH_AXIS = re.compile(r"'(?P<name>[^']+)'(?:=(?P<size>\d+))?")


@dataclass(frozen=True)
class Collective:
    """One collective of one chip's program, as often as it stands in the text: once, our step has no loops."""

    kind: str
    bytes: int  # of its result on one chip
    group: int  # chips that take part together

    @property
    def sent_bytes(self) -> float:
        """Bytes that a chip sends where the collective runs as a ring, the form that needs fewest."""
        others = self.group - 1
        if self.kind == "all-reduce":
            return 2 * others / self.group * self.bytes
        if self.kind == "reduce-scatter":  # its result is one share of what is summed
            return float(others * self.bytes)
        if self.kind in ("all-gather", "all-to-all"):
            return others / self.group * self.bytes
        return float(self.bytes) if others else 0.0


def read_collectives(hlo: str, chips: int) -> list[Collective]:
    """The collectives in the text of a compiled module that runs on so many chips."""
    collectives = []
    for found in filter(None, map(_INSTRUCTION.match, hlo.splitlines())):
        shape = found["shape"]
        if found["start"] and found["kind"] in ("all-gather", "collective-permute"):
            shape = _elements(shape)[1]  # (operands, results, …)
        collectives.append(Collective(found["kind"], _bytes(shape), _group(found["rest"], chips)))
    return collectives


def _elements(shape: str) -> list[str]:
    """The outermost parts of a tuple's shape: "(f32[2]{0}, (f32[4], u32[]))" has two."""
    parts, depth, began = [], 0, 1
    for place, character in enumerate(shape):
        depth += (character in "([{") - (character in ")]}")
        if (character == "," and depth == 1) or (character == ")" and depth == 0):
            parts.append(shape[began:place])
            began = place + 1
    return parts


def _bytes(shape: str) -> int:
    """Bytes of every array in a shape; a layout's `T(8,128)` and `S(1)` are not arrays."""
    total = 0
    for array in _ARRAY.finditer(shape):
        digits = re.search(r"\d+", array["type"])
        bits = int(digits[0]) if digits else 8  # pred is a byte
        sizes = [int(size) for size in array["sizes"].split(",") if size]
        total += math.ceil(math.prod(sizes) * bits / 8)
    return total


def _group(attributes: str, chips: int) -> int:
    """How many chips take part together, from any of the forms in which XLA writes it."""
    if found := _LISTED_GROUP.search(attributes):
        return len(found["first"].split(",")) if found["first"] else chips
    if found := _COUNTED_GROUPS.search(attributes):
        return int(found["size"])
    if found := _MESH_GROUPS.search(attributes):
        sizes = {axis["name"]: int(axis["size"]) for axis in _MESH_AXIS.finditer(found["axes"])}
        return math.prod(sizes[axis["name"]] for axis in _MESH_AXIS.finditer(found["used"]))
    return chips  # no groups, or the pairs of a permutation
