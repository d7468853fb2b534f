"""What an evaluation measures: pictures x curves x settings, each with the key that it is stored under."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dsslic_jax.classes.table import ClassTable
from dsslic_jax.data.elements import paired
from dsslic_jax.evaluate.measuring.store import Key, curve_name
from dsslic_jax.pictures.reading import read_label_map, read_picture


@dataclass(frozen=True)
class PictureFile:
    """A picture to measure, with its label map where curves need one.

    Attributes:
        path: the file.
        sha256: of size and pixels, in hexadecimal.
        width, height: pixels.
        label_path, label_sha256: of its label map; None without.
    """

    path: Path
    sha256: str
    width: int
    height: int
    label_path: Path | None = None
    label_sha256: str | None = None


@dataclass(frozen=True)
class Curve:
    """One codec, and where its labels come from, at several settings.

    Attributes:
        codec: its name.
        labels: "segnet", "files" or "none"; None for codecs without labels.
        settings: in the order of the codec.
        version: of the encoder.
        model: fingerprint in hexadecimal; None for codecs without.
        setting_means: what a setting is.
    """

    codec: str
    labels: str | None
    settings: tuple[float, ...]
    version: str
    model: str | None
    setting_means: str

    @property
    def name(self) -> str:
        """ "jpeg", "dsslic:segnet"."""
        return curve_name(self.codec, self.labels)


@dataclass(frozen=True)
class Task:
    """One file to make and measure."""

    picture: PictureFile
    curve: Curve
    setting: float

    @property
    def key(self) -> Key:
        """What its measurements are stored under."""
        return Key(
            sha256=self.picture.sha256,
            codec=self.curve.codec,
            version=self.curve.version,
            setting=self.setting,
            model=self.curve.model,
            labels=self.curve.labels,
            labels_sha256=self.picture.label_sha256 if self.curve.labels == "files" else None,
        )

    def __str__(self) -> str:
        return f"{self.picture.path.name}, {self.curve.name} at {self.setting:g}"


def read_labels(
    path: Path, picture: np.ndarray, picture_path: Path, classes: ClassTable
) -> np.ndarray:
    """A label file as class ids, uint8 [H, W]. Raises DataError unless it is of the picture's size."""
    labels = read_label_map(path, classes)
    return paired(picture, labels, picture_path.stem, str(path))["labels"]


def picture_files(
    paths: Sequence[Path], label_paths: Sequence[Path] | None, classes: ClassTable | None
) -> list[PictureFile]:
    """Reads every picture, and its label map where there is one, to name it by what is in it.

    Raises DataError where one is unreadable or a label map of another size.
    """
    found = []
    for index, path in enumerate(paths):
        picture = read_picture(path)
        height, width = picture.shape[:2]
        file = PictureFile(path, array_sha256(picture), width, height)
        if label_paths is not None and classes is not None:
            labels = read_labels(label_paths[index], picture, path, classes)
            file = PictureFile(
                path, file.sha256, width, height, label_paths[index], array_sha256(labels)
            )
        found.append(file)
    return found


def tasks(pictures: Sequence[PictureFile], curves: Sequence[Curve]) -> Iterator[Task]:
    """Every file to make, one picture after the other."""
    for picture in pictures:
        for curve in curves:
            for setting in curve.settings:
                yield Task(picture, curve, setting)


def array_sha256(array: np.ndarray) -> str:
    """A digest of a uint8 array's shape and values, in hexadecimal."""
    digest = hashlib.sha256("x".join(map(str, array.shape)).encode())
    digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
