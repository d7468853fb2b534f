"""What sources hand out: one picture with its label map."""

from typing import NotRequired, Protocol, TypedDict

import numpy as np

from dsslic_jax.errors import DataError


class Element(TypedDict):
    """One picture: image uint8 [H, W, 3], labels uint8 [H, W] (class ids), and its name.

    Of coded pairs also what a codec gave back, decoded uint8 [H, W, 3], and how coarsely it had quantised, strength in
    1..255.
    """

    image: np.ndarray
    labels: np.ndarray
    name: str
    decoded: NotRequired[np.ndarray]
    strength: NotRequired[np.uint8]


class Source(Protocol):
    """Random access to the elements of one split; the same index gives the same element."""

    name: str

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Element: ...


def paired(image: np.ndarray, labels: np.ndarray, name: str, where: str) -> Element:
    """Joins a picture and its map; raises DataError, which says `where`, if their sizes differ."""
    if image.shape[:2] != labels.shape:
        picture_size, label_size = image.shape[:2], labels.shape
        raise DataError(
            f"{where}: the picture is {picture_size[1]}x{picture_size[0]} pixels but its label map "
            f"{label_size[1]}x{label_size[0]}; a map must have its picture's size"
        )
    return Element(image=image, labels=labels, name=name)
