"""What several commands share: options of the layer coders, opening a codec by them, and telling how far it is."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dsslic_jax.bundle import known as known_models
from dsslic_jax.bundle.known import model_directory
from dsslic_jax.errors import ConfigError

if TYPE_CHECKING:
    from dsslic_jax.bundle.model import Bundle
    from dsslic_jax.codec.codec import Codec
    from dsslic_jax.codec.networks.predictor import Progress
    from dsslic_jax.codec.stream.container import Header


def add_coder_options(parser: argparse.ArgumentParser) -> None:
    """Adds --codecs, --coder and --program."""
    from dsslic_jax.codec.coders.registry import known_coders, set_names

    sets = "; ".join(
        f"{name}: {', '.join(record.name for record in known_coders() if name in record.sets)}"
        for name in set_names()
    )
    parser.add_argument(
        "--codecs", choices=set_names(), help=f"layer coders, {sets} (default: the model's own)"
    )
    parser.add_argument(
        "--coder",
        action="append",
        metavar="LAYER=NAME",
        help="coder of layer s, c or r in place of the set's; may be repeated",
    )
    add_program_option(parser)


def add_program_option(parser: argparse.ArgumentParser) -> None:
    """Adds --program."""
    from dsslic_jax.codec.coders.registry import known_programs

    parser.add_argument(
        "--program",
        action="append",
        default=[],
        metavar="NAME=PATH",
        help=f"where {' or '.join(known_programs())} lies (default: on PATH)",
    )


def add_network_options(parser: argparse.ArgumentParser) -> None:
    """Adds --precision, --max-memory and --verbose."""
    parser.add_argument(
        "--precision",
        choices=("float32", "bfloat16"),
        help="arithmetic of the networks (default: the model's own)",
    )
    parser.add_argument(
        "--max-memory",
        type=_bytes,
        metavar="4GiB",
        help="what networks may take (default: half of what is free, of which a stream gets at most 1GiB)",
    )
    parser.add_argument("--verbose", action="store_true", help="name each phase as it begins")


def add_decoding_options(parser: argparse.ArgumentParser) -> None:
    """Adds what commands that decode one stream take: --model, and those of coders and networks."""
    parser.add_argument(
        "--model",
        type=model_directory,
        help="model directory (default: the known one that the stream names)",
    )
    add_coder_options(parser)
    add_network_options(parser)


def chosen_coders(options: argparse.Namespace) -> str | None:
    """What --coder says, as the setting `coders` has it; None without."""
    return None if options.coder is None else ",".join(options.coder)


def named_programs(options: argparse.Namespace) -> dict[str, str]:
    """{"flif": path, …} as --program names them."""
    from dsslic_jax.codec.coders.registry import known_programs

    programs = {}
    for entry in options.program:
        name, separator, path = entry.partition("=")
        if not separator or name not in known_programs():
            forms = ", ".join(f"{known}=PATH" for known in known_programs())
            raise ConfigError(f"--program {entry}: write {forms}")
        programs[name] = path
    return programs


def open_codecs(
    directory: Path,
    options: argparse.Namespace,
    progress: Progress | None = None,
    every_device: bool = False,
    check: Callable[[Bundle], None] | None = None,
) -> list[Codec]:
    """The model's codec on JAX's default device, or one on each local device; remembers where the model lies.

    `check` looks at the model before JAX is loaded, which takes a second.
    """
    from dsslic_jax.bundle import directory as bundle
    from dsslic_jax.system import memory, runtime

    memory.set_limit(getattr(options, "max_memory", None))
    loaded = bundle.load(directory)
    if check is not None:
        check(loaded)
    runtime.prepare()
    import jax

    from dsslic_jax.codec.codec import Codec
    from dsslic_jax.codec.networks.predictor import no_progress

    devices = jax.local_devices() if every_device else [None]
    codecs = [
        Codec(
            loaded,
            options.codecs,
            named_programs(options),
            getattr(options, "precision", None),
            device,
            progress or no_progress,
            coders=chosen_coders(options),
        )
        for device in devices
    ]
    known_models.remember(loaded.fingerprints, directory)
    return codecs


def open_codec_of(
    header: Header,
    options: argparse.Namespace,
    progress: Progress | None = None,
    check: Callable[[Bundle], None] | None = None,
) -> Codec:
    """The codec of --model, or else of the known model that a stream names; `check` as for `open_codecs`."""
    model = options.model or known_models.find(header.fingerprint)
    return open_codecs(model, options, progress, check=check)[0]


def _bytes(text: str) -> int:
    from dsslic_jax.system.memory import parse_bytes

    try:
        return parse_bytes(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


class Phases:
    """On terminals a bar for each phase of several steps; if verbose, each phase's name on stderr instead."""

    def __init__(self, verbose: bool) -> None:
        self._verbose = verbose
        self._phase = ""
        self._bar: Any = None

    def __call__(self, phase: str, done: int, total: int) -> None:
        """Told by a codec: phase, steps done, steps in all."""
        if phase != self._phase:
            self._phase = phase
            if self._bar is not None:
                self._bar.close()
            self._bar = None
            if self._verbose:
                print(f"phase: {phase}", file=sys.stderr, flush=True)
        if self._bar is None and total > 1 and not self._verbose:
            from tqdm import tqdm

            self._bar = tqdm(desc=phase, total=total, disable=None, leave=False)
        if self._bar is not None:
            self._bar.update(done - self._bar.n)
