"""Digests of a checkpoint's files, written into it before it gets its name: damage is noticed before restoring."""

import hashlib
import json
from pathlib import Path

from dsslic_jax.errors import DataError, TrainingStopped
from dsslic_jax.system.files import write_atomically
from dsslic_jax.system.untrusted import open_regular, read_json

DIGESTS = "digests.json"
# Orbax writes these after the digests, as it commits. They say when that was, and nothing of the state.
WRITTEN_LAST = ("_CHECKPOINT_METADATA", "commit_success.txt")


def write_digests(checkpoint: Path) -> None:
    """Writes the SHA-256 of every file under `checkpoint` into it."""
    files = (path for path in sorted(checkpoint.rglob("*")) if path.is_file())
    digests = {path.relative_to(checkpoint).as_posix(): _sha256(path) for path in files}
    for name in WRITTEN_LAST:
        digests.pop(name, None)
    write_atomically(checkpoint / DIGESTS, json.dumps(digests, indent=1).encode())


def find_damage(checkpoint: Path) -> str | None:
    """What is wrong with the first file that is not as it was written; None where all are whole."""
    try:
        digests = read_json(checkpoint / DIGESTS, dict[str, str], TrainingStopped)
    except (OSError, TrainingStopped) as error:
        return f"{DIGESTS} cannot be read ({error})"
    for name, digest in [*digests.items(), *((name, None) for name in WRITTEN_LAST)]:
        if "\0" in name:
            return f"{DIGESTS} cannot be read ({name!r} is no name of a file)"
        try:
            if digest not in (None, _sha256(checkpoint / name)):
                return f"{name} is not as it was written"
        except (OSError, DataError) as error:
            return f"{name} cannot be read ({error})"
    return None


def _sha256(path: Path) -> str:
    with open_regular(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
