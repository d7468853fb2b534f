"""A machine of stand-ins: programs on PATH that record their arguments."""

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

from tests.conftest import ROOT

CONFIG = "configs/ade20k.py:tiny"
AWKWARD = ["--config.data.root=/a b", '--config.data.description=it\'s "$HOME" $(id) `id` \\ *;&']


class Machine:
    """A PATH whose programs are stand-ins, and a home directory."""

    def __init__(self, folder: Path) -> None:
        self.home = folder / "home"
        self._bin, self._log = folder / "bin", folder / "log"
        self._bin.mkdir()
        self.home.mkdir()
        self._log.touch()

    def add(self, name: str, body: str = "", folder: Path | None = None) -> None:
        """A program that records its arguments and then runs `body`, in Python."""
        path = (folder or self._bin) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(
            f"#!{sys.executable} -S\nimport json, os, subprocess, sys, time\n"
            f"with open({str(self._log)!r}, 'a') as log:\n"
            f"    log.write(json.dumps([{name!r}, *sys.argv[1:]]) + '\\n')\n{body}\n"
        )
        path.chmod(0o755)

    @property
    def environment(self) -> dict[str, str]:
        path = f"{self._bin}:{os.environ['PATH']}"
        return {**os.environ, "PATH": path, "HOME": str(self.home), "DSSLIC_POLL_SECONDS": "0"}

    def run(
        self, *command: str, said: str = "", **environment: str
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            cwd=ROOT,
            env={**self.environment, **environment},
            input=said,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def calls(self) -> list[list[str]]:
        return [json.loads(line) for line in self._log.read_text().splitlines()]


def words_after(line: str, word: str) -> list[str]:
    words = shlex.split(line)
    return words[words.index(word) + 1 :]
