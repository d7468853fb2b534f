"""The fixture `programs`: FLIF's and libbpg's command lines for tests.

flif and bpgdec are the real programs compiled for Node; bpgenc is a stand-in that writes genuine
BPG (see `tests/programs/bin`). With DSSLIC_REQUIRE_PROGRAMS=1 their absence fails tests instead
of skipping them.
"""

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from dsslic_jax.codec.coders.programs.pictures import read_pnm

PROGRAMS = Path(__file__).resolve().parent / "programs"


@pytest.fixture(scope="session")
def programs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Paths of "flif", "bpgenc" and "bpgdec", as `coder_set` takes them."""
    if not (PROGRAMS / "node_modules").is_dir() or shutil.which("node") is None:
        message = "needs Node and, once: npm install --prefix tests/programs"
        if os.environ.get("DSSLIC_REQUIRE_PROGRAMS") == "1":
            pytest.fail(message)
        pytest.skip(message)
    paths = {name: str(PROGRAMS / "bin" / name) for name in ("flif", "bpgdec")}
    return {**paths, "bpgenc": _python_program(tmp_path_factory, "bpgenc")}


@pytest.fixture(scope="session")
def programs_of_16_bits(
    programs: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, str]:
    """`programs` with a bpgdec that knows only -b 16 and is not libbpg's but our own decoder."""
    return {**programs, "bpgdec": _python_program(tmp_path_factory, "bpgdec_16bit_stand_in")}


@pytest.fixture
def libbpg_shows(
    programs: dict[str, str], tmp_path: Path
) -> Callable[[list[bytes]], list[np.ndarray]]:
    """What libbpg's decoder shows for BPG files, uint8 [H,W,3] each; one process for all."""

    def shows(files: list[bytes]) -> list[np.ndarray]:
        paths = [tmp_path / f"{number}.bpg" for number in range(len(files))]
        for path, data in zip(paths, files, strict=True):
            path.write_bytes(data)
        subprocess.run(["node", PROGRAMS / "show_bpg.js", *paths], check=True)
        return [read_pnm(path.with_suffix(".bpg.ppm").read_bytes()) for path in paths]

    return shows


def _python_program(tmp_path_factory: pytest.TempPathFactory, name: str) -> str:
    """A program of `tests/programs/bin` that runs under the tests' own Python."""
    launcher = tmp_path_factory.mktemp("programs") / name
    command = shlex.join([sys.executable, str(PROGRAMS / "bin" / name)])
    launcher.write_text(f'#!/bin/sh\nexec {command} "$@"\n')
    launcher.chmod(0o755)
    return str(launcher)
