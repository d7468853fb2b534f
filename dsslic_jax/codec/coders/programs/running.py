"""Running external programs: never through a shell, in private folders, within limits of time and size."""

import contextlib
import hashlib
import os
import re
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from dsslic_jax.errors import CoderFailed, CoderUnavailable
from dsslic_jax.system.signals import unwound

_MESSAGE_LENGTH = 300  # characters of a program's own words that go into an error

# Native FLIF, the slowest of the three, takes 4e-6; the rest is room for slow machines.
_SECONDS_TO_START = 60.0
_SECONDS_PER_PIXEL = 100e-6
_SECONDS_TO_TELL_VERSION = 60.0
_SECONDS_BETWEEN_LOOKS = 0.05  # at what a program has written and said so far
_SECONDS_TO_FINISH = 5.0  # reading what it said, once it has ended
# PNG of 48 bits takes 6, and noise grows in coding.
_BYTES_PER_PIXEL, _BYTES_AT_LEAST = 32, 16 << 20
_MOST_SAID_BYTES = 1 << 20


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


@contextlib.contextmanager
def private_folder() -> Iterator[Path]:
    """A folder for a program's files, which goes with all that is in it, also where a signal ends this process."""
    with unwound(), tempfile.TemporaryDirectory(prefix="dsslic-") as name:
        yield Path(name)


def run_program(
    name: str, path: str, arguments: list[str], folder: Path, pixels: int, output: str
) -> tuple[Path, str]:
    """Runs a program in `folder` and returns its output file's path and all that it said.

    `pixels` scales the limits. Raises CoderFailed if the program cannot be started, runs too long, says or writes too
    much, crashes, exits non-zero, or leaves no or an empty `output` (flif and bpgenc each do so in cases where they
    should not). Processes that it started end with it.
    """
    limit = _SECONDS_TO_START + _SECONDS_PER_PIXEL * pixels
    most_bytes = _BYTES_AT_LEAST + _BYTES_PER_PIXEL * pixels
    try:
        code, said = _run([path, *arguments], limit, folder, most_bytes)
    except _Stopped as stopped:
        raise CoderFailed(f"{name} was stopped {stopped}") from stopped
    except OSError as error:
        raise CoderFailed(f"{name} at {path} cannot be started: {error.strerror}") from error
    last_words = " ".join(said.split())[-_MESSAGE_LENGTH:] or "nothing"
    if code < 0 or code > 128:
        signal = -code if code < 0 else code - 128
        raise CoderFailed(f"{name} crashed with signal {signal}, saying: {last_words}")
    if code:
        raise CoderFailed(f"{name} failed with exit code {code}, saying: {last_words}")
    written = folder / output
    if written.is_symlink() or not written.is_file() or not written.stat().st_size:
        raise CoderFailed(f"{name} reported success but wrote no output, saying: {last_words}")
    return written, said


class _Stopped(Exception):
    """A program took more than it may; says of what."""


def _run(
    command: list[str], limit: float, folder: Path | None = None, most_bytes: int = 0
) -> tuple[int, str]:
    """The exit code of a command and all that it said, on either output.

    It may run for `limit` seconds, say _MOST_SAID_BYTES and leave `most_bytes` more in `folder`. It leads a group of
    processes of its own, of which nothing is left when this returns. Raises _Stopped, OSError.
    """
    ends = time.monotonic() + limit
    most_bytes += _bytes_in(folder)
    with _group(command, folder) as process:
        words = _Words(process)
        while process.poll() is None:
            if time.monotonic() > ends:
                raise _Stopped(f"after {limit:.0f} seconds")
            words.check()
            if _bytes_in(folder) > most_bytes:
                break
            if words.over.wait(_SECONDS_BETWEEN_LOOKS):  # with its end, mostly
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(_SECONDS_BETWEEN_LOOKS)
    if _bytes_in(folder) > most_bytes:
        raise _Stopped("as it wrote more than a picture of this size needs")
    words.over.wait(_SECONDS_TO_FINISH)  # a process that left the group may hold the pipe
    words.check()
    return process.returncode, words.said.decode("utf-8", "replace")


@contextlib.contextmanager
def _group(command: list[str], folder: Path | None) -> Iterator[subprocess.Popen[bytes]]:
    """A command as the leader of a new group of processes, which ends with the context, whatever ends that."""
    process = subprocess.Popen(
        command,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        bufsize=0,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        if hasattr(os, "killpg"):
            with contextlib.suppress(ProcessLookupError, PermissionError):  # there is none left
                os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
        process.wait()


class _Words(threading.Thread):
    """Reads what a process says until it ends, or says too much; `over` tells that it did either."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        super().__init__(daemon=True)
        assert process.stdout is not None
        self._pipe = process.stdout
        self.said = bytearray()
        self.over = threading.Event()
        self.start()

    def run(self) -> None:
        with self._pipe:
            while len(self.said) <= _MOST_SAID_BYTES and (more := self._pipe.read(1 << 16)):
                self.said += more
        self.over.set()

    def check(self) -> None:
        """Raises _Stopped where that is too much."""
        if len(self.said) > _MOST_SAID_BYTES:
            raise _Stopped(f"as it said more than {_MOST_SAID_BYTES} bytes")


def _bytes_in(folder: Path | None) -> int:
    """The lengths of all files below a folder."""
    found = 0
    for place, _, names in os.walk(folder) if folder else ():
        for name in names:
            with contextlib.suppress(OSError):  # gone by now
                found += os.lstat(os.path.join(place, name)).st_size
    return found


def program_version(program: Program, programs: Mapping[str, str]) -> str:
    """A program's name with the version that its instructions for use name, or else with a digest of its file."""
    name, path = program.name, find_program(program, programs)
    try:
        _, said = _run([path, "-h"], _SECONDS_TO_TELL_VERSION)
    except (OSError, _Stopped) as error:
        raise CoderFailed(f"{name} at {path} does not tell its version: {error}") from error
    found = re.search(r"\b\d+\.\d+(\.\d+)*", said)
    if found:
        return f"{name} {found[0]}"
    with open(path, "rb") as file:
        return f"{name} of SHA-256 {hashlib.file_digest(file, 'sha256').hexdigest()[:12]}"
