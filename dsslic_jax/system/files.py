"""Files from and to the outside: how large a picture may be, and writing whole or not at all."""

import errno
import io
import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

# 134 million: above any picture meant, far below what a hostile header may claim. Checked before allocating.
MAX_PIXELS = 1 << 27


def write_atomically(path: Path, data: bytes) -> None:
    """Writes a file as `replacing` does."""
    with replacing(path) as temporary:
        temporary.write_bytes(data)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Gives another path to write to, whose file then takes the place of `path`, which never holds a part of it.

    Makes its folder if need be. A process that is killed as it writes may leave a hidden file beside it, `.NAME.….tmp`.
    """
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_native_id()}.tmp")
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


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
