"""write a web page that shows the layers of a stream"""

import argparse
from functools import partial
from pathlib import Path

from dsslic_jax.commands.options import add_decoding_options, open_codec_of
from dsslic_jax.commands.outputs import PAGE, add_overwrite, output


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    parser.add_argument("input", type=Path)
    parser.add_argument("--html", type=Path, required=True, metavar="OUT", help="the page")
    add_overwrite(parser)
    add_decoding_options(parser)


def run(options: argparse.Namespace) -> None:
    """Runs the command."""
    from dsslic_jax.codec import demands
    from dsslic_jax.codec.stream import container

    target = output(options.html, PAGE, options, options.input)
    data = options.input.read_bytes()
    header = container.read_header(data)
    check = partial(demands.check, header, container.read_layers(data, header))
    codec = open_codec_of(header, options, check=check)
    from dsslic_jax.report.inspect_page import inspect_page

    written = inspect_page(options.input.name, data, codec).encode()
    target.write(written)
    print(f"{options.html}: {len(written) / 1e6:.1f} MB")
