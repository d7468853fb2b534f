"""write a model directory with SegNet of another one added"""

from __future__ import annotations

import argparse
from pathlib import Path

from dsslic_jax.known_models import model_directory


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    parser.add_argument("output", type=Path)
    parser.add_argument(
        "--model", type=model_directory, required=True, help="directory of the coarse model"
    )
    parser.add_argument(
        "--segnet", type=model_directory, required=True, help="directory of the SegNet"
    )


def run(options: argparse.Namespace) -> None:
    """Runs the command."""
    from dsslic_jax import bundle

    joined = bundle.join(bundle.load(options.model), bundle.load(options.segnet))
    bundle.save(joined, options.output)
    print(f"model {joined.fingerprint.hex()}: {options.output}")
