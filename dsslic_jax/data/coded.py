"""Coded pairs: pictures beside what a codec gave back of them, to train networks that correct it.

`<root>/<split>/images` and, if there are label maps, `labels` are as in other folders; `decoded/<strength>/ID.png` is
picture ID as it was decoded, `strength` in 1..255 telling how coarsely it had been quantised.
`python -m dsslic_jax.prepare.coded_pairs` makes them.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from dsslic_jax.classes.table import ClassTable
from dsslic_jax.data.elements import Element, paired
from dsslic_jax.data.folders import files_by_stem, list_pairs, list_pictures
from dsslic_jax.errors import DataError
from dsslic_jax.pictures.reading import read_label_map, read_picture

MAX_STRENGTH = 255
_LAYOUT = "split_folders"


class CodedSource:
    """Random access to the coded pairs of one split: each picture at each strength, by file stem and strength.

    Labels are void where there are no label maps.
    """

    def __init__(self, root: Path, split: str, table: ClassTable) -> None:
        """Lists the pairs.

        Raises DataError where a folder is missing or empty, a picture has no label map though others have, or was not
        decoded at a strength at which others were.
        """
        self.name = f"{root.name}/{split}"
        self._table = table
        strengths = _strengths(root / split / "decoded")
        self._pairs = [
            (picture, label_map, strength, _decoded(picture, decoded, strength))
            for picture, label_map in _list(root, split)
            for strength, decoded in strengths.items()
        ]

    def __len__(self) -> int:
        return len(self._pairs)

    def __getitem__(self, index: int) -> Element:
        picture, label_map, strength, decoded_path = self._pairs[index]
        image, decoded = read_picture(picture), read_picture(decoded_path)
        if decoded.shape != image.shape:
            raise DataError(f"{decoded_path} has not the size of {picture}: write it again")
        if label_map is None:
            labels = np.full(image.shape[:2], self._table.unlabelled_id, np.uint8)
        else:
            labels = read_label_map(label_map, self._table)
        element = paired(image, labels, f"{picture.stem} at strength {strength}", str(picture))
        return Element(**element, decoded=decoded, strength=np.uint8(strength))


def _list(root: Path, split: str) -> Sequence[tuple[Path, Path | None]]:
    if (root / split / "labels").is_dir():
        return list_pairs(root, split, _LAYOUT)
    return [(picture, None) for picture in list_pictures(root, split, _LAYOUT)]


def _strengths(folder: Path) -> dict[int, dict[str, Path]]:
    """What was decoded: {strength: {file stem: path}}, weakest first."""
    folders = [path for path in folder.glob("[!.]*") if path.is_dir()]
    known = {str(strength): strength for strength in range(1, MAX_STRENGTH + 1)}
    if not folders or not all(path.name in known for path in folders):
        raise DataError(
            f"{folder} must hold folders named for the strength, 1 to {MAX_STRENGTH}, of decoded pictures: write them "
            "with python -m dsslic_jax.prepare.coded_pairs"
        )
    return {
        known[path.name]: files_by_stem(path, (".png",))
        for path in sorted(folders, key=lambda path: known[path.name])
    }


def _decoded(picture: Path, decoded: dict[str, Path], strength: int) -> Path:
    if picture.stem not in decoded:
        raise DataError(f"{picture} was not decoded at strength {strength}: let the coding finish")
    return decoded[picture.stem]
