"""The command `dsslic`. Light to import: each command imports what it runs."""

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from importlib import import_module

from dsslic_jax import __version__
from dsslic_jax.errors import DsslicError
from dsslic_jax.system import extras
from dsslic_jax.system.printable import printable, speak_plainly

COMMANDS = (  # modules of `commands`, in the order told
    *("encode", "decode", "info", "inspect", "search", "compare", "evaluate", "report", "score"),
    *("join", "prepare", "convert", "export", "models"),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; returns its exit status: 0, 1 for an error told in one line, 2 for wrong usage."""
    speak_plainly()
    given = sys.argv[1:] if arguments is None else [*arguments]
    # A command's own parser imports what it codes with: of the others, a command needs none.
    options = _parser([given[0]] if given and given[0] in COMMANDS else COMMANDS).parse_args(given)
    try:
        options.run(options)
        return 0
    except KeyboardInterrupt:
        return 130  # as shells say it
    except BrokenPipeError:
        # Who reads has enough, as `head` has: nothing to tell, nor when Python closes its output.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    except MemoryError:
        said = "there is not enough memory"
    except DsslicError as error:
        said = printable(str(error))
    except ImportError as error:
        if (remedy := extras.told(error)) is None:
            raise
        said = remedy
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""  # a full disk names no file
        said = printable(f"{where}{error.strerror or error}")
    print(f"dsslic {options.command}: {said}", file=sys.stderr)
    return 1


def _parser(names: Sequence[str] = COMMANDS) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="dsslic", description="semantic layered image compression"
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(dest="command", required=True)
    for name in names:
        module = import_module(f"dsslic_jax.commands.{name}")
        text = str(module.__doc__).splitlines()[0]
        sub = commands.add_parser(name, help=text, description=text)
        sub.set_defaults(run=module.run)
        module.add_arguments(sub)
    return parser


if __name__ == "__main__":
    sys.exit(main())
