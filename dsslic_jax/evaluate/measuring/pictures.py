"""Which pictures, with which label maps, an evaluation measures."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from dsslic_jax.errors import ConfigError, DataError

LOSSLESS_SUFFIXES = (".png",)
LOSSY_SUFFIXES = (".jpg", ".jpeg")


def find_pictures(
    images_dir: Path, limit: int | None = None, allow_lossy: bool = False
) -> list[Path]:
    """The picture files of a folder, sorted by name, at most the first `limit` of them.

    Files with other suffixes, hidden files and subfolders are not looked at.

    Args:
        images_dir: a folder of PNG pictures.
        limit: at least 1; None takes all.
        allow_lossy: take JPEG files too. Their artefacts become part of the "truth", which
            favours codecs that smooth: say so beside any figure.

    Raises:
        DataError: no folder, no picture in it, two pictures with one stem, or a lossy file
            that was not allowed.
        ConfigError: `limit` below 1.
    """
    if limit is not None and limit < 1:
        raise ConfigError(f"limit is {limit}: at least one picture must be measured")
    if not images_dir.is_dir():
        raise DataError(f"{images_dir}: no such folder of pictures")
    suffixes = LOSSLESS_SUFFIXES + LOSSY_SUFFIXES
    paths = sorted(
        path
        for path in images_dir.iterdir()
        if path.suffix.lower() in suffixes and not path.name.startswith(".")
    )[:limit]
    if not paths:
        raise DataError(f"{images_dir}: no pictures ({', '.join(suffixes)}) in this folder")
    lossy = [path for path in paths if is_lossy(path)]
    if lossy and not allow_lossy:
        raise DataError(
            f"{lossy[0]}: already lossy; rate-distortion is measured on lossless pictures "
            "(PNG), unless lossy ones are allowed explicitly"
        )
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
    return path.suffix.lower() in LOSSY_SUFFIXES
