"""Names from files and file systems, made safe to print."""

import io
import sys


def printable(text: str) -> str:
    """One line that a terminal shows and does not obey: file and class names may hold anything."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def show_any_name() -> None:
    """Lets standard output and error show, with backslashes, what their encoding does not have."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
