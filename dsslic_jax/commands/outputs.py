"""What commands write where a person says, and the option to replace what stands there."""

import argparse
from pathlib import Path

from dsslic_jax.system.outputs import Kind, Output, check_folder

_GENERATOR = b'<meta name="generator" content="dsslic_jax">'
_HEAD_BYTES = 1 << 12


def _is_page(path: Path) -> bool:
    with path.open("rb") as file:
        return _GENERATOR in file.read(_HEAD_BYTES)


PAGE = Kind("a page", (".html", ".htm"), _is_page)
TABLE = Kind("a table", (".csv",))
STATE_DICT = Kind("a state dict", (".safetensors",))
PROGRAM = Kind("an exported program")
RECORDS = Kind("a packed split")


def add_overwrite(parser: argparse.ArgumentParser) -> None:
    """Adds --overwrite."""
    parser.add_argument(
        "--overwrite",
        action="store_true",
        help="replace files that another program wrote, too; in folders also what is up to date",
    )


def check_model_directory(folder: Path, options: argparse.Namespace, *inputs: Path | None) -> None:
    """Refuses a model directory to be written where something else, or another model, lies. Raises OutputRefused."""
    given = [path for path in inputs if path]
    check_folder(folder, "a model directory", given, options.overwrite, "model.json")


def output(path: Path, kind: Kind, options: argparse.Namespace, *inputs: Path | None) -> Output:
    """A file that a command is to write, checked before any work. Raises OutputRefused."""
    made = Output(path, kind, [given for given in inputs if given], options.overwrite)
    made.check()
    return made
