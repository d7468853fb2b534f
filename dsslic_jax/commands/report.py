"""write a web page of a run of `dsslic evaluate`"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from dsslic_jax.bundle.known import model_directory
from dsslic_jax.commands.options import add_coder_options, named_programs, open_codecs
from dsslic_jax.commands.outputs import PAGE, add_overwrite, output
from dsslic_jax.errors import ConfigError

if TYPE_CHECKING:
    from dsslic_jax.codec.codec import Codec


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    parser.add_argument("run_folder", type=Path, metavar="RUN", help="folder that evaluate wrote")
    parser.add_argument("--out", type=Path, help="the page (default: RUN/report.html)")
    parser.add_argument(
        "--images", type=Path, help="folder of the pictures that were coded, for difference maps"
    )
    parser.add_argument("--anchors", action="store_true", help="published curves on Kodak too")
    parser.add_argument("--anchor", help="codec that differences are taken against")
    parser.add_argument(
        "--max-mb", type=float, default=5.0, help="largest size of the page in MB (default: 5)"
    )
    parser.add_argument(
        "--assets",
        action="store_true",
        help="whole pictures without loss in a folder beside the page, instead of windows in it",
    )
    parser.add_argument(
        "--model",
        type=model_directory,
        help="model directory (default: the known ones that streams name)",
    )
    add_overwrite(parser)
    add_coder_options(parser)


def run(options: argparse.Namespace) -> None:
    """Runs the command."""
    if not options.max_mb > 0:
        raise ConfigError(f"--max-mb {options.max_mb:g}: a page needs more than that")
    from dsslic_jax.report.pictures.decoding import Decoder
    from dsslic_jax.report.report_page import report_page
    from dsslic_jax.report.run_data import read_run
    from dsslic_jax.system.printable import printable

    out = options.out or options.run_folder / "report.html"
    target = output(out, PAGE, options)
    given = None if options.model is None else open_codecs(options.model, options)[0]

    def open_codec(fingerprint: bytes) -> Codec:
        from dsslic_jax.bundle import known as known_models

        return given or open_codecs(known_models.find(fingerprint), options)[0]

    decoder = Decoder(open_codec, named_programs(options))
    found = read_run(options.run_folder)
    for problem in found.passed_over:
        print(printable(f"note: {problem}"), file=sys.stderr)
    written = report_page(
        found,
        decoder,
        images=options.images,
        anchor=options.anchor,
        published=options.anchors,
        max_bytes=int(options.max_mb * 1e6),
        assets=out.with_name(f"{out.stem}_files") if options.assets else None,
    ).encode()
    target.write(written)
    print(f"{out}: {len(written) / 1e6:.1f} MB")
