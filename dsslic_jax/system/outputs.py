"""Files that a person names to be written: what stands there already is kept, unless it may be replaced.

A new file appears whole or not at all. Links are followed, devices and pipes are written to, `-` is standard output.
"""

import os
import stat
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from dsslic_jax.errors import OutputRefused
from dsslic_jax.system.files import write_atomically

STANDARD = "-"  # standard input or output, where a file is named


@dataclass(frozen=True)
class Kind:
    """What a command writes.

    Attributes:
      title: what a person calls it: "a stream".
      suffixes: that its files have, in small letters with their dot; none: any.
      is_ours: whether a file holds what this program writes of that kind, so that it may be replaced.
    """

    title: str
    suffixes: tuple[str, ...] = ()
    is_ours: Callable[[Path], bool] = lambda path: False


@dataclass(frozen=True)
class Output:
    """A file to write: its path, or `-`.

    Attributes:
      inputs: what it is made of, which is never replaced.
      overwrite: whether a file that another program wrote may be replaced.
    """

    path: Path
    kind: Kind
    inputs: Sequence[Path] = ()
    overwrite: bool = False

    def check(self) -> None:
        """Raises OutputRefused where `write` would."""
        path = self.path
        if self.is_standard:
            if sys.stdout.isatty():
                raise OutputRefused("standard output is a terminal: name a file, or a pipe")
            return
        try:
            mode = path.stat().st_mode
        except FileNotFoundError:
            mode = 0
        if stat.S_ISDIR(mode):
            raise OutputRefused(f"{path} is a folder: name a file")
        if stat.S_ISBLK(mode) or stat.S_ISSOCK(mode):
            raise OutputRefused(f"{path} is no file, pipe or character device: name a file")
        if mode and not stat.S_ISREG(mode):
            return
        if self.kind.suffixes and path.suffix.lower() not in self.kind.suffixes:
            wanted = " or ".join(self.kind.suffixes)
            raise OutputRefused(f"{path}: the name of {self.kind.title} ends in {wanted}")
        if mode and any(_same_file(path, given) for given in self.inputs):
            raise OutputRefused(f"{path} is the input: name another file to write")
        if mode and path.stat().st_size and not (self.overwrite or self.kind.is_ours(path)):
            raise OutputRefused(
                f"{path} is there and not {self.kind.title} that this program wrote: name another file, or replace it "
                "with --overwrite"
            )

    def write(self, data: bytes) -> None:
        """Writes the file, whole. Raises OutputRefused as `check` does, for what stands there now, and OSError."""
        self.check()
        if self.is_standard:
            sys.stdout.buffer.write(data)
            sys.stdout.buffer.flush()
        elif self.path.exists() and not self.path.is_file():
            self.path.write_bytes(data)
        else:
            write_atomically(self.path, data)

    @property
    def is_standard(self) -> bool:
        """Whether it is standard output."""
        return str(self.path) == STANDARD


def check_folder(
    folder: Path, title: str, inputs: Sequence[Path] = (), overwrite: bool = False, mark: str = ""
) -> None:
    """Refuses a folder to be written that holds something: `title` says what would be replaced.

    With `overwrite` it may hold what has a file `mark`, but is never one of the inputs. Raises OutputRefused.
    """
    if not os.path.lexists(folder) or (folder.is_dir() and not any(folder.iterdir())):
        return
    if not folder.is_dir():
        raise OutputRefused(f"{folder} is no folder: name another")
    if any(_same_file(folder, given) for given in inputs):
        raise OutputRefused(f"{folder} is an input: name another folder to write")
    if not (folder / mark).is_file():
        raise OutputRefused(f"{folder} holds other files, not {title}: name another folder")
    if not overwrite:
        raise OutputRefused(f"{folder} is {title} already: name another folder, or --overwrite it")


def _same_file(a: Path, b: Path) -> bool:
    try:
        return a.samefile(b)
    except OSError:
        return False
