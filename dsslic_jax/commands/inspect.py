"""write a web page that shows the layers of a stream"""

import argparse
from pathlib import Path

from dsslic_jax.commands.options import add_decoding_options, open_codec_of


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    parser.add_argument("input", type=Path)
    parser.add_argument("--html", type=Path, required=True, metavar="OUT", help="the page")
    add_decoding_options(parser)


def run(options: argparse.Namespace) -> None:
    """Runs the command."""
    from dsslic_jax.codec.stream import container
    from dsslic_jax.system.files import write_atomically

    data = options.input.read_bytes()
    codec = open_codec_of(container.read_header(data), options)
    from dsslic_jax.report.inspect_page import inspect_page

    written = inspect_page(options.input.name, data, codec).encode()
    write_atomically(options.html, written)
    print(f"{options.html}: {len(written) / 1e6:.1f} MB")
