"""Commands that hear signals though tests were started without them, as by nohup or in a shell's background."""

import signal
import sys

_HEARING = "import os, signal, sys; signal.signal({}, signal.SIG_DFL); os.execvp(sys.argv[1], sys.argv[1:])"


def hearing(number: signal.Signals, command: list[str]) -> list[str]:
    """The command, which is to hear that signal; the process is the same."""
    return [sys.executable, "-c", _HEARING.format(int(number)), *command]
