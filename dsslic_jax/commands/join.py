"""write a model directory with the SegNet or EnhanceNet of others added"""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    parser.add_argument("output", type=Path)
    parser.add_argument("--model", type=Path, required=True, help="directory of the coarse model")
    parser.add_argument("--segnet", type=Path, help="directory of the SegNet")
    parser.add_argument("--enhancenet", type=Path, help="directory of the EnhanceNet")


def run(options: argparse.Namespace) -> None:
    """Runs the command."""
    from dsslic_jax import bundle

    givers = {"segnet": options.segnet, "enhancenet": options.enhancenet}
    parts = {name: bundle.load(given) for name, given in givers.items() if given is not None}
    joined = bundle.join(bundle.load(options.model), **parts)
    bundle.save(joined, options.output)
    print(f"model {joined.fingerprint.hex()}: {options.output}")
