"""Pictures of folders as records to pack, their label maps as they are, relabelled, or made by a model."""

import hashlib
import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from dsslic_jax.classes.table import class_table, relabelling
from dsslic_jax.data.elements import paired
from dsslic_jax.data.folders import list_pairs, list_pictures
from dsslic_jax.data.records import packed
from dsslic_jax.pictures.reading import read_label_map, read_picture


@dataclass(frozen=True)
class FolderToPack:
    """A data set of folders, and where the labels of its records come from.

    Attributes:
      root, layout: as `list_pairs` has them.
      classes: the class table of its label maps; None: it has none.
      packed_classes: the table that labels are to follow.
      segment: x uint8 [H, W, 3] -> s uint8 [H, W] of `packed_classes`, where there are no label maps.
    """

    root: Path
    layout: str
    classes: str | None
    packed_classes: str
    segment: Callable[[np.ndarray], np.ndarray] | None

    def files(self, split: str) -> list[tuple[Path, Path | None]]:
        """Each picture of a split with its label map, if any. Raises what `list_pairs` raises."""
        if self.classes is None:
            return [(path, None) for path in list_pictures(self.root, split, self.layout)]
        return [*list_pairs(self.root, split, self.layout)]

    def record(self, picture: Path, label_map: Path | None) -> bytes:
        """One of `files` as a record.

        Raises:
          DataError: training could not use the pair: both files are decoded.
          ConfigError: `packed_classes` does not say what becomes of `classes`.
        """
        image = read_picture(picture)
        if self.classes is None or label_map is None:
            assert self.segment is not None
            return packed(picture.stem, picture.read_bytes(), _png(self.segment(image)))
        labels = read_label_map(label_map, class_table(self.classes))
        paired(image, labels, picture.stem, str(picture))
        data = label_map.read_bytes()
        if self.classes != self.packed_classes:
            data = _png(relabelling(self.classes, self.packed_classes)[labels])
        return packed(picture.stem, picture.read_bytes(), data)


def is_held_back(picture: Path, one_in: int) -> bool:
    """Whether a picture is of the one in so many, by the SHA-256 of its file stem, that training is not to see."""
    return int(hashlib.sha256(picture.stem.encode()).hexdigest(), 16) % one_in == 0


def _png(labels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(labels).save(file, format="PNG")
    return file.getvalue()
