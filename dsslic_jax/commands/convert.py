"""weights to PyTorch's names and back"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dsslic_jax.bundle.known import model_directory
from dsslic_jax.commands.outputs import STATE_DICT, add_overwrite, check_model_directory, output
from dsslic_jax.convert.networks import untold
from dsslic_jax.errors import ConfigError
from dsslic_jax.models.parts import PartKind, part_kinds
from dsslic_jax.settings.fields import Field
from dsslic_jax.system.untrusted import parse_json

if TYPE_CHECKING:
    from dsslic_jax.bundle.model import Bundle


_DEST = "setting "  # no other option's place begins so


def _settings() -> dict[str, list[tuple[PartKind[Any], Field]]]:
    """The settings that nothing in a file tells, by name, with the parts that have one so called."""
    found: dict[str, list[tuple[PartKind[Any], Field]]] = {}
    for kind in part_kinds().values():
        for known in untold(kind):
            found.setdefault(known.name, []).append((kind, known))
    return found


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    ways = parser.add_subparsers(dest="way", required=True)
    away = ways.add_parser("to-torch", help="write a PyTorch state dict")
    away.add_argument(
        "model", type=model_directory, help="model directory, or training work directory"
    )
    away.add_argument("output", type=Path, help=".safetensors file to write")
    add_overwrite(away)
    away.add_argument(
        "--layout",
        choices=("reference", "module"),
        default="module",
        help="keys of the authors' program, or of dsslic_jax.convert.torch (default)",
    )
    away.add_argument(
        "--training-state",
        action="store_true",
        help="with the optimiser's moments and the number of steps",
    )
    back = ways.add_parser("from-torch", help="read a PyTorch state dict")
    back.add_argument("file", type=Path, help="file, or folder of one model's files")
    back.add_argument("output", type=Path, help="model directory to write")
    add_overwrite(back)
    back.add_argument("--classes", help="class table that the labels follow: name or .json file")
    back.add_argument("--trained-on", help="pictures that the weights were trained on")
    back.add_argument("--terms", help="terms that the weights are under")
    back.add_argument("--licence", help="licence of the weights, as SPDX calls it")
    for name, parts in _settings().items():
        titles = ", ".join(kind.title for kind, _ in parts)
        allowed = parts[0][1].spec.allowed() or parts[0][1].type_name
        back.add_argument(
            f"--{name.replace('_', '-')}",
            dest=_DEST + name,
            metavar="VALUE",
            help=f"of {titles}: {allowed}",
        )


def run(options: argparse.Namespace) -> None:
    """Runs the command."""
    from dsslic_jax.system import runtime

    runtime.prepare()
    (_to_torch if options.way == "to-torch" else _from_torch)(options)


def _to_torch(options: argparse.Namespace) -> None:
    from dsslic_jax.bundle import directory as bundle
    from dsslic_jax.convert.files import state_dict_file
    from dsslic_jax.convert.transfer import Portable, to_state_dict

    target = output(options.output, STATE_DICT, options)
    if (options.model / bundle.DESCRIPTION).exists():
        model = Portable(*bundle.load_with_training(options.model))
    else:
        from dsslic_jax.train.portable import read_run

        model = Portable(*read_run(options.model))
    if not options.training_state:
        model = model.networks_alone()
    arrays = to_state_dict(model, options.layout)
    target.write(state_dict_file(arrays, model.bundle))
    print(f"{len(arrays)} arrays, layout {options.layout}: {options.output}")


def _from_torch(options: argparse.Namespace) -> None:
    from dsslic_jax.bundle import directory as bundle
    from dsslic_jax.bundle.model import Bundle
    from dsslic_jax.classes.table import class_table
    from dsslic_jax.convert.files import read_arrays, read_description
    from dsslic_jax.convert.transfer import from_state_dict
    from dsslic_jax.system.printable import printable

    check_model_directory(options.output, options, options.file)
    described = read_description(options.file)
    if options.classes is not None:
        classes = class_table(options.classes)
    elif described is not None:
        classes = described.classes
    else:
        raise ConfigError("name the class table that the labels follow, with --classes")
    described = described or Bundle(classes, {})
    made = from_state_dict(read_arrays(options.file), classes, _chosen(described, options))
    told = {"trained_on": options.trained_on, "terms": options.terms, "licence": options.licence}
    told = {key: value for key, value in told.items() if value is not None}
    parts = dict(made.bundle.parts)
    for name, part in parts.items():
        if part.provenance:
            before = described.parts[name].provenance if name in described.parts else {}
            unknown = {"trained_on": "unknown", "terms": "unknown"}
            provenance = {**unknown, **before, **part.provenance, **told}
            parts[name] = replace(part, provenance=provenance)
            line = ", ".join(f"{key} {value}" for key, value in provenance.items())
            print(printable(f"{name}: {line}"))
    model = replace(made.bundle, coding=described.coding, parts=parts)
    bundle.save_with_training(model, made.training, options.output)
    print(f"model: {options.output}")


def _chosen(described: Bundle, options: argparse.Namespace) -> dict[str, dict[str, Any]]:
    """By part, the settings that a file says it has, with the options given."""
    from dsslic_jax.settings.reading import to_mapping

    chosen = {name: to_mapping(part.settings) for name, part in described.parts.items()}
    for setting, parts in _settings().items():
        text = getattr(options, _DEST + setting)
        for kind, _ in parts if text is not None else ():
            chosen.setdefault(kind.name, {})[setting] = _value(text)
    return chosen


def _value(text: str) -> Any:
    """A number, true, false or null as JSON writes it; any other text is itself."""
    try:
        return parse_json(text, Any, text, ConfigError)
    except ConfigError:
        return text
