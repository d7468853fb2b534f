"""Files from and to the outside: how large a picture may be, and writing whole or not at all."""

import errno
import io
import os
import shutil
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from dsslic_jax.errors import DataError

# 134 million: above any picture meant, far below what a hostile header may claim. Checked before allocating.
MAX_PIXELS = 1 << 27


def write_atomically(path: Path, data: bytes) -> None:
    """Writes a file as `replacing` does."""
    with replacing(path) as temporary:
        temporary.write_bytes(data)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Gives another path to write to, whose file then takes the place of `path`, which never holds a part of it.

    Links are followed; the mode of a file that is replaced is kept, and so are its other names (hard links: that file
    is written to, once all is there). Makes its folder if need be. A process that is killed as it writes may leave a
    hidden file beside it, `.PROCESS.THREAD.tmp`.
    """
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    path = Path(os.path.realpath(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    # Not of the file's own name, which may be as long as names can be.
    temporary = path.with_name(f".{os.getpid()}.{threading.get_native_id()}.tmp")
    try:
        yield temporary
        if path.exists():
            shutil.copymode(path, temporary)
        if path.exists() and path.stat().st_nlink > 1:
            shutil.copyfile(temporary, path)
        else:
            temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def require_text(path: Path) -> None:
    """Raises DataError for a name that is no text, which tables, JSON and records could not tell."""
    if not str(path).isascii():
        try:
            str(path).encode()
        except UnicodeEncodeError:
            raise DataError(f"{path}: its name is no UTF-8 text: rename it") from None


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
