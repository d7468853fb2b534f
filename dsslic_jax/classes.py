"""Label tables: what each class id of a segmentation map means, and how label files store it.

The tables themselves are the JSON files of `dsslic_jax/class_tables`. A class id is an index into
`ClassTable.names`; void (unlabelled) pixels have ids of their own, so that a map of class ids can
always be coded and one-hot encoded as it is.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import resources

import numpy as np

from dsslic_jax.errors import ConfigError, DataError, StreamError

# Written in stream headers: never renumber, only append.
_TABLE_NAMES: dict[int, str] = {
    1: "ade20k",
    2: "cityscapes",
    3: "camvid",
    4: "coco_stuff",
    5: "msrc",
    6: "scenes",
}


@dataclass(frozen=True)
class ClassTable:
    """The classes of one data set.

    Attributes:
      name: the name used in configs, such as "ade20k".
      table_id: the number written in stream headers.
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

    def to_class_ids(self, labels: np.ndarray, name: str) -> np.ndarray:
        """Turns a map of ids as a label file stores them into class ids.

        Args:
          labels: uint8 [H, W] as read from the file.
          name: the file, for the error message.

        Returns:
          uint8 [H, W] in [0, num_classes); `labels` itself is left as it was.

        Raises:
          DataError: an id is neither a class id nor in `file_ids`.
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
    """Returns the table called `name`; raises ConfigError, listing the tables, if there is none."""
    if name not in _TABLE_NAMES.values():
        known = ", ".join(_TABLE_NAMES.values())
        raise ConfigError(f"unknown class table {name!r}; known tables: {known}")
    file = resources.files("dsslic_jax") / "class_tables" / f"{name}.json"
    stored = json.loads(file.read_text(encoding="utf-8"))
    return ClassTable(
        name=stored["name"],
        table_id=stored["table_id"],
        names=tuple(class_name for class_name, _ in stored["classes"]),
        void_ids=tuple(stored["void_ids"]),
        palette=tuple((red, green, blue) for _, (red, green, blue) in stored["classes"]),
        file_ids={int(file_id): class_id for file_id, class_id in stored["file_ids"].items()},
    )


def class_table_by_id(table_id: int) -> ClassTable:
    """Returns the table numbered `table_id` in a stream header; raises StreamError if unknown."""
    if table_id not in _TABLE_NAMES:
        known = ", ".join(f"{number} {name}" for number, name in _TABLE_NAMES.items())
        raise StreamError(
            f"the stream names class table {table_id}, which this version does not know "
            f"(known: {known}); it is damaged or was written by a newer version"
        )
    return class_table(_TABLE_NAMES[table_id])
