"""list the models known here, check them, exchange them with the Hugging Face Hub"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from dsslic_jax.bundle.known import model_directory
from dsslic_jax.errors import DsslicError, ModelError

if TYPE_CHECKING:
    from dsslic_jax.bundle.listing import Entry


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    parser.add_argument("--json", action="store_true", help="of the list: machine-readable")
    parser.set_defaults(act=_list)
    ways = parser.add_subparsers(dest="way", help="default: list what is known")
    check = ways.add_parser("verify", help="check files, fingerprints, settings and arrays")
    check.add_argument("models", nargs="*", help="model directories or names (default: all known)")
    check.set_defaults(act=_verify)
    card = ways.add_parser("card", help="print the model card, as it is pushed")
    card.add_argument("model", type=model_directory, help="model directory")
    card.set_defaults(act=_card)
    push = ways.add_parser("push", help="upload a model directory to the Hugging Face Hub")
    push.add_argument("model", type=model_directory, help="model directory")
    push.add_argument("repository", metavar="REPO_ID", help="NAME or OWNER/NAME; made if need be")
    push.set_defaults(act=_push)
    pull = ways.add_parser("pull", help="download a model directory from the Hugging Face Hub")
    pull.add_argument("repository", metavar="REPO_ID", help="OWNER/NAME")
    pull.add_argument("output", type=Path, help="model directory to write; must not be there yet")
    pull.add_argument("--revision", help="branch, tag or commit (default: the newest)")
    pull.set_defaults(act=_pull)


def run(options: argparse.Namespace) -> None:
    """Runs the command."""
    from dsslic_jax.system import runtime

    runtime.prepare()
    options.act(options)


def _list(options: argparse.Namespace) -> None:
    from dsslic_jax.bundle.listing import entries
    from dsslic_jax.evaluate.tables.text import aligned
    from dsslic_jax.system.printable import printable

    known = entries()
    if options.json:
        print(json.dumps([asdict(entry) for entry in known], default=str, indent=1))
    elif known:
        lines = [("model", "fingerprint", "parts", "classes", "MB"), *map(_line, known)]
        print(aligned([tuple(map(printable, line)) for line in lines], left=(0, 1, 2, 3)))
    else:
        print("no models: none comes with this package, and none was trained or encoded with here")


def _line(entry: Entry) -> tuple[str, ...]:
    name = f"{entry.name} (bundled)" if entry.bundled else entry.name
    if entry.problem is not None:
        return name, " ".join(entry.links), entry.problem, "", ""
    size = f"{entry.num_bytes / 1e6:.1f}"
    return name, entry.fingerprint or "-", " + ".join(entry.parts), str(entry.classes), size


def _verify(options: argparse.Namespace) -> None:
    from dsslic_jax.bundle.listing import Entry, entries
    from dsslic_jax.bundle.verifying import verify
    from dsslic_jax.codec.settings import coding_settings
    from dsslic_jax.system.printable import printable

    chosen = [Entry(given, model_directory(given)) for given in options.models] or entries()
    bad = 0
    for entry in chosen:
        if entry.problem == "gone":
            print(printable(f"gone  {entry.name}"))
            continue
        try:
            model = verify(entry.directory, coding_settings)
            said = f"ok    {entry.name}"
            if stale := {*entry.links} - {found.hex() for found in model.fingerprints}:
                said += f" (no longer {', '.join(sorted(stale))}, which streams may name)"
            print(printable(said))
        except (DsslicError, OSError) as error:
            bad += 1
            told = str(error).removeprefix(f"{entry.directory}: ")
            print(printable(f"bad   {entry.name}: {told}"))
    if bad:
        raise ModelError(f"{bad} of {len(chosen)} models are bad, see above")


def _card(options: argparse.Namespace) -> None:
    from dsslic_jax.bundle import directory as bundle
    from dsslic_jax.bundle.card import model_card

    print(model_card(bundle.load(options.model), options.model.resolve().name), end="")


def _push(options: argparse.Namespace) -> None:
    from dsslic_jax.bundle.hub import open_hub, push
    from dsslic_jax.codec.settings import coding_settings

    push(options.model, options.repository, open_hub(), coding_settings)
    print(f"pushed: {options.repository}")


def _pull(options: argparse.Namespace) -> None:
    from dsslic_jax.bundle import known as known_models
    from dsslic_jax.bundle.hub import open_hub, pull
    from dsslic_jax.codec.settings import coding_settings

    model = pull(options.repository, options.output, open_hub(), coding_settings, options.revision)
    known_models.remember(model.fingerprints, options.output)
    print(f"model: {options.output}")
