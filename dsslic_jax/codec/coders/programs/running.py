"""Running external programs: never through a shell, in private folders, with time limits."""

import hashlib
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from dsslic_jax.errors import CoderFailed, CoderUnavailable

_MESSAGE_LENGTH = 300  # characters of a program's own words that go into an error

# Native FLIF, the slowest of the three, takes 4e-6; the rest is room for slow machines.
_SECONDS_TO_START = 60.0
_SECONDS_PER_PIXEL = 100e-6
_SECONDS_TO_TELL_VERSION = 60.0


@dataclass(frozen=True)
class Program:
    """An external program, and where it comes from in words: "NAME VERSION from URL"."""

    name: str
    source: str


def find_program(program: Program, programs: Mapping[str, str] | None) -> str:
    """The program's path: the one `programs` has under its name, or else the one on PATH.

    Raises CoderUnavailable, saying where it was looked for and where it comes from.
    """
    name = program.name
    configured = (programs or {}).get(name)
    path = shutil.which(configured or name)
    if path is not None:
        return str(Path(path).absolute())
    where = f"at {configured!r}" if configured else "on PATH"
    raise CoderUnavailable(
        f"{name} is not {where}. Build or download {program.source} and put it on PATH or name "
        f"it with --program {name}=PATH; to code with pip packages only, use --codecs embedded"
    )


def run_program(
    name: str, path: str, arguments: list[str], folder: Path, pixels: int, output: str
) -> tuple[Path, str]:
    """Runs a program in `folder` and returns its output file's path and all that it said.

    `pixels` scales the time limit. Raises CoderFailed if the program cannot be started, runs too long, crashes, exits
    non-zero, or leaves no or an empty `output` (flif and bpgenc each do so in cases where they should not).
    """
    limit = _SECONDS_TO_START + _SECONDS_PER_PIXEL * pixels
    try:
        code, said = _run([path, *arguments], limit, folder)
    except subprocess.TimeoutExpired as error:
        raise CoderFailed(f"{name} was stopped after {limit:.0f} seconds") from error
    except OSError as error:
        raise CoderFailed(f"{name} at {path} cannot be started: {error.strerror}") from error
    last_words = " ".join(said.split())[-_MESSAGE_LENGTH:] or "nothing"
    if code < 0 or code > 128:
        signal = -code if code < 0 else code - 128
        raise CoderFailed(f"{name} crashed with signal {signal}, saying: {last_words}")
    if code:
        raise CoderFailed(f"{name} failed with exit code {code}, saying: {last_words}")
    written = folder / output
    if not written.is_file() or not written.stat().st_size:
        raise CoderFailed(f"{name} reported success but wrote no output, saying: {last_words}")
    return written, said


def _run(command: list[str], limit: float, folder: Path | None = None) -> tuple[int, str]:
    """The exit code of a command and all that it said."""
    nothing = subprocess.DEVNULL
    done = subprocess.run(
        command, cwd=folder, stdin=nothing, capture_output=True, timeout=limit, check=False
    )
    return done.returncode, (done.stdout + done.stderr).decode("utf-8", "replace")


def program_version(program: Program, programs: Mapping[str, str]) -> str:
    """A program's name with the version that its instructions for use name, or else with a digest of its file."""
    name, path = program.name, find_program(program, programs)
    try:
        _, said = _run([path, "-h"], _SECONDS_TO_TELL_VERSION)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CoderFailed(f"{name} at {path} cannot be started: {error}") from error
    found = re.search(r"\b\d+\.\d+(\.\d+)*", said)
    if found:
        return f"{name} {found[0]}"
    return f"{name} of SHA-256 {hashlib.sha256(Path(path).read_bytes()).hexdigest()[:12]}"
