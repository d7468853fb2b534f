"""weights to PyTorch's names and back"""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from dsslic_jax.bundle.known import model_directory
from dsslic_jax.errors import ConfigError

# Settings that no shape of an array tells, with their values; the layout's own is the default.
COARSE_SETTINGS = {
    "norm": "instance or none",
    "upsampling": "bilinear or bilinear_corners",
    "colour": "rgb or ycbcr",
    "compact": "direct or average",
}
SEGNET_SETTINGS = {"input": "symmetric or imagenet"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    ways = parser.add_subparsers(dest="way", required=True)
    away = ways.add_parser("to-torch", help="write a PyTorch state dict")
    away.add_argument(
        "model", type=model_directory, help="model directory, or training work directory"
    )
    away.add_argument("output", type=Path, help=".safetensors file to write")
    away.add_argument(
        "--layout",
        choices=("reference", "module"),
        default="module",
        help="keys of the authors' program, or of dsslic_jax.convert.torch.coarse (default)",
    )
    away.add_argument(
        "--training-state",
        action="store_true",
        help="with the optimiser's moments and the number of steps",
    )
    back = ways.add_parser("from-torch", help="read a PyTorch state dict")
    back.add_argument("file", type=Path, help="file, or folder of one model's files")
    back.add_argument("output", type=Path, help="model directory to write")
    back.add_argument("--classes", help="class table that the labels follow: name or .json file")
    back.add_argument("--trained-on", help="pictures that the weights were trained on")
    back.add_argument("--terms", help="terms that the weights are under")
    back.add_argument("--licence", help="licence of the weights, as SPDX calls it")
    for name, values in COARSE_SETTINGS.items():
        back.add_argument(f"--{name}", help=f"{values}, of CompNet and FineNet")
    for name, values in SEGNET_SETTINGS.items():
        back.add_argument(f"--{name}", help=f"{values}, of SegNet")


def run(options: argparse.Namespace) -> None:
    """Runs the command."""
    from dsslic_jax.system import runtime

    runtime.prepare()
    (_to_torch if options.way == "to-torch" else _from_torch)(options)


def _to_torch(options: argparse.Namespace) -> None:
    from dsslic_jax.bundle import directory as bundle
    from dsslic_jax.convert.files import write_state_dict
    from dsslic_jax.convert.transfer import Portable, to_state_dict

    if (options.model / "model.json").exists():
        model = Portable(*bundle.load_with_training(options.model))
    else:
        from dsslic_jax.train.running.past_runs import read_run

        model = Portable(*read_run(options.model))
    if not options.training_state:
        training = {n: a for n, a in model.training.items() if n.startswith("discriminator/")}
        model = model._replace(training=training)
    arrays = to_state_dict(model, options.layout)
    write_state_dict(options.output, arrays, model.bundle)
    print(f"{len(arrays)} arrays, layout {options.layout}: {options.output}")


def _from_torch(options: argparse.Namespace) -> None:
    from dsslic_jax.bundle import directory as bundle
    from dsslic_jax.classes.table import class_table
    from dsslic_jax.convert.files import read_arrays, read_description
    from dsslic_jax.convert.transfer import from_state_dict

    def chosen(names: Iterable[str]) -> dict[str, str]:
        return {name: value for name in names if (value := getattr(options, name)) is not None}

    described = read_description(options.file)
    if options.classes is not None:
        classes = class_table(options.classes)
    elif described is not None:
        classes = described.classes
    else:
        raise ConfigError("name the class table that the labels follow, with --classes")
    described = described or bundle.Bundle(classes, None, None, {}, {}, {})
    made = from_state_dict(
        read_arrays(options.file),
        classes,
        {**(described.model or {}), **chosen(COARSE_SETTINGS)},
        {**(described.segnet or {}), **chosen(SEGNET_SETTINGS)},
        described.enhancenet,
    )
    told = {"trained_on": options.trained_on, "terms": options.terms, "licence": options.licence}
    provenance = {
        part: {
            "trained_on": "unknown",
            "terms": "unknown",
            **described.provenance.get(part, {}),
            **converted,
            **{key: value for key, value in told.items() if value is not None},
        }
        for part, converted in made.bundle.provenance.items()
    }
    model = replace(made.bundle, coding=described.coding, provenance=provenance)
    bundle.save_with_training(model, made.training, options.output)
    for part, known in provenance.items():
        print(f"{part}: {', '.join(f'{key} {value}' for key, value in known.items())}")
    print(f"model: {options.output}")
