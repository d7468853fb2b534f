"""write a web page that shows the layers of a stream"""

from __future__ import annotations

import argparse
from pathlib import Path

from dsslic_jax.bundle.known import model_directory
from dsslic_jax.commands.options import add_coder_options, add_network_options, open_codecs


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    parser.add_argument("input", type=Path)
    parser.add_argument("--html", type=Path, required=True, metavar="OUT", help="the page")
    parser.add_argument(
        "--model",
        type=model_directory,
        help="model directory (default: the known one that the stream names)",
    )
    add_coder_options(parser)
    add_network_options(parser)


def run(options: argparse.Namespace) -> None:
    """Runs the command."""
    from dsslic_jax.bundle import known as known_models
    from dsslic_jax.codec.stream import container
    from dsslic_jax.system.files import write_atomically

    data = options.input.read_bytes()
    model = options.model or known_models.find(container.read_header(data).fingerprint)
    (codec,) = open_codecs(model, options)
    from dsslic_jax.report.inspect_page import inspect_page

    written = inspect_page(options.input.name, data, codec).encode()
    write_atomically(options.html, written)
    print(f"{options.html}: {len(written) / 1e6:.1f} MB")
