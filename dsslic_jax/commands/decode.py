"""decompress a stream, whole or up to a layer, or all streams of folders"""

from __future__ import annotations

import argparse
import re
import sys
import threading
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from dsslic_jax.commands.inputs import into_folder, one_input, read_input, tell_summary
from dsslic_jax.commands.options import (
    Phases,
    add_decoding_options,
    chosen_coders,
    named_programs,
    open_codec_of,
    open_codecs,
)
from dsslic_jax.commands.outputs import add_overwrite, output
from dsslic_jax.errors import StreamError
from dsslic_jax.system.printable import printable

if TYPE_CHECKING:
    from dsslic_jax.codec.codec import Codec
    from dsslic_jax.codec.stream.container import Header


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    parser.add_argument(
        "input", type=Path, nargs="+", help="stream, - for standard input, or folders and streams"
    )
    parser.add_argument(
        "output", type=Path, help="picture, - for standard output, or folder for them"
    )
    parser.add_argument(
        "--upto",
        type=_layer,
        default="r",
        help="last layer to decode: s, c, r1, r2, … (default: r, all)",
    )
    parser.add_argument("--suffix", default=".png", help="of pictures in a folder (default: .png)")
    parser.add_argument("--workers", type=int, default=0, help="streams at a time, for folders")
    add_overwrite(parser)
    add_decoding_options(parser)


def run(options: argparse.Namespace) -> None:
    """Runs the command."""
    from dsslic_jax.codec import demands
    from dsslic_jax.codec.stream import container
    from dsslic_jax.pictures.writing import LABEL_MAP, PICTURE, picture_file

    source = one_input(options, *PICTURE.suffixes)
    if source is None:
        _decode_folder(options)
        return
    kind = LABEL_MAP if options.upto == "s" else PICTURE
    target = output(into_folder(options.output, source, options.suffix), kind, options, source)
    data = read_input(source)
    if options.upto == "s":
        target.write(_label_map(data, options))
        return
    header = container.read_header(data)
    progress = Phases(options.verbose)
    check = partial(demands.check, header, container.read_layers(data, header, options.upto))
    decoded = open_codec_of(header, options, progress, check).decode(data, options.upto)
    if decoded.finest is None:
        raise StreamError(
            "the stream is cut before the end of layer c: only --upto s can be decoded"
        )
    notes = [] if decoded.complete else [f"the stream is cut; decoded up to layer {decoded.upto}"]
    progress("file", 0, 1)
    name = str(target.path)
    written, lost = picture_file(name, decoded.finest, header.grey, header.metadata)
    target.write(written)
    for note in (*notes, *lost):
        print(printable(f"note: {note}"), file=sys.stderr)


def _decode_folder(options: argparse.Namespace) -> None:
    from dsslic_jax.batch.folders import decode_folder

    codecs = open_codecs(options.model, options, every_device=True) if options.model else []
    opened: dict[bytes, Codec] = {}
    turn = threading.Lock()

    def open_codec(header: Header) -> Codec:
        with turn:
            if header.fingerprint not in opened:
                opened[header.fingerprint] = open_codec_of(header, options)
            return opened[header.fingerprint]

    summary = decode_folder(
        options.input,
        options.output,
        codecs,
        open_codec=open_codec,
        upto=options.upto,
        suffix=options.suffix,
        workers=options.workers,
        overwrite=options.overwrite,
    )
    tell_summary(summary, "decoded")


def _label_map(data: bytes, options: argparse.Namespace) -> bytes:
    """Layer s as a file, which needs no model."""
    from dsslic_jax.codec.coders.coder import Context
    from dsslic_jax.codec.coders.registry import DEFAULT_SET, Choice, OpenCoders
    from dsslic_jax.codec.layers.labels import decode_labels
    from dsslic_jax.pictures.writing import label_file

    choice = Choice(options.codecs or DEFAULT_SET, chosen_coders(options) or "")
    coders = OpenCoders(choice, Context(programs=named_programs(options)))
    labels, table = decode_labels(data, coders)
    return label_file(labels, table.palette)


def _layer(text: str) -> str:
    if not re.fullmatch(r"s|c|r\d*", text):
        raise argparse.ArgumentTypeError(f"{text!r} is no layer: s, c, r1, r2, … or r for all")
    return text
