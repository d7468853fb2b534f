"""Where models lie that this user trained or encoded with, so that `dsslic decode` finds the one a stream names.

A folder of links named by fingerprint: $DSSLIC_MODELS, by default ~/.local/share/dsslic/models.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterable
from pathlib import Path

from dsslic_jax.errors import ModelError


def folder() -> Path:
    """The folder of links."""
    if named := os.environ.get("DSSLIC_MODELS"):
        return Path(named)
    data = os.environ.get("XDG_DATA_HOME") or os.path.expanduser("~/.local/share")
    return Path(data) / "dsslic" / "models"


def remember(fingerprints: Iterable[bytes], directory: Path) -> None:
    """Links the fingerprints to a model directory, replacing older links.

    Where the folder cannot be written, says so and goes on: decoding then needs --model.
    """
    for fingerprint in fingerprints:
        link = folder() / fingerprint.hex()
        temporary = link.with_name(f".{link.name}.{os.getpid()}.tmp")
        try:
            link.parent.mkdir(parents=True, exist_ok=True)
            temporary.symlink_to(directory.resolve(), target_is_directory=True)
            temporary.replace(link)
        except OSError as error:
            with contextlib.suppress(OSError):
                temporary.unlink()
            print(f"note: {link} not written ({error}); decode with --model", file=sys.stderr)


def find(fingerprint: bytes) -> Path:
    """The model directory of a fingerprint. Raises ModelError saying how to name one."""
    link = folder() / fingerprint.hex()
    if not (link / "model.json").is_file():
        raise ModelError(
            f"the stream needs model {fingerprint.hex()}, which is not known here: give its "
            f"directory with --model"
        )
    return link
