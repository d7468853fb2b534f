"""Models that are known by name or fingerprint: those that come with this package, and those that its user met.

The first lie in the package's folder `bundled`. Of those that the user trained or encoded with there is a folder of
links named by fingerprint, so that `dsslic decode` finds the one that a stream names: $DSSLIC_MODELS, by default
~/.local/share/dsslic/models. A link is believed where the `model.json` behind it tells that fingerprint.
"""

import contextlib
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from dsslic_jax.errors import ModelError
from dsslic_jax.system.folders import user_folder
from dsslic_jax.system.printable import printable
from dsslic_jax.system.untrusted import read_json

BUNDLED = Path(__file__).parent / "bundled"
DEFAULT = "natural"  # the bundled model that pictures are coded with where none is named
FINGERPRINTS = ("fingerprint", "fingerprint_with_segnet")  # `Bundle.fingerprints` in model.json


def folder() -> Path | None:
    """The folder of links; None where no home is known to hold it."""
    if named := os.environ.get("DSSLIC_MODELS"):
        return Path(named)
    data = user_folder("XDG_DATA_HOME", "~/.local/share")
    return None if data is None else data / "dsslic" / "models"


def bundled() -> dict[str, Path]:
    """The directories of the models that come with this package, by name."""
    return {path.parent.name: path.parent for path in sorted(BUNDLED.glob("*/model.json"))}


def default_model() -> Path:
    """The directory of the model that is used where a user names none."""
    return BUNDLED / DEFAULT


def model_directory(given: str | Path) -> Path:
    """The model directory that a user names: a bundled model's name, or else a path ("./natural" is always one)."""
    return bundled().get(given if isinstance(given, str) else "", Path(given))


def remembered() -> dict[Path, list[str]]:
    """The fingerprints, in hexadecimal, that link to each model directory, also where it is gone."""
    linked: dict[Path, list[str]] = {}
    links = folder()
    for link in sorted(links.glob("[0-9a-f]*")) if links else ():
        linked.setdefault(Path(os.path.realpath(link)), []).append(link.name)
    return linked


def remember(fingerprints: Iterable[bytes], directory: Path) -> None:
    """Links the fingerprints to a model directory, replacing older links; bundled models need none.

    Where that cannot be done, says so and goes on: decoding then needs --model.
    """
    if directory.resolve().parent == BUNDLED.resolve():
        return
    links = folder()
    if links is None:
        _note(f"no home folder is known to remember {directory} in")
        return
    for fingerprint in fingerprints:
        link = links / fingerprint.hex()
        temporary = link.with_name(f".{link.name}.{os.getpid()}.tmp")
        try:
            link.parent.mkdir(parents=True, exist_ok=True)
            temporary.symlink_to(directory.resolve(), target_is_directory=True)
            temporary.replace(link)
        except OSError as error:
            with contextlib.suppress(OSError):
                temporary.unlink()
            _note(f"{link} not written ({error})")


def _note(problem: str) -> None:
    print(printable(f"note: {problem}; decode with --model"), file=sys.stderr)


def find(fingerprint: bytes) -> Path:
    """The model directory of a fingerprint, a bundled one first. Raises ModelError saying how to name one."""
    wanted, links = fingerprint.hex(), folder()
    candidates = [*bundled().values(), *([links / wanted] if links else [])]
    for directory in candidates:
        if wanted in _fingerprints(directory):
            return directory
    raise ModelError(
        f"the stream needs model {wanted}, which is not known here: give its directory with --model"
    )


def _fingerprints(directory: Path) -> list[str]:
    """Those that `model.json` tells; none where it cannot be read: a link may lead anywhere by now."""
    try:
        told = read_json(directory / "model.json", dict[str, Any], ModelError)
    except (OSError, ModelError):
        return []
    return [told[key] for key in FINGERPRINTS if key in told]
