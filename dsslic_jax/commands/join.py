"""write a model directory with the SegNet or EnhanceNet of others added"""

from __future__ import annotations

import argparse
from pathlib import Path

from dsslic_jax.bundle.known import model_directory


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    parser.add_argument("output", type=Path)
    parser.add_argument(
        "--model", type=model_directory, required=True, help="directory of the coarse model"
    )
    parser.add_argument("--segnet", type=model_directory, help="directory of the SegNet")
    parser.add_argument("--enhancenet", type=model_directory, help="directory of the EnhanceNet")
    parser.add_argument(
        "--half", action="store_true", help="round weights to half precision: half the size"
    )


def run(options: argparse.Namespace) -> None:
    """Runs the command."""
    from dsslic_jax.bundle import directory as bundle
    from dsslic_jax.bundle.joining import halved, join

    givers = {"segnet": options.segnet, "enhancenet": options.enhancenet}
    parts = {name: bundle.load(given) for name, given in givers.items() if given is not None}
    joined = join(bundle.load(options.model), **parts)
    if options.half:
        joined = halved(joined)
    bundle.save(joined, options.output)
    print(f"model {joined.fingerprint.hex()}: {options.output}")
