"""Names from files and file systems, made safe to print."""

import io
import sys
import warnings
from typing import Any


def printable(text: str) -> str:
    """One line that a terminal shows and does not obey: file and class names may hold anything."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def speak_plainly() -> None:
    """Standard output and error show, with backslashes, what their encoding does not have; a warning takes a line."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")

    def show(message: Warning | str, *_: Any) -> None:
        print(f"warning: {printable(str(message))}", file=sys.stderr)

    warnings.showwarning = show  # type: ignore[assignment]  # it looks at nothing else
