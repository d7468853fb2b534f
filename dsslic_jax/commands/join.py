"""write a model directory with the SegNet or EnhanceNet of others added"""

import argparse
from pathlib import Path

from dsslic_jax.bundle.known import model_directory
from dsslic_jax.commands.outputs import add_overwrite, check_model_directory
from dsslic_jax.models.parts import base_kind, part_kinds


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    parser.add_argument("output", type=Path, help="model directory to write")
    add_overwrite(parser)
    parser.add_argument(
        "--model", type=model_directory, required=True, help=f"directory with {base_kind().title}"
    )
    for name, kind in part_kinds().items():
        if kind is not base_kind():
            parser.add_argument(
                f"--{name}", type=model_directory, help=f"directory with the {kind.title} to take"
            )
    parser.add_argument(
        "--half", action="store_true", help="round weights to half precision: half the size"
    )


def run(options: argparse.Namespace) -> None:
    """Runs the command."""
    from dsslic_jax.bundle import directory as bundle
    from dsslic_jax.bundle.joining import halved, join

    check_model_directory(options.output, options, options.model)
    chosen = {name: getattr(options, name, None) for name in part_kinds()}
    givers = {name: bundle.load(given) for name, given in chosen.items() if given is not None}
    joined = join(bundle.load(options.model), givers)
    if options.half:
        joined = halved(joined)
    bundle.save(joined, options.output)
    print(f"model {joined.fingerprint.hex()}: {options.output}")
