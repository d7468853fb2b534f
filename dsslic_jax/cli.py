"""The command `dsslic`: encode, decode, info, evaluate, join. Light to import: each command imports what it runs."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dsslic_jax import __version__
from dsslic_jax.errors import ConfigError, DataError, DsslicError, StreamError

if TYPE_CHECKING:
    from dsslic_jax.codec.codec import Codec


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; returns its exit status: 0, 1 for an error told in one line, 2 for wrong usage."""
    options = _parser().parse_args(arguments)
    try:
        options.run(options)
    except DsslicError as error:
        print(f"dsslic {options.command}: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""  # a full disk names no file
        print(f"dsslic {options.command}: {where}{error.strerror or error}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="dsslic", description="semantic layered image compression"
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(dest="command", required=True)

    def command(name: str, run: object, text: str) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=text, description=text)
        sub.set_defaults(run=run)
        return sub

    def coder_options(sub: argparse.ArgumentParser) -> None:
        sub.add_argument(
            "--codecs",
            choices=("embedded", "external"),
            help="layer coders: pip packages, or flif, bpgenc and bpgdec (default: the model's own)",
        )
        sub.add_argument(
            "--program",
            action="append",
            default=[],
            metavar="NAME=PATH",
            help="where flif, bpgenc or bpgdec lies (default: on PATH)",
        )

    encode = command("encode", _encode, "compress a picture")
    encode.add_argument("input", type=Path, help="PNG or JPEG, 8-bit RGB or grey")
    encode.add_argument("output", type=Path)
    encode.add_argument("--model", type=Path, required=True, help="model directory")
    encode.add_argument("--labels", type=Path, help="label map PNG (default: made by SegNet)")
    encode.add_argument(
        "--quality", type=int, help="of the residual, 0..100 (default: the model's)"
    )
    coder_options(encode)

    decode = command("decode", _decode, "decompress a stream, whole or up to a layer")
    decode.add_argument("input", type=Path)
    decode.add_argument("output", type=Path, help="PNG; of --upto s: a palette PNG of label ids")
    decode.add_argument("--upto", choices=("s", "c", "r"), default="r", help="last layer to decode")
    decode.add_argument(
        "--model", type=Path, help="model directory (default: the known one that the stream names)"
    )
    coder_options(decode)

    info = command("info", _info, "tell what a stream holds, without decoding it")
    info.add_argument("input", type=Path)
    info.add_argument("--json", action="store_true", help="machine-readable")

    evaluate = command("evaluate", _evaluate, "measure rate and distortion on a folder of pictures")
    evaluate.add_argument("--images", type=Path, required=True, help="folder of lossless PNGs")
    evaluate.add_argument("--labels", type=Path, help="folder of label maps (default: SegNet)")
    evaluate.add_argument("--model", type=Path, required=True, help="model directory")
    evaluate.add_argument("--out", type=Path, required=True, help="folder for streams and tables")
    evaluate.add_argument("--qualities", default="10,20,30,40,50", help="residual qualities")
    evaluate.add_argument("--limit", type=int, help="only this many pictures")
    evaluate.add_argument("--no-baselines", action="store_true", help="DSSLIC alone")
    evaluate.add_argument("--allow-lossy", action="store_true", help="accept JPEG pictures too")
    coder_options(evaluate)

    join = command("join", _join, "write a model directory with SegNet of another one added")
    join.add_argument("output", type=Path)
    join.add_argument("--model", type=Path, required=True, help="directory of the coarse model")
    join.add_argument("--segnet", type=Path, required=True, help="directory of the SegNet")
    return parser


def _open_codec(directory: Path, options: argparse.Namespace) -> Codec:
    from dsslic_jax import runtime

    runtime.prepare()
    from dsslic_jax import bundle, known_models
    from dsslic_jax.codec.codec import Codec

    loaded = bundle.load(directory)
    codec = Codec(loaded, options.codecs, _programs(options))
    known_models.remember(loaded.fingerprint, directory)
    return codec


def _programs(options: argparse.Namespace) -> dict[str, str]:
    programs = {}
    for entry in options.program:
        name, separator, path = entry.partition("=")
        if not separator or name not in ("flif", "bpgenc", "bpgdec"):
            raise ConfigError(f"--program {entry}: write flif=PATH, bpgenc=PATH or bpgdec=PATH")
        programs[name] = path
    return programs


def _encode(options: argparse.Namespace) -> None:
    from dsslic_jax.data.pictures import read_label_map, read_picture
    from dsslic_jax.files import write_atomically

    picture = read_picture(options.input)
    codec = _open_codec(options.model, options)
    labels = None
    if options.labels is not None:
        labels = read_label_map(options.labels, codec.bundle.classes)
    data = codec.encode(picture, labels, options.quality)
    write_atomically(options.output, data)
    _print_info(data, as_json=False)


def _decode(options: argparse.Namespace) -> None:
    from dsslic_jax import known_models
    from dsslic_jax.codec import container
    from dsslic_jax.files import write_png

    if options.output.suffix.lower() != ".png":
        raise DataError(f"{options.output}: decoded pictures are written as .png")
    data = options.input.read_bytes()
    if options.upto == "s":
        from dsslic_jax.codec.labels import decode_labels

        labels, table = decode_labels(data, options.codecs or "embedded", _programs(options))
        write_png(options.output, labels, table.palette)
        return
    fingerprint = container.read_header(data).fingerprint
    codec = _open_codec(options.model or known_models.find(fingerprint), options)
    decoded = codec.decode(data, options.upto)
    if decoded.coarse is None:
        raise StreamError(
            "the stream is cut before the end of layer c: only --upto s can be decoded"
        )
    if decoded.upto != options.upto:
        print(f"note: the stream is cut; decoded up to layer {decoded.upto}", file=sys.stderr)
    write_png(options.output, decoded.coarse if decoded.picture is None else decoded.picture)


def _info(options: argparse.Namespace) -> None:
    _print_info(options.input.read_bytes(), options.json)


def _print_info(data: bytes, as_json: bool) -> None:
    from dsslic_jax.classes import class_table_by_id
    from dsslic_jax.codec import container

    header = container.read_header(data)
    pixels = header.width * header.height
    whole = container.read_layers(data, header)
    described = {
        "width": header.width,
        "height": header.height,
        "classes": class_table_by_id(header.table_id).name,
        "alpha": header.alpha,
        "model": header.fingerprint.hex(),
        "bytes": len(data),
        "bits_per_pixel": 8 * len(data) / pixels,
        "header_bytes": header.size,
        "layers": [
            {
                "layer": layer.kind,
                "coder": layer.coder,
                "bytes": layer.length,
                "whole": layer.kind in whole,
            }
            for layer in header.layers
        ],
    }
    if as_json:
        print(json.dumps(described, indent=1))
        return
    print(
        f"{header.width}x{header.height}, classes {described['classes']}, alpha {header.alpha}, "
        f"model {described['model']}: {len(data)} bytes, {described['bits_per_pixel']:.4f} bits per pixel"
    )
    print(f"  header {header.size} bytes")
    for layer in header.layers:
        note = "" if layer.kind in whole else " (cut off)"
        print(f"  layer {layer.kind}: {layer.coder}, {layer.length} bytes{note}")


def _evaluate(options: argparse.Namespace) -> None:
    try:
        qualities = [int(quality) for quality in options.qualities.split(",")]
    except ValueError as error:
        raise ConfigError(
            f"--qualities {options.qualities}: write whole numbers, as 20,40"
        ) from error
    codec = _open_codec(options.model, options)
    from dsslic_jax.evaluate.report import format_table
    from dsslic_jax.evaluate.run import evaluate

    report = evaluate(
        options.images,
        options.labels,
        codec,
        options.out,
        qualities=qualities,
        baselines=not options.no_baselines,
        limit=options.limit,
        allow_lossy=options.allow_lossy,
    )
    print(format_table(report.means))
    print(f"tables, plot and streams: {options.out}")


def _join(options: argparse.Namespace) -> None:
    from dsslic_jax import bundle

    joined = bundle.join(bundle.load(options.model), bundle.load(options.segnet))
    bundle.save(joined, options.output)
    print(f"model {joined.fingerprint.hex()}: {options.output}")


if __name__ == "__main__":
    sys.exit(main())
