"""What tests of the command `dsslic` share: a small picture, and the command run here or in another process."""

import io
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dsslic_jax import cli
from tests.codec.pictures import smooth_picture
from tests.conftest import ROOT

SIZE = 20, 32  # padded to 32x32
PICTURE = smooth_picture(*SIZE)
LABELS = (np.indices(SIZE).sum(0) // 8).astype(np.uint8)


def read(path: str | Path | io.BytesIO) -> np.ndarray:
    with Image.open(path) as picture:
        return np.asarray(picture)


def run(*arguments: object) -> int:
    return cli.main([str(argument) for argument in arguments])


def refusal(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    """The one line that a command says as it fails; it must leave no file behind."""
    before = sorted(Path().rglob("*"))
    assert run(*arguments) == 1
    said = capsys.readouterr()
    assert said.out == "" and said.err.endswith("\n") and said.err.count("\n") == 1
    assert sorted(Path().rglob("*")) == before
    command = f"dsslic {arguments[0]}: "
    assert said.err.startswith(command)
    return said.err.removeprefix(command).rstrip()


def subprocess_of(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Another process, with the settings that tests run under."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
