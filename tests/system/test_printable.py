"""What reaches a terminal."""

import subprocess
import sys

from dsslic_jax.system.printable import printable
from tests.conftest import ROOT


def test_control_characters_are_written_out() -> None:
    assert printable("a\x1b[2J\tß\udce9") == "a\\x1b[2J\\tß\\udce9"


def test_names_that_are_no_text_and_warnings_take_one_plain_line() -> None:
    code = """
import warnings
from dsslic_jax.system.printable import speak_plainly
speak_plainly()
print("l\\udce9")
warnings.warn("careful\\n\\x1b[2J")
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8:strict"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "l\\udce9\n"
    assert done.stderr == "warning: careful\\n\\x1b[2J\n"
