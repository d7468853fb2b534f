"""What several commands share: options of the layer coders, and opening a codec by them."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from dsslic_jax.errors import ConfigError

if TYPE_CHECKING:
    from dsslic_jax.codec.codec import Codec
    from dsslic_jax.codec.networks.predictor import Progress


def add_coder_options(parser: argparse.ArgumentParser) -> None:
    """Adds --codecs and --program."""
    parser.add_argument(
        "--codecs",
        choices=("embedded", "external"),
        help="layer coders: pip packages, or flif, bpgenc and bpgdec (default: the model's own)",
    )
    add_program_option(parser)


def add_program_option(parser: argparse.ArgumentParser) -> None:
    """Adds --program."""
    parser.add_argument(
        "--program",
        action="append",
        default=[],
        metavar="NAME=PATH",
        help="where flif, bpgenc or bpgdec lies (default: on PATH)",
    )


def add_network_options(parser: argparse.ArgumentParser) -> None:
    """Adds --precision and --verbose."""
    parser.add_argument(
        "--precision",
        choices=("float32", "bfloat16"),
        help="arithmetic of the networks (default: the model's own)",
    )
    parser.add_argument("--verbose", action="store_true", help="name each phase as it begins")


def named_programs(options: argparse.Namespace) -> dict[str, str]:
    """{"flif": path, …} as --program names them."""
    programs = {}
    for entry in options.program:
        name, separator, path = entry.partition("=")
        if not separator or name not in ("flif", "bpgenc", "bpgdec"):
            raise ConfigError(f"--program {entry}: write flif=PATH, bpgenc=PATH or bpgdec=PATH")
        programs[name] = path
    return programs


def open_codecs(
    directory: Path,
    options: argparse.Namespace,
    progress: Progress | None = None,
    every_device: bool = False,
) -> list[Codec]:
    """The model's codec on JAX's default device, or one on each local device; remembers where the model lies."""
    from dsslic_jax.system import runtime

    runtime.prepare()
    import jax

    from dsslic_jax.bundle import directory as bundle
    from dsslic_jax.bundle import known as known_models
    from dsslic_jax.codec.codec import Codec
    from dsslic_jax.codec.networks.predictor import no_progress

    loaded = bundle.load(directory)
    devices = jax.local_devices() if every_device else [None]
    codecs = [
        Codec(
            loaded,
            options.codecs,
            named_programs(options),
            getattr(options, "precision", None),
            device,
            progress or no_progress,
        )
        for device in devices
    ]
    known_models.remember(loaded.fingerprints, directory)
    return codecs
