"""Files from and to the outside: how large a picture may be, and writing whole or not at all."""

from __future__ import annotations

import errno
import io
import os
import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np

# 134 million: above any picture meant, far below what a hostile header may claim. Checked before allocating.
MAX_PIXELS = 1 << 27


def write_atomically(path: Path, data: bytes) -> None:
    """Writes a file so that `path` never holds a part of it, making its folder if need be.

    Where the system has files without a name (Linux), a process killed while it writes leaves nothing behind either;
    killed in the instant in which it replaces an older file, a whole file under a temporary name.
    """
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_native_id()}.tmp")
    try:
        if not _write_nameless(temporary, path, data):
            temporary.write_bytes(data)
        if temporary.exists():
            temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _write_nameless(temporary: Path, path: Path, data: bytes) -> bool:
    """Writes a file that gets its name only when it is whole: `path`, or `temporary` where there is a `path` already.

    Returns False where the system has no such files.
    """
    if not hasattr(os, "O_TMPFILE") or not os.path.isdir("/proc/self/fd"):
        return False
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            file = os.open(path.parent, os.O_TMPFILE | os.O_WRONLY, 0o666)
        except OSError as error:
            if error.errno in (errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL):
                return False  # not this kind of file system
            raise
        with os.fdopen(file, "wb") as opened:
            opened.write(data)
            opened.flush()
            try:
                _name(file, path.name, folder)
            except FileExistsError:
                _name(file, temporary.name, folder)
        return True
    finally:
        os.close(folder)


def _name(file: int, name: str, folder: int) -> None:
    # With the folder's descriptor Python asks for the link's target, not for the link in /proc.
    os.link(f"/proc/self/fd/{file}", name, dst_dir_fd=folder, follow_symlinks=True)


def write_png(
    path: Path, pixels: np.ndarray, palette: Sequence[tuple[int, int, int]] | None = None
) -> None:
    """Writes uint8 [H, W, 3] or [H, W] as PNG, atomically.

    With a palette, [H, W] holds its indices: label ids stay what the file stores, colours only show them.
    """
    from PIL import Image

    picture = Image.fromarray(pixels)
    if palette is not None:
        picture.putpalette([level for colour in palette for level in colour])
    file = io.BytesIO()
    picture.save(file, format="PNG")
    write_atomically(path, file.getvalue())
