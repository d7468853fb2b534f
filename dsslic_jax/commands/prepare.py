"""pack a data set of folders into one file for each split"""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    parser.add_argument("source", type=Path, help="folder of the splits, as data.root names it")
    parser.add_argument(
        "target", type=Path, help='folder for the files; data.root of data.kind "records"'
    )
    parser.add_argument("--classes", required=True, help="class table of the label maps")
    parser.add_argument("--layout", default="auto", help="of the folders (default: the one there)")
    parser.add_argument(
        "--splits", default="train,val", metavar="NAME,…", help="(default: train,val)"
    )


def run(options: argparse.Namespace) -> None:
    """Runs the command."""
    from tqdm import tqdm

    from dsslic_jax.classes import class_table
    from dsslic_jax.data.folders import FolderSource
    from dsslic_jax.data.records import SUFFIX, write_records

    table = class_table(options.classes)
    for split in dict.fromkeys(options.splits.split(",")):
        source = FolderSource(options.source, split, options.layout, table)
        path = options.target / f"{split}{SUFFIX}"
        written = write_records(path, source)
        for _ in tqdm(written, total=len(source), desc=split, unit="picture", disable=None):
            pass
        print(f"{path}: {len(source)} pictures, {path.stat().st_size} bytes")
