"""compress a picture, or all pictures of folders"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dsslic_jax.bundle import known as known_models
from dsslic_jax.bundle.known import model_directory
from dsslic_jax.commands.info import print_info
from dsslic_jax.commands.inputs import STANDARD, into_folder, one_input, opened_input, tell_summary
from dsslic_jax.commands.options import (
    Phases,
    add_coder_options,
    add_network_options,
    chosen_coders,
    open_codecs,
)
from dsslic_jax.commands.outputs import add_overwrite, output
from dsslic_jax.errors import ConfigError
from dsslic_jax.system.printable import printable

if TYPE_CHECKING:
    from dsslic_jax.codec.codec import Codec
    from dsslic_jax.codec.settings import CodingSettings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    parser.add_argument(
        "input", type=Path, nargs="+", help="picture, - for standard input, or folders and pictures"
    )
    parser.add_argument(
        "output", type=Path, help=".dsslic file, - for standard output, or folder for them"
    )
    parser.add_argument(
        "--model",
        type=model_directory,
        default=known_models.default_model(),
        help=f"bundled model's name, or model directory: ./NAME for one so called (default: {known_models.DEFAULT})",
    )
    parser.add_argument(
        "--labels", type=Path, help="label map PNG, or folder of them (default: made by SegNet)"
    )
    _add_coding_options(parser)
    parser.add_argument(
        "--alpha",
        choices=("refuse", "white", "black", "drop"),
        default="refuse",
        help="transparent pictures: laid on a colour, or made opaque (default: refuse)",
    )
    parser.add_argument(
        "--deep",
        choices=("refuse", "round"),
        default="refuse",
        help="pictures of more than 8 bits: rounded to 8 (default: refuse)",
    )
    parser.add_argument(
        "--metadata",
        choices=("usual", "none", "colour", "all"),
        nargs="?",
        const="all",
        default="usual",
        help="carried: what colours mean, and EXIF without place (usual, the default) or with it (all), or neither",
    )
    parser.add_argument("--workers", type=int, default=0, help="pictures at a time, for folders")
    add_overwrite(parser)
    add_coder_options(parser)
    add_network_options(parser)


def _add_coding_options(parser: argparse.ArgumentParser) -> None:
    """The settings of coding as options: --NAME with dashes, save as `_AS_TYPED` has it."""
    from dsslic_jax.codec.settings import CodingSettings
    from dsslic_jax.settings.fields import fields_of

    labels, rate = (parser.add_mutually_exclusive_group() for _ in range(2))
    for value, (option, text) in _LABELS.items():
        labels.add_argument(
            option, dest="label_layer", action="store_const", const=value, help=text
        )
    for field in fields_of(CodingSettings):
        if field.name in _NO_OPTIONS:
            continue
        typed: dict[str, Any] = {
            "dest": field.name,
            "type": next(kind for kind in (int, float, str) if field.accepts(kind)),
            "choices": field.spec.choices or None,
            "metavar": None if field.spec.choices else _option(field.name)[2:].upper(),
            "help": f"{field.spec.meaning} (default: the model's)".replace("%", "%%"),
            **_AS_TYPED.get(field.name, {}),
        }
        group = rate if field.name in _RATE else parser
        group.add_argument(_option(field.name), **typed)


def run(options: argparse.Namespace) -> None:
    """Runs the command."""
    if options.labels is not None and options.label_layer in ("none", "decoder"):
        raise ConfigError(f"--labels contradicts {_LABELS[options.label_layer][0]}: leave one out")
    source = one_input(options, STREAM_SUFFIX)
    if source is None:
        _encode_folder(options)
        return
    from dsslic_jax.batch.folders import STREAM
    from dsslic_jax.pictures.files import read_source
    from dsslic_jax.pictures.reading import read_label_map

    target = output(into_folder(options.output, source, STREAM_SUFFIX), STREAM, options, source)
    progress = Phases(options.verbose)
    progress("picture", 0, 1)
    labelled = options.labels is not None
    name = None if source != STANDARD else "standard input"
    picture = read_source(
        opened_input(source), labelled=labelled, name=name, **_source_options(options)
    )
    progress("model", 0, 1)
    (codec,) = open_codecs(options.model, options, progress)
    labels = read_label_map(options.labels, codec.bundle.classes) if labelled else None
    settings = _settings(options, codec)
    data = codec.encode(picture.pixels, labels, settings, picture.grey, picture.metadata)
    progress("file", 0, 1)
    target.write(data)
    for note in picture.notes:
        print(printable(f"note: {note}"), file=sys.stderr)
    print_info(data, as_json=False, file=sys.stderr if target.is_standard else sys.stdout)


def _encode_folder(options: argparse.Namespace) -> None:
    from dsslic_jax.batch.folders import encode_folder

    codecs = open_codecs(options.model, options, every_device=True)
    summary = encode_folder(
        options.input,
        options.output,
        codecs,
        _settings(options, codecs[0]),
        labels=options.labels,
        workers=options.workers,
        overwrite=options.overwrite,
        **_source_options(options),
    )
    tell_summary(summary, "encoded")


def _settings(options: argparse.Namespace, codec: Codec) -> CodingSettings:
    from dsslic_jax.codec.settings import CodingSettings, coding_settings
    from dsslic_jax.settings.fields import FieldError, fields_of

    names = [f.name for f in fields_of(CodingSettings) if f.name not in _NO_OPTIONS]
    chosen = {name: getattr(options, name) for name in names}
    chosen |= {"codecs": options.codecs, "coders": chosen_coders(options)}
    try:
        return coding_settings(codec.bundle.coding, labels=options.label_layer, **chosen)
    except FieldError as error:
        if error.name not in names:
            raise
        raise FieldError(_option(error.name), error.problem) from None


def _option(name: str) -> str:
    """How a setting is typed."""
    return _OPTIONS.get(name, f"--{name.replace('_', '-')}")


def _source_options(options: argparse.Namespace) -> dict[str, Any]:
    return {"alpha": options.alpha, "deep": options.deep, "metadata": options.metadata}


def _gain(text: str) -> float | str:
    try:
        return text if text == "auto" else float(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is neither a number nor auto") from error


def _share(text: str) -> float:
    """ "1%" or "0.01" -> 0.01."""
    try:
        return float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not a share such as 1% or 0.01") from error


STREAM_SUFFIX = ".dsslic"
# What the options of coding settings have that their declaration (codec/settings.py) does not tell.
_NO_OPTIONS = ("codecs", "coders", "labels")  # they have options of another form
_RATE = ("quality", "target_bits_per_pixel", "target_psnr_db")  # one of them
_OPTIONS = {"target_bits_per_pixel": "--target-bpp", "target_psnr_db": "--target-psnr"}
_AS_TYPED: dict[str, dict[str, Any]] = {
    "label_loss": {"type": _share, "metavar": "1%"},
    "prediction_gain": {"type": _gain, "metavar": "0..1|auto"},
    "weights": {"metavar": "person=4,sky=0.25"},
}
_LABELS = {
    "none": ("--no-labels", "leave the label map out"),
    "decoder": ("--labels-at-decoder", "leave it out; the decoder makes it from the compact image"),
    "auto": ("--auto-labels", "leave it out where it does not pay"),
}
