"""Files from and to the outside: how large a picture may be, and writing whole or not at all."""

from __future__ import annotations

import errno
import os
from pathlib import Path

# 134 million: above any picture meant, far below what a hostile header may claim. Checked before allocating.
MAX_PIXELS = 1 << 27


def write_atomically(path: Path, data: bytes) -> None:
    """Writes a file so that `path` never holds a part of it, making its folder if need be."""
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_bytes(data)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
