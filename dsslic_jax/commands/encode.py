"""compress a picture, or every picture of a folder"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dsslic_jax.bundle import known as known_models
from dsslic_jax.bundle.known import model_directory
from dsslic_jax.commands.info import print_info
from dsslic_jax.commands.options import add_coder_options, add_network_options, open_codecs
from dsslic_jax.commands.progress import PhaseBar, PhaseLines
from dsslic_jax.errors import DataError

if TYPE_CHECKING:
    from dsslic_jax.codec.codec import Codec


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    parser.add_argument("input", type=Path, help="picture, or folder of pictures")
    parser.add_argument("output", type=Path, help=".dsslic file, or folder for them")
    parser.add_argument(
        "--model",
        type=model_directory,
        default=known_models.default_model(),
        help=f"model directory, or bundled model's name (default: {known_models.DEFAULT})",
    )
    parser.add_argument(
        "--labels", type=Path, help="label map PNG, or folder of them (default: made by SegNet)"
    )
    _add_rate_options(parser)
    _add_layer_options(parser)
    _add_source_options(parser)
    parser.add_argument("--workers", type=int, default=0, help="pictures at a time, for folders")
    parser.add_argument(
        "--overwrite", action="store_true", help="for folders: encode again what is there"
    )
    add_coder_options(parser)
    add_network_options(parser)


def _add_rate_options(parser: argparse.ArgumentParser) -> None:
    rate = parser.add_mutually_exclusive_group()
    rate.add_argument(
        "--quality", type=float, help="of the residual, 0..100 (default: the model's)"
    )
    rate.add_argument(
        "--target-bpp", type=float, help="bits per pixel of the file, met within 2 %%"
    )
    rate.add_argument("--target-psnr", type=float, help="RGB PSNR in dB, met within 0.1 dB")


def _add_layer_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--layers", type=int, help="residual layers (default: the model's, 1)")
    labels = parser.add_mutually_exclusive_group()
    labels.add_argument("--no-labels", action="store_true", help="leave the label map out")
    labels.add_argument(
        "--labels-at-decoder",
        action="store_true",
        help="leave the label map out; the decoder makes it from the compact image",
    )
    labels.add_argument(
        "--auto-labels", action="store_true", help="leave the label map out where it does not pay"
    )
    parser.add_argument(
        "--label-loss",
        type=_share,
        metavar="1%",
        help="share of pixels whose label may change as small regions are merged",
    )
    parser.add_argument(
        "--label-scale",
        type=int,
        choices=(1, 2, 4, 8, 16, 32),
        help="send one label for each block of so many pixels a side",
    )
    parser.add_argument(
        "--weights", metavar="person=4,sky=0.25", help="quality by object: an error counts so often"
    )
    parser.add_argument("--compact-step", type=int, help="grey levels of c; 1 is lossless")
    parser.add_argument("--residual", choices=("min_max", "centred"), help="how it is mapped")
    parser.add_argument(
        "--prediction-gain",
        type=_gain,
        metavar="0..1|auto",
        help="how much of the prediction is subtracted, in sixteenths; auto: tried",
    )
    parser.add_argument(
        "--enhance",
        choices=("auto", "off"),
        help="by the model's network, if it has one (default: auto)",
    )
    parser.add_argument("--residual-bits", type=int, choices=(8, 10))
    parser.add_argument("--residual-colour", choices=("ycbcr444", "ycbcr420", "rgb444"))


def _add_source_options(parser: argparse.ArgumentParser) -> None:
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
    parser.add_argument("--metadata", action="store_true", help="carry ICC profile and EXIF")


def run(options: argparse.Namespace) -> None:
    """Runs the command."""
    if options.input.is_dir():
        _encode_folder(options)
        return
    from dsslic_jax.pictures.files import read_source
    from dsslic_jax.pictures.reading import read_label_map
    from dsslic_jax.system.files import write_atomically

    progress = PhaseLines() if options.verbose else PhaseBar()
    progress("picture", 0, 1)
    labelled = options.labels is not None
    source = read_source(options.input, labelled=labelled, **_source_options(options))
    progress("model", 0, 1)
    (codec,) = open_codecs(options.model, options, progress)
    labels = None
    if labelled:
        labels = read_label_map(options.labels, codec.bundle.classes)
    data = codec.encode(
        source.pixels, labels, _settings(options, codec), source.grey, source.metadata
    )
    progress("file", 0, 1)
    write_atomically(options.output, data)
    print_info(data, as_json=False)


def _encode_folder(options: argparse.Namespace) -> None:
    from dsslic_jax.batch.folders import encode_folder
    from dsslic_jax.system.printable import printable

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
    print(f"{summary.written} encoded, {summary.kept} kept, {len(summary.failed)} failed")
    for path, message in summary.failed:
        print(printable(f"{path}: {message}"), file=sys.stderr)
    if summary.failed:
        raise DataError(f"{len(summary.failed)} pictures were not encoded, see above")


def _settings(options: argparse.Namespace, codec: Codec) -> Any:
    from dsslic_jax.codec.settings import coding_settings

    chosen = {
        "none": options.no_labels,
        "decoder": options.labels_at_decoder,
        "auto": options.auto_labels,
    }
    return coding_settings(
        codec.bundle.coding,
        codecs=options.codecs,
        quality=options.quality,
        target_bits_per_pixel=options.target_bpp,
        target_psnr_db=options.target_psnr,
        layers=options.layers,
        labels=next((name for name in chosen if chosen[name]), None),
        label_scale=options.label_scale,
        label_loss=options.label_loss,
        weights=options.weights,
        compact_step=options.compact_step,
        prediction_gain=options.prediction_gain,
        enhance=options.enhance,
        residual=options.residual,
        residual_bits=options.residual_bits,
        residual_colour=options.residual_colour,
    )


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
