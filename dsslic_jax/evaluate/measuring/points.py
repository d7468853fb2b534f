"""What an evaluation measures: pictures x curves x settings, each with the key that it is stored under."""

import hashlib
import itertools
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from dsslic_jax.classes.table import ClassTable
from dsslic_jax.data.elements import paired
from dsslic_jax.errors import ConfigError, DataError
from dsslic_jax.evaluate.measuring.store import Key, curve_name
from dsslic_jax.pictures.reading import read_label_map, read_picture
from dsslic_jax.system.files import require_text

_LOSSY_SUFFIXES = (".jpg", ".jpeg")
_SUFFIXES = (".png", *_LOSSY_SUFFIXES)


@dataclass(frozen=True)
class PictureFile:
    """A picture to measure, with its label map where curves need one."""

    path: Path  # the file
    sha256: str  # of size and pixels, in hexadecimal
    width: int  # pixels
    height: int
    label_path: Path | None = None  # of its label map; None without
    label_sha256: str | None = None


@dataclass(frozen=True)
class Curve:
    """One codec, and where its labels come from, at several settings."""

    codec: str  # its name
    labels: str | None  # "segnet", "files" or "none"; None for codecs without labels
    settings: tuple[float, ...]  # in the order of the codec
    version: str  # of the encoder
    model: str | None  # fingerprint in hexadecimal; None for codecs without
    setting_means: str  # what a setting is

    @property
    def name(self) -> str:
        """ "jpeg", "dsslic:segnet"."""
        return curve_name(self.codec, self.labels)


@dataclass(frozen=True)
class Point:
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


def find_pictures(
    images_dir: Path, limit: int | None = None, allow_lossy: bool = False
) -> list[Path]:
    """The PNG files of a folder, sorted by name, at most the first `limit` of them, which is at least 1.

    Files with other suffixes, hidden files and subfolders are not looked at. With `allow_lossy` JPEG files are taken
    too: their artefacts become part of the "truth", which favours codecs that smooth.

    Raises:
        DataError: no folder, no picture in it, two pictures with one stem, or a lossy file that was not allowed.
        ConfigError: `limit` below 1.
    """
    if limit is not None and limit < 1:
        raise ConfigError(f"limit is {limit}: at least one picture must be measured")
    if not images_dir.is_dir():
        raise DataError(f"{images_dir}: no such folder of pictures")
    paths = sorted(
        path
        for path in images_dir.iterdir()
        if path.suffix.lower() in _SUFFIXES and not path.name.startswith(".")
    )[:limit]
    if not paths:
        raise DataError(f"{images_dir}: no pictures ({', '.join(_SUFFIXES)}) in this folder")
    lossy = [path for path in paths if is_lossy(path)]
    if lossy and not allow_lossy:
        raise DataError(
            f"{lossy[0]}: already lossy; rate-distortion is measured on lossless pictures "
            "(PNG), unless lossy ones are allowed explicitly"
        )
    for path in paths:
        require_text(path)
    stem, uses = Counter(path.stem for path in paths).most_common(1)[0]
    if uses > 1:
        raise DataError(f"{images_dir}: {uses} pictures are called {stem}; stems must differ")
    return paths


def find_label_maps(pictures: list[Path], labels_dir: Path) -> list[Path]:
    """`<stem>.png` in `labels_dir` for each picture; DataError naming the first that is missing."""
    label_maps = [labels_dir / f"{picture.stem}.png" for picture in pictures]
    for picture, label_map in zip(pictures, label_maps, strict=True):
        if not label_map.is_file():
            raise DataError(f"{label_map}: no such label map for the picture {picture.name}")
    return label_maps


def is_lossy(path: Path) -> bool:
    """Whether the file's format, going by its suffix, may have lost something already."""
    return path.suffix.lower() in _LOSSY_SUFFIXES


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
    files = []
    for index, path in enumerate(paths):
        picture = read_picture(path, upright=label_paths is None)
        height, width = picture.shape[:2]
        file = PictureFile(path, array_sha256(picture), width, height)
        if label_paths is not None and classes is not None:
            labels = read_labels(label_paths[index], picture, path, classes)
            file = replace(file, label_path=label_paths[index], label_sha256=array_sha256(labels))
        files.append(file)
    return files


def points(pictures: Sequence[PictureFile], curves: Sequence[Curve]) -> Iterator[Point]:
    """Every file to make, one picture after the other."""
    for picture, curve in itertools.product(pictures, curves):
        for setting in curve.settings:
            yield Point(picture, curve, setting)


def array_sha256(array: np.ndarray) -> str:
    """A digest of a uint8 array's shape and values, in hexadecimal."""
    digest = hashlib.sha256("x".join(map(str, array.shape)).encode())
    digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
