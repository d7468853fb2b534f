"""decompress a stream, whole or up to a layer"""

import argparse
import re
import sys
from pathlib import Path

from dsslic_jax.commands.options import (
    Phases,
    add_decoding_options,
    chosen_coders,
    named_programs,
    open_codec_of,
)
from dsslic_jax.errors import DataError, StreamError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    parser.add_argument("input", type=Path)
    parser.add_argument("output", type=Path, help="PNG; of --upto s: a palette PNG of label ids")
    parser.add_argument(
        "--upto",
        type=_layer,
        default="r",
        help="last layer to decode: s, c, r1, r2, … (default: r, all)",
    )
    add_decoding_options(parser)


def run(options: argparse.Namespace) -> None:
    """Runs the command."""
    from dsslic_jax.codec.stream import container
    from dsslic_jax.pictures.files import check_output, write_picture

    if options.upto == "s":
        _decode_labels(options)
        return
    check_output(options.output)
    data = options.input.read_bytes()
    header = container.read_header(data)
    progress = Phases(options.verbose)
    decoded = open_codec_of(header, options, progress).decode(data, options.upto)
    if decoded.finest is None:
        raise StreamError(
            "the stream is cut before the end of layer c: only --upto s can be decoded"
        )
    if not decoded.complete:
        print(f"note: the stream is cut; decoded up to layer {decoded.upto}", file=sys.stderr)
    progress("file", 0, 1)
    write_picture(options.output, decoded.finest, header.grey, header.metadata)


def _decode_labels(options: argparse.Namespace) -> None:
    """Layer s, which needs no model."""
    from dsslic_jax.codec.coders.coder import Context
    from dsslic_jax.codec.coders.registry import DEFAULT_SET, Choice, OpenCoders
    from dsslic_jax.codec.layers.labels import decode_labels
    from dsslic_jax.system.files import write_png

    if options.output.suffix.lower() != ".png":
        raise DataError(f"{options.output}: label maps are written as .png")
    choice = Choice(options.codecs or DEFAULT_SET, chosen_coders(options) or "")
    coders = OpenCoders(choice, Context(programs=named_programs(options)))
    labels, table = decode_labels(options.input.read_bytes(), coders)
    write_png(options.output, labels, table.palette)


def _layer(text: str) -> str:
    if not re.fullmatch(r"s|c|r\d*", text):
        raise argparse.ArgumentTypeError(f"{text!r} is no layer: s, c, r1, r2, … or r for all")
    return text
