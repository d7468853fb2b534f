"""Label tables: what each class id of a segmentation map means, and how label files store it.

The tables themselves are the JSON files of `dsslic_jax/classes/tables`. A class id is an index into
`ClassTable.names`; void (unlabelled) pixels have ids of their own, so that a map of class ids can
always be coded and one-hot encoded as it is.
"""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from typing import Any, NotRequired, TypedDict

import numpy as np

from dsslic_jax.errors import ConfigError, DataError, DsslicError, StreamError
from dsslic_jax.system.untrusted import parse_json, read_json, typed

# Written in stream headers: never renumber, only append.
_TABLE_NAMES: dict[int, str] = {
    1: "ade20k",
    2: "cityscapes",
    3: "camvid",
    4: "coco_stuff",
    5: "msrc",
    6: "scenes",
    7: "natural",
}
UNREGISTERED = 255  # in a stream header: the table itself is sent
MAX_CLASSES = 256  # ids are bytes
_MAX_NAME_LENGTH = 200
_FILE_ID = re.compile("0|[1-9][0-9]{0,2}")
# Of characters: those that command a terminal, or end a line.
_COMMANDS = ("Cc", "Zl", "Zp")


class TableJson(TypedDict):
    """A class table as JSON has it."""

    name: str
    classes: list[tuple[str, tuple[int, int, int]]]  # name, colour
    void_ids: list[int]
    file_ids: NotRequired[dict[str, int]]
    table_id: NotRequired[int]


# What a table may say of the classes of others: by table and own class, their names.
_Merging = TypedDict("_Merging", {"from": dict[str, dict[str, list[str]]]}, total=False)


@dataclass(frozen=True)
class ClassTable:
    """The classes of one data set.

    Attributes:
      name: the name used in configs, such as "ade20k".
      table_id: the number written in stream headers; UNREGISTERED for a table of the user's own.
      names: class names; the index is the class id, void included.
      void_ids: class ids that stand for no class and are left out of segmentation scores.
      palette: one (red, green, blue) in 0..255 per class id, to draw maps.
      file_ids: ids found in label files that differ from the class id, such as {255: 34}.
    """

    name: str
    table_id: int
    names: tuple[str, ...]
    void_ids: tuple[int, ...]
    palette: tuple[tuple[int, int, int], ...]
    file_ids: Mapping[int, int] = field(hash=False)

    @property
    def num_classes(self) -> int:
        """K, the number of class ids with void included."""
        return len(self.names)

    @property
    def unlabelled_id(self) -> int:
        """What networks are given that want labels where there are none: the first void id, or 0 in a table without."""
        return (self.void_ids or (0,))[0]

    def ids_of(self, word: str) -> tuple[int, ...]:
        """Ids of the classes that `word` names: a whole name or one of its comma-separated synonyms, in any case."""
        word = word.strip().casefold()
        return tuple(
            i
            for i, name in enumerate(self.names)
            if word in (name.casefold(), *(part.strip() for part in name.casefold().split(",")))
        )

    def to_class_ids(self, labels: np.ndarray, name: str) -> np.ndarray:
        """Ids as the label file `name` stores them, uint8 [H, W] -> class ids, uint8 [H, W] below num_classes.

        Raises DataError, which says `name`, for another array, or an id that is neither a class id nor in `file_ids`.
        """
        if labels.dtype != np.uint8 or labels.ndim != 2:
            raise DataError(
                f"{name}: a label map must be uint8 [H, W], not {labels.dtype} {labels.shape}"
            )
        known, class_of = _lookup(self)
        if not known[labels].all():
            bad_id = int(labels[~known[labels]].flat[0])
            raise DataError(
                f"{name}: label id {bad_id} is not in the class table {self.name!r} "
                f"(ids 0..{self.num_classes - 1}); check which table the labels follow"
            )
        return class_of[labels]


@cache
def _lookup(table: ClassTable) -> tuple[np.ndarray, np.ndarray]:
    """For every file id 0..255: whether the table knows it, and its class id."""
    known = np.arange(256) < table.num_classes
    class_of = np.arange(256, dtype=np.uint8)
    for file_id, class_id in table.file_ids.items():
        known[file_id] = True
        class_of[file_id] = class_id
    return known, class_of


@cache
def class_table(name: str) -> ClassTable:
    """The registered table called `name`, or the one in the JSON file `name` (a path ending in .json).

    Raises ConfigError, listing the tables, where there is none, or saying what is wrong with the file.
    """
    return parse_class_table(_stored(name), ConfigError, name)


def relabelling(source: str, target: str) -> np.ndarray:
    """What becomes of the classes of one table in another: the class of `target` for each class of `source`.

    A table says so itself, `"from": {"camvid": {"road": ["Road", "Pavement"], …}, …}`: under each word for one of its
    own classes the names of other tables' classes, each once. Both are named as for `class_table`.

    Returns:
      uint8 [K of source].

    Raises:
      ConfigError: `target` does not say what becomes of each class of `source`.
    """
    before, after = class_table(source), class_table(target)
    told = typed(_stored(target), _Merging, target, ConfigError)
    merged = told.get("from", {}).get(before.name)
    if merged is None:
        raise ConfigError(
            f'class table {after.name!r} does not say, under "from", what becomes of the classes of {before.name!r}'
        )
    pairs = [(after.ids_of(word), name) for word in merged for name in merged[word]]
    if sorted(name for _, name in pairs) != sorted(before.names) or any(
        len(ids) != 1 for ids, _ in pairs
    ):
        raise ConfigError(
            f'"from" of class table {after.name!r} must name each class of {before.name!r} once, under a word for '
            "one class of its own"
        )
    class_of = {name: ids[0] for ids, name in pairs}
    return np.array([class_of[name] for name in before.names], np.uint8)


def class_table_by_id(table_id: int) -> ClassTable:
    """Returns the table numbered `table_id` in a stream header; raises StreamError if unknown."""
    if table_id not in _TABLE_NAMES:
        known = ", ".join(f"{number} {name}" for number, name in _TABLE_NAMES.items())
        raise StreamError(
            f"the stream names class table {table_id}, which this version does not know "
            f"(known: {known}); it is damaged or was written by a newer version"
        )
    return class_table(_TABLE_NAMES[table_id])


def parse_class_table(
    stored: object, error: type[DsslicError], what: str = "class table"
) -> ClassTable:
    """A table from its JSON form; `table_id` may be missing.

    Raises `error`, which begins with `what`, for anything else.
    """
    told = typed(stored, TableJson, what, error)
    if not all(map(_FILE_ID.fullmatch, told.get("file_ids", {}))):
        raise error(f"{what}: file_ids must be whole numbers from 0 to {MAX_CLASSES - 1}")
    table = ClassTable(
        name=told["name"],
        table_id=told.get("table_id", UNREGISTERED),
        names=tuple(name for name, _ in told["classes"]),
        void_ids=tuple(told["void_ids"]),
        palette=tuple(colour for _, colour in told["classes"]),
        file_ids={int(k): v for k, v in told.get("file_ids", {}).items()},
    )
    ids = range(table.num_classes)
    sound = (
        0 < table.table_id <= UNREGISTERED
        and 0 < table.num_classes <= MAX_CLASSES
        and len(set(table.names)) == table.num_classes
        and all(map(_is_name, (table.name, *table.names)))
        and all(0 <= level <= 255 for colour in table.palette for level in colour)
        and all(i in ids for i in (*table.void_ids, *table.file_ids.values()))
        and len(set(table.void_ids)) == len(table.void_ids)
        and all(0 <= i < MAX_CLASSES for i in table.file_ids)
    )
    if not sound:
        raise error(
            f"{what}: {table.name[:_MAX_NAME_LENGTH]!r} is unsound: 1 to {MAX_CLASSES} different names of 1 to "
            f"{_MAX_NAME_LENGTH} characters without control characters, colours of 0 to 255, ids among the classes"
        )
    return table


def _is_name(text: str) -> bool:
    return 0 < len(text) <= _MAX_NAME_LENGTH and not any(
        unicodedata.category(c) in _COMMANDS for c in text
    )


def stored_class_table(stored: object, error: type[DsslicError]) -> ClassTable:
    """The table that a file of this project holds whole; a registered one is the one of this program.

    Raises `error` for what is no table, or one that is not known or means something else here.
    """
    whole = parse_class_table(stored, error)
    if whole.table_id == UNREGISTERED:
        return whole
    if whole.table_id not in _TABLE_NAMES:
        raise error(f"unknown class table {whole.name!r}")
    table = class_table(_TABLE_NAMES[whole.table_id])
    if (whole.names, whole.void_ids) != (table.names, table.void_ids):
        raise error(
            f"class table {whole.name!r} is not the one that this program has as {table.name!r}"
        )
    return table


def class_table_json(table: ClassTable) -> TableJson:
    """The JSON form of a table of the user's own: the inverse of `parse_class_table`."""
    return {
        "name": table.name,
        "classes": list(zip(table.names, table.palette, strict=True)),
        "void_ids": list(table.void_ids),
        "file_ids": {str(k): v for k, v in table.file_ids.items()},
    }


def _stored(name: str) -> dict[str, Any]:
    """The JSON form of the table that `class_table` gives for `name`; raises ConfigError as it does."""
    if name.endswith(".json"):
        try:
            stored = read_json(name, dict[str, Any], ConfigError)
        except OSError as error:
            raise ConfigError(f"{name}: not a readable class table ({error})") from error
        stored.pop("table_id", None)  # numbers are given by this project alone
        return stored
    if name not in _TABLE_NAMES.values():
        known = ", ".join(_TABLE_NAMES.values())
        raise ConfigError(
            f"unknown class table {name!r}; known tables: {known}, or the path of a .json file"
        )
    file = resources.files("dsslic_jax") / "classes" / "tables" / f"{name}.json"
    return parse_json(file.read_text(encoding="utf-8"), dict[str, Any], name, ConfigError)
