"""pack data sets of folders into one file for each split"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dsslic_jax.bundle.known import model_directory
from dsslic_jax.commands.outputs import RECORDS, add_overwrite, output
from dsslic_jax.errors import ConfigError, DataError

if TYPE_CHECKING:
    from dsslic_jax.prepare.packing import FolderToPack

UNLABELLED = "none"  # in --classes
_HELD_BACK = "val"

Picture = tuple["FolderToPack", Path, "Path | None"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    parser.add_argument(
        "source", type=Path, nargs="+", help="folder of the splits, as data.root names it"
    )
    parser.add_argument(
        "target", type=Path, help='folder for the files; data.root of data.kind "records"'
    )
    parser.add_argument(
        "--classes",
        required=True,
        metavar="TABLE,…",
        help="class table of the label maps, or one for each source; none: there are no label maps",
    )
    parser.add_argument(
        "--as", dest="packed_classes", metavar="TABLE", help="class table to relabel them to"
    )
    parser.add_argument(
        "--label-with",
        type=model_directory,
        metavar="MODEL",
        help="model directory whose SegNet makes label maps where there are none",
    )
    add_overwrite(parser)
    parser.add_argument("--layout", default="auto", help="of the folders (default: the one there)")
    parser.add_argument(
        "--splits", metavar="NAME,…", help="(default: train,val; with --hold-back: train)"
    )
    parser.add_argument(
        "--hold-back",
        type=int,
        metavar="N",
        help=f"one picture in N of the split, by a hash of its name, goes to {_HELD_BACK}",
    )


def run(options: argparse.Namespace) -> None:
    """Runs the command."""
    from tqdm import tqdm

    from dsslic_jax.data.records import SUFFIX, write_records

    splits = _by_packed_split(options, _folders(options))
    for split in splits:
        output(options.target / f"{split}{SUFFIX}", RECORDS, options)
    for split, pictures in splits.items():
        path = options.target / f"{split}{SUFFIX}"
        bar = tqdm(pictures, desc=split, unit="picture", disable=None)
        write_records(path, (folder.record(*files) for folder, *files in bar))
        print(f"{path}: {len(pictures)} pictures, {path.stat().st_size} bytes")


def _folders(options: argparse.Namespace) -> list[FolderToPack]:
    from dsslic_jax.prepare.packing import FolderToPack

    tables = options.classes.split(",")
    if len(tables) == 1:
        tables *= len(options.source)
    if len(tables) != len(options.source):
        raise ConfigError(
            f"--classes names {len(tables)} tables for {len(options.source)} sources: name one, or one for each"
        )
    packed_classes = options.packed_classes or tables[0]
    if not options.packed_classes and (len(set(tables)) > 1 or packed_classes == UNLABELLED):
        raise ConfigError("say with --as which class table the packed label maps are to follow")
    segment = _segmenter(options.label_with, packed_classes, UNLABELLED in tables)
    return [
        FolderToPack(
            root, options.layout, None if table == UNLABELLED else table, packed_classes, segment
        )
        for root, table in zip(options.source, tables, strict=True)
    ]


def _segmenter(model: Path | None, classes: str, needed: bool) -> Callable[[Any], Any] | None:
    """What labels pictures that have no label maps; None where all have."""
    if needed != (model is not None):
        raise ConfigError(
            f"--classes {UNLABELLED} and --label-with go together: pictures without label maps, and what labels them"
        )
    if model is None:
        return None
    from dsslic_jax.bundle import directory as bundle
    from dsslic_jax.system import runtime

    runtime.prepare()
    from dsslic_jax.classes.table import class_table
    from dsslic_jax.codec.networks.segmenter import Segmenter

    loaded = bundle.load(model)
    if loaded.classes.names != class_table(classes).names:
        raise ConfigError(f"{model} labels by class table {loaded.classes.name!r}, not {classes!r}")
    return Segmenter(loaded)


def _by_packed_split(
    options: argparse.Namespace, folders: list[FolderToPack]
) -> dict[str, list[Picture]]:
    """What goes into each packed split."""
    from dsslic_jax.prepare.packing import is_held_back

    one_in = options.hold_back
    splits = (options.splits or ("train" if one_in else "train,val")).split(",")
    if one_in is not None and (one_in < 2 or len(splits) > 1 or _HELD_BACK in splits):
        raise ConfigError(f"--hold-back N, at least 2, divides one split other than {_HELD_BACK}")
    pictures: dict[str, list[Picture]] = {
        split: [(folder, *files) for folder in folders for files in folder.files(split)]
        for split in splits
    }
    if one_in is None:
        return pictures
    divided: dict[str, list[Picture]] = {splits[0]: [], _HELD_BACK: []}
    for picture in pictures[splits[0]]:
        divided[_HELD_BACK if is_held_back(picture[1], one_in) else splits[0]].append(picture)
    if not all(divided.values()):
        raise DataError(f"one picture in {one_in} held back leaves a split empty")
    return divided
