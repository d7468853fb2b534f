"""Command lines of the programs that take a configuration."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from absl import flags


def parse_flags(arguments: Sequence[str]) -> list[str]:
    """Parses the command line; a mistake in it or in the configuration it names is told in one line."""
    try:
        return flags.FLAGS(list(arguments))
    except (flags.Error, OSError, AttributeError, KeyError, TypeError, ValueError) as error:
        print(f"error: {str(error).strip().splitlines()[-1].strip()}", file=sys.stderr)
        sys.exit(1)
