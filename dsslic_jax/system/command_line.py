"""Command lines of the programs that take a configuration."""

import re
import sys
from collections.abc import Sequence
from pathlib import Path

from absl import flags

from dsslic_jax.errors import ConfigError, DsslicError

RECIPES = Path(__file__).resolve().parents[1] / "configs"  # those that come with the package


def parse_flags(arguments: Sequence[str]) -> list[str]:
    """Parses the command line; a mistake in it or in the configuration it names is told in one line."""
    try:
        return flags.FLAGS(_with_paths(arguments))
    except (flags.Error, DsslicError, OSError, *_RAISED_BY_RECIPES) as error:
        print(f"error: {str(error).strip().splitlines()[-1].strip()}", file=sys.stderr)
        sys.exit(1)


_RAISED_BY_RECIPES = (AttributeError, ImportError, KeyError, TypeError, ValueError)


def recipe(given: str) -> str:
    """The file that `--config` names, with its variant: a path, or the name of a recipe of this package.

    "ade20k:tiny" -> ".../configs/ade20k.py:tiny". Raises ConfigError, listing the recipes, for another name.
    """
    name, colon, variant = given.partition(":")
    if not re.fullmatch(r"\w+", name):
        return given
    path = RECIPES / f"{name}.py"
    if not path.is_file():
        known = sorted(
            p.stem for p in RECIPES.glob("*.py") if p.stem not in ("__init__", "default")
        )
        raise ConfigError(
            f"unknown configuration {name!r}; known: {', '.join(known)}, or the path of a .py file"
        )
    return f"{path}{colon}{variant}"


def _with_paths(arguments: Sequence[str]) -> list[str]:
    """The command line with the file in the place of a recipe's name."""
    found = list(arguments)
    for i, argument in enumerate(found):
        if match := re.fullmatch(r"(--?config=)(.*)", argument):
            found[i] = match[1] + recipe(match[2])
        elif re.fullmatch(r"--?config", argument) and i + 1 < len(found):
            found[i + 1] = recipe(found[i + 1])
    return found
