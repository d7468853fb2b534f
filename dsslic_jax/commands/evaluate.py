"""measure rate and distortion of codecs on a folder of pictures"""

import argparse
import sys
from pathlib import Path

from dsslic_jax.bundle.known import model_directory
from dsslic_jax.commands.options import add_program_option, named_programs
from dsslic_jax.errors import ConfigError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    parser.add_argument("--images", type=Path, required=True, help="folder of lossless PNGs")
    parser.add_argument(
        "--out", type=Path, required=True, help="folder for results; a stopped run goes on in it"
    )
    parser.add_argument(
        "--protocol",
        action="append",
        choices=("fair", "paper"),
        help="how to measure, fair unless named; may be given twice",
    )
    parser.add_argument(
        "--codecs", metavar="NAME,…", help="measure these instead of the protocol's"
    )
    parser.add_argument(
        "--settings",
        action="append",
        default=[],
        metavar="NAME=N,…",
        help="settings of a codec, as dsslic=10,20,40; may be given for several",
    )
    parser.add_argument("--model", type=model_directory, help="model directory, for dsslic")
    parser.add_argument("--labels", type=Path, help="folder of label maps for dsslic")
    parser.add_argument(
        "--label-sources",
        metavar="NAME,…",
        help="segnet, files or none, each a curve (default: files with --labels, else segnet)",
    )
    parser.add_argument("--anchor", help="codec that differences are taken against")
    parser.add_argument(
        "--lpips", type=Path, metavar="FILE", help="measure LPIPS with these weights"
    )
    parser.add_argument("--workers", type=int, default=1, help="processes (default: 1)")
    parser.add_argument("--limit", type=int, help="only this many pictures")
    parser.add_argument("--allow-lossy", action="store_true", help="accept JPEG pictures too")
    parser.add_argument(
        "--skip-missing", action="store_true", help="leave out codecs that are not installed"
    )
    parser.add_argument(
        "--record",
        metavar="PICTURES",
        help="keep the tables in the model's model.json; PICTURES tells readers which pictures these are",
    )
    add_program_option(parser)


def run(options: argparse.Namespace) -> None:
    """Runs the command."""
    from dsslic_jax.evaluate.protocols import PROTOCOLS
    from dsslic_jax.evaluate.recording import record_coding
    from dsslic_jax.evaluate.request import Request
    from dsslic_jax.evaluate.run import evaluate
    from dsslic_jax.evaluate.tables.text import format_report

    as_typed = (
        *("images", "out", "model", "labels", "anchor", "workers", "limit"),
        *("allow_lossy", "skip_missing"),
    )
    request = Request(
        protocols=tuple(dict.fromkeys(options.protocol or ["fair"])),
        codecs=_names(options.codecs),
        settings=dict(_settings(entry) for entry in options.settings),
        label_sources=_names(options.label_sources),
        programs=named_programs(options),
        lpips_weights=options.lpips,
        **{name: getattr(options, name) for name in as_typed},
    )
    if options.record is not None and options.model is None:
        raise ConfigError("--record needs the --model that keeps the tables")
    report = evaluate(request)
    protocols = [PROTOCOLS[name] for name in request.protocols]
    print(format_report(report.means, report.differences, protocols))
    if options.record is not None:
        for measured in protocols:
            record_coding(options.model, report.means, measured, options.record)
    for codec, reason in report.left_out.items():
        print(f"left out: {codec} ({reason})", file=sys.stderr)
    print(f"measurements, tables, plots and streams: {options.out}")


def _names(text: str | None) -> tuple[str, ...]:
    return () if text is None else tuple(name.strip() for name in text.split(","))


def _settings(entry: str) -> tuple[str, tuple[float, ...]]:
    """ "jpeg=10,50" -> ("jpeg", (10.0, 50.0))."""
    name, separator, numbers = entry.partition("=")
    try:
        if not separator:
            raise ValueError("no =")
        return name, tuple(float(number) for number in numbers.split(","))
    except ValueError as error:
        raise ConfigError(
            f"--settings {entry}: write a codec's numbers, as dsslic=10,20"
        ) from error
