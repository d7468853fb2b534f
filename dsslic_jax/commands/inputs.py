"""What encode and decode are given: one file, standard input, or folders and files for a folder."""

from __future__ import annotations

import argparse
import io
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from dsslic_jax.errors import DataError, OutputRefused
from dsslic_jax.system.extras import how_to_install
from dsslic_jax.system.printable import printable

if TYPE_CHECKING:
    from dsslic_jax.batch.jobs import Summary

STANDARD = Path("-")
_PASSED_OVER_TOLD = 5


def one_input(options: argparse.Namespace, *suffixes: str) -> Path | None:
    """The only input where it is no folder; None where what there is goes into a folder.

    Raises OutputRefused where that folder is a file, or named as one by one of `suffixes`.
    """
    given: Sequence[Path] = options.input
    if len(given) == 1 and not given[0].is_dir():
        return given[0]
    out: Path = options.output
    if not out.is_dir() and (out.exists() or out == STANDARD or out.suffix.lower() in suffixes):
        what = f"{given[0]} is a folder" if len(given) == 1 else f"there are {len(given)} inputs"
        raise OutputRefused(f"{what}: name a folder for what they become, not {out}")
    return None


def into_folder(target: Path, source: Path, suffix: str) -> Path:
    """Where one file is written: into the folder that was named, under its own name, or to the file that was."""
    return target / source.with_suffix(suffix).name if target.is_dir() else target


def opened_input(source: Path) -> Path | BinaryIO:
    """A file as it is, standard input in memory."""
    return io.BytesIO(sys.stdin.buffer.read()) if source == STANDARD else source


def read_input(source: Path) -> bytes:
    """The bytes of a file or of standard input."""
    return sys.stdin.buffer.read() if source == STANDARD else source.read_bytes()


def tell_summary(summary: Summary, done: str) -> None:
    """Prints what became of folders. Raises DataError where something failed."""
    counts = f"{summary.written} {done}, {summary.kept} kept, {len(summary.failed)} failed"
    others = summary.passed_over
    print(counts + (f", {len(others)} of other suffixes passed over" if others else ""))
    for path in others[:_PASSED_OVER_TOLD]:
        heic = path.suffix.lower() in (".heic", ".heif")
        remedy = f", which needs pillow-heif: {how_to_install('heic')}" if heic else ""
        print(printable(f"passed over: {path}{remedy}"), file=sys.stderr)
    if len(others) > _PASSED_OVER_TOLD:
        print(f"passed over: {len(others) - _PASSED_OVER_TOLD} more", file=sys.stderr)
    for path, message in summary.failed:
        print(printable(f"{path}: {message}"), file=sys.stderr)
    if summary.failed:
        raise DataError(f"{len(summary.failed)} files were not {done}, see above")
