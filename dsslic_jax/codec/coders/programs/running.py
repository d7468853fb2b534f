"""Running external programs: never through a shell, in private folders, with time limits."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from dsslic_jax.errors import CoderFailed, CoderUnavailable

_SOURCES = {
    "flif": "FLIF 0.4 from https://github.com/FLIF-hub/FLIF",
    "bpgenc": "libbpg 0.9.8 from https://bellard.org/bpg",
    "bpgdec": "libbpg 0.9.8 from https://bellard.org/bpg",
}
_MESSAGE_LENGTH = 300  # characters of a program's own words that go into an error

# Native FLIF, the slowest of the three, takes 4e-6; the rest is room for slow machines.
_SECONDS_TO_START = 60.0
_SECONDS_PER_PIXEL = 100e-6


def find_program(name: str, programs: Mapping[str, str] | None) -> str:
    """The path of "flif", "bpgenc" or "bpgdec": the one `programs` names, or else the one on PATH.

    Raises CoderUnavailable, saying where it was looked for and where it comes from.
    """
    configured = (programs or {}).get(name)
    path = shutil.which(configured or name)
    if path is not None:
        return str(Path(path).absolute())
    where = f"at {configured!r}" if configured else "on PATH"
    raise CoderUnavailable(
        f"{name} is not {where}. Build or download {_SOURCES[name]} and put it on PATH or name "
        f"it with --program {name}=PATH; to code with pip packages only, use --codecs embedded"
    )


def run_program(
    name: str, path: str, arguments: list[str], folder: Path, pixels: int, output: str
) -> tuple[Path, str]:
    """Runs a program in `folder` and returns its output file's path and all that it said.

    `pixels` scales the time limit. Raises CoderFailed if the program cannot be started, runs too
    long, crashes, exits non-zero, or leaves no or an empty `output` (flif and bpgenc each do so
    in cases where they should not).
    """
    limit = _SECONDS_TO_START + _SECONDS_PER_PIXEL * pixels
    try:
        done = subprocess.run(
            [path, *arguments],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=limit,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise CoderFailed(f"{name} was stopped after {limit:.0f} seconds") from error
    except OSError as error:
        raise CoderFailed(f"{name} at {path} cannot be started: {error.strerror}") from error
    said = (done.stdout + done.stderr).decode("utf-8", "replace")
    last_words = " ".join(said.split())[-_MESSAGE_LENGTH:] or "nothing"
    if done.returncode < 0 or done.returncode > 128:
        signal = -done.returncode if done.returncode < 0 else done.returncode - 128
        raise CoderFailed(f"{name} crashed with signal {signal}, saying: {last_words}")
    if done.returncode:
        raise CoderFailed(f"{name} failed with exit code {done.returncode}, saying: {last_words}")
    written = folder / output
    if not written.is_file() or not written.stat().st_size:
        raise CoderFailed(f"{name} reported success but wrote no output, saying: {last_words}")
    return written, said
