"""Memory that a run may take: decided before it runs, and told in a line where it is short even so."""

import ctypes
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dsslic_jax.errors import TooLarge

_SHARE = 0.5  # of what is free, where no limit is named
_UNITS = {"": 0, "KiB": 10, "MiB": 20, "GiB": 30, "TiB": 40}
_GIB = 1 << 30
_M_MMAP_THRESHOLD = -3  # of mallopt(3)
_limit: list[int] = []  # the one that was named


def parse_bytes(text: str) -> int:
    """ "4GiB", "600MiB", "123" -> bytes. Raises ValueError for anything else."""
    match = re.fullmatch(r"(\d{1,9}(?:\.\d{1,6})?) ?([KMGT]iB|)", text)
    if match is None or not float(match[1]):
        raise ValueError(f"{text!r} is no size such as 4GiB or 600MiB")
    return int(float(match[1]) * (1 << _UNITS[match[2]]))


def set_limit(limit_bytes: int | None) -> None:
    """What this process's networks may take at once; None for half of what is free when they are asked."""
    _limit[:] = [] if limit_bytes is None else [limit_bytes]


def named_limit(otherwise: int) -> int:
    """The limit that `set_limit` named, or else another."""
    return _limit[0] if _limit else otherwise


def give_back_large_blocks() -> None:
    """From now on glibc's malloc returns freed blocks of a MiB to the system, where it keeps up to 32 MiB by itself."""
    if sys.platform == "linux" and hasattr(libc := ctypes.CDLL(None), "mallopt"):
        libc.mallopt(_M_MMAP_THRESHOLD, 1 << 20)


def require(needed_bytes: float, what: str, unasked: float = float("inf")) -> None:
    """Raises TooLarge where `what` needs more than the limit, or than `unasked` where none is named."""
    limit = _limit[0] if _limit else min(_SHARE * free_bytes(), unasked)
    if needed_bytes > limit:
        raise TooLarge(
            f"{what} needs about {_told(needed_bytes)} of memory, where {_told(limit)} are allowed: allow more with "
            "--max-memory"
        )


def _told(count: float) -> str:
    return f"{count / _GIB:.1f} GiB" if count >= _GIB else f"{count / (1 << 20):.0f} MiB"


def free_bytes() -> float:
    """What the system says is free, for this process's group where that is less; infinite where it tells nothing."""
    found = [float("inf")]
    try:
        told = re.search(r"MemAvailable:\s+(\d+) kB", Path("/proc/meminfo").read_text())
        found += [1024.0 * int(told[1])] if told else []
        group = Path("/sys/fs/cgroup")
        most = (group / "memory.max").read_text().strip()
        if most != "max":
            found.append(float(int(most) - int((group / "memory.current").read_text())))
    except (OSError, ValueError):  # another system, or no group of its own
        pass
    return min(found)


@contextmanager
def shortage_told(what: str) -> Iterator[None]:
    """Turns what Python and XLA raise where memory is short into TooLarge."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not isinstance(error, MemoryError) and "RESOURCE_EXHAUSTED" not in str(error):
            raise
        raise TooLarge(f"there is not enough memory for {what}: use a smaller picture") from error
