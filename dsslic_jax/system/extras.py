"""The package's extras: which one brings a package that is not here, and the command that installs it.

The command names the packages themselves, so it works however this one was installed.
"""

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata

DISTRIBUTION = "dsslic_jax"
# Distributions whose packages are imported under another name.
_IMPORTED_AS = {"absl": "absl-py", "orbax": "orbax-checkpoint"}
_EXTRA = re.compile(r"""\s*(?:and\s+)?extra\s*==\s*["']([\w-]+)["']""")


def how_to_install(extra: str) -> str:
    """The command that brings what an extra has, such as "pip install 'bokeh>=3.9,<4'"."""
    found = [requirement for name, requirement in _requirements() if name == extra]
    if not found:  # run from a folder, not installed
        return f"pip install -e '.[{extra}]' in a clone of {DISTRIBUTION}"
    return f"pip install {' '.join(repr(requirement) for requirement in found)}"


def told(error: BaseException) -> str | None:
    """What to do about a package that is not here, in a line; None where that is not it or no extra brings it."""
    while not isinstance(error, ModuleNotFoundError):
        if error.__cause__ is None:
            return None
        error = error.__cause__
    package = str(error.name).partition(".")[0]
    wanted = _normal(_IMPORTED_AS.get(package, package))
    for extra, requirement in _requirements():
        if _normal(re.split(r"[^\w.-]", requirement)[0]) == wanted:
            return f"this needs {package}, of the extra [{extra}]: {how_to_install(extra)}"
    return None


@contextmanager
def remedy_told() -> Iterator[None]:
    """Around the imports of a program: a package that an extra brings and is not here ends it with one line."""
    try:
        yield
    except ImportError as error:
        if (remedy := told(error)) is None:
            raise
        print(f"error: {remedy}", file=sys.stderr)
        sys.exit(1)


def _requirements() -> Iterator[tuple[str, str]]:
    """Each extra's name with each of its requirements, without those that are extras of this package."""
    try:
        required = metadata.requires(DISTRIBUTION) or []
    except metadata.PackageNotFoundError:
        return
    for line in required:
        requirement, _, marker = line.partition(";")
        match = _EXTRA.search(marker)
        if match is None or _normal(requirement).startswith(_normal(DISTRIBUTION)):
            continue
        rest = _EXTRA.sub("", marker).strip()
        yield match[1], f"{requirement.strip()}; {rest}" if rest else requirement.strip()


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
