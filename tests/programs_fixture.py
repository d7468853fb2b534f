"""The fixture `programs`: FLIF's and libbpg's command lines for tests.

flif and bpgdec are the real programs compiled for Node; bpgenc is a stand-in that writes genuine
BPG (see `tests/programs/bin`). With DSSLIC_REQUIRE_PROGRAMS=1 their absence fails tests instead
of skipping them.
"""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from pathlib import Path

import pytest

PROGRAMS = Path(__file__).resolve().parent / "programs"


@pytest.fixture(scope="session")
def programs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Paths of "flif", "bpgenc" and "bpgdec", as `coder_set` takes them."""
    if not (PROGRAMS / "node_modules").is_dir() or shutil.which("node") is None:
        message = "needs Node and, once: npm install --prefix tests/programs"
        if os.environ.get("DSSLIC_REQUIRE_PROGRAMS") == "1":
            pytest.fail(message)
        pytest.skip(message)
    bpgenc = tmp_path_factory.mktemp("programs") / "bpgenc"  # runs under the tests' own Python
    command = shlex.join([sys.executable, str(PROGRAMS / "bin" / "bpgenc")])
    bpgenc.write_text(f'#!/bin/sh\nexec {command} "$@"\n')
    bpgenc.chmod(0o755)
    paths = {name: str(PROGRAMS / "bin" / name) for name in ("flif", "bpgdec")}
    return {**paths, "bpgenc": str(bpgenc)}
