"""Pictures and label maps in folders: the layouts known, and the source that reads them."""

from pathlib import Path

from dsslic_jax.classes.table import ClassTable
from dsslic_jax.data.elements import Element, paired
from dsslic_jax.errors import ConfigError, DataError
from dsslic_jax.pictures.reading import read_label_map, read_picture
from dsslic_jax.system.files import require_text

# Layout name -> where pictures and label maps of a split lie below the root.
LAYOUTS: dict[str, tuple[str, str]] = {
    "split_folders": ("{split}/images", "{split}/labels"),
    "reference": ("{split}_img", "{split}_label"),  # the authors' own code
    "ade20k": ("images/{split}", "annotations/{split}"),  # ADEChallengeData2016
}

_ADE20K_SPLITS = {"train": "training", "val": "validation"}
_PICTURE_SUFFIXES = (".jpg", ".jpeg", ".png")
_LABEL_SUFFIXES = (".png",)


class FolderSource:
    """Random access to the pairs of one split, ordered by file stem.

    Every picture (.jpg, .jpeg or .png) must have a label map (.png) of the same stem. Label maps
    without a picture are ignored, since sets are often cut down by removing pictures only.
    `pairs` are the paths of both.
    """

    def __init__(self, root: Path, split: str, layout: str, table: ClassTable) -> None:
        """Lists the pairs below `root`; raises what `list_pairs` raises."""
        self.name = f"{root.name}/{split}"
        self._table = table
        self.pairs = list_pairs(root, split, layout)

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, index: int) -> Element:
        picture_path, label_path = self.pairs[index]
        image = read_picture(picture_path)
        labels = read_label_map(label_path, self._table)
        return paired(image, labels, picture_path.stem, str(picture_path))


def list_pairs(root: Path, split: str, layout: str) -> list[tuple[Path, Path]]:
    """(picture, label map) of one split below `root`, ordered by file stem.

    `layout` is a key of LAYOUTS, or "auto" for the one that is there; for "ade20k" the splits "train" and "val" are
    translated. Raises ConfigError for an unknown layout, DataError where a folder is missing or empty, a picture has
    no label map, or two pictures share a stem.
    """
    return pair_files(*_find_folders(root, split, layout))


def list_pictures(root: Path, split: str, layout: str) -> list[Path]:
    """The pictures of one split, whether or not there are label maps; otherwise as `list_pairs`."""
    return [*picture_files(_find_folders(root, split, layout, labelled=False)[0]).values()]


def _find_folders(root: Path, split: str, layout: str, labelled: bool = True) -> tuple[Path, Path]:
    """Returns the picture and label folders of `split`, trying every layout for "auto"."""
    if layout != "auto" and layout not in LAYOUTS:
        raise ConfigError(f"unknown data.layout {layout!r}; known: auto, {', '.join(LAYOUTS)}")
    if not root.is_dir():
        raise DataError(f"data.root {str(root)!r} is not a folder")
    tried = list(LAYOUTS) if layout == "auto" else [layout]
    candidates = {name: _layout_folders(split, name) for name in tried}
    needed = 2 if labelled else 1
    found = {
        name: (root / pair[0], root / pair[1])
        for name, pair in candidates.items()
        if all((root / folder).is_dir() for folder in pair[:needed])
    }
    if not found:
        looked_for = [f"{name}: {' + '.join(pair[:needed])}" for name, pair in candidates.items()]
        raise DataError(
            f"{root}: no folders for split {split!r}; looked for {'; '.join(looked_for)}"
        )
    if len(found) > 1:
        raise DataError(
            f"{root}: several layouts fit split {split!r} ({', '.join(found)}); set data.layout"
        )
    return next(iter(found.values()))


def _layout_folders(split: str, layout: str) -> list[str]:
    folder_split = _ADE20K_SPLITS.get(split, split) if layout == "ade20k" else split
    return [pattern.format(split=folder_split) for pattern in LAYOUTS[layout]]


def pair_files(picture_folder: Path, label_folder: Path) -> list[tuple[Path, Path]]:
    """Each picture of a folder, ordered by file stem, with its label map of another; raises DataError."""
    pictures = picture_files(picture_folder)
    labels = files_by_stem(label_folder, _LABEL_SUFFIXES)
    without_labels = [stem for stem in pictures if stem not in labels]
    if without_labels:
        raise DataError(
            f"{pictures[without_labels[0]]}: no label map {without_labels[0]}.png in "
            f"{label_folder} ({len(without_labels)} of {len(pictures)} pictures have none)"
        )
    return [(picture, labels[stem]) for stem, picture in pictures.items()]


def picture_files(folder: Path) -> dict[str, Path]:
    """The pictures of a folder by file stem; raises DataError where there are none, or two of one stem."""
    pictures = files_by_stem(folder, _PICTURE_SUFFIXES)
    if not pictures:
        raise DataError(f"{folder}: no pictures ({', '.join(_PICTURE_SUFFIXES)}) in it")
    return pictures


def files_by_stem(folder: Path, suffixes: tuple[str, ...]) -> dict[str, Path]:
    """Files of these suffixes by stem, sorted, hidden ones left out; raises DataError for two of one stem."""
    files: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or path.suffix.lower() not in suffixes:
            continue
        require_text(path)
        if path.stem in files:
            raise DataError(f"{path}: {files[path.stem].name} has the same stem; remove one")
        files[path.stem] = path
    return dict(sorted(files.items()))
