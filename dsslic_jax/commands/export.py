"""networks as programs for others: StableHLO, ONNX or TorchScript"""

from __future__ import annotations

import argparse
import importlib.util
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from dsslic_jax.bundle.known import model_directory
from dsslic_jax.commands.outputs import PROGRAM, add_overwrite, output
from dsslic_jax.errors import ConfigError, ModelError
from dsslic_jax.models.parts import part_kinds
from dsslic_jax.system.extras import how_to_install

if TYPE_CHECKING:
    from dsslic_jax.bundle.model import Bundle

SUFFIXES = {"stablehlo": ".stablehlo", "onnx": ".onnx", "torchscript": ".pt"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    parser.add_argument("model", type=model_directory, help="model directory")
    parser.add_argument("output", type=Path, help="folder for <network>.stablehlo, .onnx or .pt")
    parser.add_argument("--format", choices=[*SUFFIXES], required=True)
    add_overwrite(parser)
    parser.add_argument(
        "--network",
        type=_networks,
        metavar="NAME,…",
        help=f"of {', '.join(_known())} (default: all that the model has)",
    )
    parser.add_argument(
        "--size",
        type=_size,
        metavar="HEIGHTxWIDTH",
        help="one picture of this size in pixels (default: batches of any size; SegNet needs it, "
        "unless as TorchScript)",
    )


def run(options: argparse.Namespace) -> None:
    """Runs the command."""
    from dsslic_jax.system import runtime

    runtime.prepare()
    from dsslic_jax.bundle.verifying import verify
    from dsslic_jax.codec.settings import coding_settings

    model = verify(
        options.model, coding_settings
    )  # what has other arrays than it should could only fail later
    networks = _chosen(model, options)
    export = _exporter(model, networks, options)
    for network in networks:
        output(options.output / f"{network}{SUFFIXES[options.format]}", PROGRAM, options)
    for network in networks:
        path = options.output / f"{network}{SUFFIXES[options.format]}"
        export(network, path)
        print(f"{path}: {path.stat().st_size / 1e6:.1f} MB")


def _chosen(model: Bundle, options: argparse.Namespace) -> list[str]:
    """The networks to write. Raises ConfigError or ModelError for one that cannot be."""
    from dsslic_jax.convert.programs import programs_of

    there = programs_of(model)
    networks = options.network or [*there]
    if missing := [name for name in networks if name not in there]:
        raise ModelError(f"{options.model} has no {missing[0]}: it has {', '.join(there)}")
    if options.format == "torchscript":
        if options.size is not None:
            raise ConfigError("TorchScript files take every size: leave --size out")
        return networks
    for name in networks:
        found = there[name]
        if options.size is not None:
            found.sizes.check(options.size)
        elif not found.program.any_size:
            others = ",".join(other for other in networks if there[other].program.any_size)
            leave = f", or leave it out with --network {others}" if others else ""
            raise ConfigError(f"{found.kind.title} is exported for one size: give --size{leave}")
    return networks


def _exporter(
    model: Bundle, networks: list[str], options: argparse.Namespace
) -> Callable[[str, Path], None]:
    """What writes the file of each of these. Raises ModelError where a package or a PyTorch module is missing."""
    if options.format == "stablehlo":
        from dsslic_jax.convert.stablehlo import to_stablehlo

        return lambda name, path: to_stablehlo(model, name, path, options.size)
    for package in ("torch", *(("onnx", "onnxscript") if options.format == "onnx" else ())):
        if importlib.util.find_spec(package) is None:
            raise ModelError(f"this format needs {package}: {how_to_install('torch')}")
    from dsslic_jax.convert.torch.export import to_onnx, to_torchscript
    from dsslic_jax.convert.torch.loading import require_torch_module

    for network in networks:
        require_torch_module(network)
    if options.format == "onnx":
        return lambda name, path: to_onnx(model, name, path, options.size)
    return lambda name, path: to_torchscript(model, name, path)


def _known() -> list[str]:
    """The programs of all parts that are known."""
    return [program.name for kind in part_kinds().values() for program in kind.programs]


def _networks(text: str) -> list[str]:
    names = list(dict.fromkeys(text.split(",")))
    if unknown := [name for name in names if name not in _known()]:
        raise argparse.ArgumentTypeError(f"{unknown[0]!r} is none of {', '.join(_known())}")
    return names


def _size(text: str) -> tuple[int, int]:
    """ "96x128" -> (96, 128)."""
    if not (match := re.fullmatch(r"(\d{1,5})x(\d{1,5})", text)):
        raise argparse.ArgumentTypeError(f"{text!r} is no size: write HEIGHTxWIDTH, as 96x128")
    return int(match[1]), int(match[2])
