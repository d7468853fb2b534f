"""One process at a time in a folder."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dsslic_jax.errors import DataError

LOCK = ".lock"


@contextmanager
def alone_in(folder: Path, what: str) -> Iterator[None]:
    """Keeps other processes that ask for it out of a folder, which is made if need be; ends with the process.

    `what` names what is at work there: "run". Raises DataError where another is.
    """
    try:
        import fcntl
    except ModuleNotFoundError:  # Windows: nothing keeps two apart
        yield
        return
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / LOCK).open("ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise DataError(
                f"another {what} is at work in {folder}: wait for it, or give another folder"
            ) from error
        yield
