"""Models that are known by name or fingerprint: those that come with this package, and those that its user met.

The first lie in the package's folder `bundled`. Of those that the user trained or encoded with there is a folder of
links named by fingerprint, so that `dsslic decode` finds the one that a stream names: $DSSLIC_MODELS, by default
~/.local/share/dsslic/models.
"""

import contextlib
import json
import os
import sys
from collections.abc import Iterable
from pathlib import Path

from dsslic_jax.errors import ModelError

BUNDLED = Path(__file__).parent / "bundled"
DEFAULT = "natural"  # the bundled model that pictures are coded with where none is named
FINGERPRINTS = ("fingerprint", "fingerprint_with_segnet")  # `Bundle.fingerprints` in model.json


def folder() -> Path:
    """The folder of links."""
    if named := os.environ.get("DSSLIC_MODELS"):
        return Path(named)
    data = os.environ.get("XDG_DATA_HOME") or os.path.expanduser("~/.local/share")
    return Path(data) / "dsslic" / "models"


def bundled() -> dict[str, Path]:
    """The directories of the models that come with this package, by name."""
    return {path.parent.name: path.parent for path in sorted(BUNDLED.glob("*/model.json"))}


def default_model() -> Path:
    """The directory of the model that is used where a user names none."""
    return BUNDLED / DEFAULT


def model_directory(given: str | Path) -> Path:
    """The model directory that a user names: a path, or where there is none, a bundled model's name."""
    path = Path(given)
    return path if path.exists() else bundled().get(str(given), path)


def remembered() -> dict[Path, list[str]]:
    """The fingerprints, in hexadecimal, that link to each model directory, also where it is gone."""
    linked: dict[Path, list[str]] = {}
    for link in sorted(folder().glob("[0-9a-f]*")):
        linked.setdefault(link.resolve(), []).append(link.name)
    return linked


def remember(fingerprints: Iterable[bytes], directory: Path) -> None:
    """Links the fingerprints to a model directory, replacing older links; bundled models need none.

    Where the folder cannot be written, says so and goes on: decoding then needs --model.
    """
    if directory.resolve().parent == BUNDLED.resolve():
        return
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
    if (link / "model.json").is_file():
        return link
    for directory in bundled().values():
        description = json.loads((directory / "model.json").read_text())
        if fingerprint.hex() in (description.get(key) for key in FINGERPRINTS):
            return directory
    raise ModelError(
        f"the stream needs model {fingerprint.hex()}, which is not known here: give its "
        f"directory with --model"
    )
