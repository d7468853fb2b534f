"""What was measured how and on what machine, for RUN/conditions.json: without paths, so that it can be published."""

import importlib.metadata
import os
import platform
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypedDict

from dsslic_jax.evaluate.measuring.points import Curve, PictureFile, is_lossy
from dsslic_jax.evaluate.protocols import AVERAGING_TEXT, Protocol

FILE_NAME = "conditions.json"


class CurveConditions(TypedDict):
    """Of `Conditions`, one codec with labels of one source."""

    codec: str
    labels: str | None
    version: str
    model: str | None  # fingerprint, in hexadecimal
    settings: list[float]


class Conditions(TypedDict):
    """What programs read of RUN/conditions.json; the rest is for people."""

    protocols: dict[str, Any]
    picture_files: list[str]
    codecs: list[CurveConditions]
    left_out: dict[str, str]  # codecs that were missing, with the reason


_PACKAGES = (
    *("dsslic_jax", "jax", "jaxlib", "flax", "numpy", "scipy"),
    *("pillow", "imagecodecs", "av", "pillow-heif"),
)
_GIT_SECONDS = 20.0


def conditions(
    protocols: Sequence[Protocol],
    pictures: Sequence[PictureFile],
    curves: Sequence[Curve],
    left_out: Mapping[str, str],
    class_table: str | None,
    workers: int,
) -> dict[str, Any]:
    """The conditions of a run, as JSON has them; `left_out` tells why codecs are missing, by name."""
    return {
        "protocols": {
            p.name: {"rate": p.rate, "quality": p.quality, "means": p.means} for p in protocols
        },
        "averaging": AVERAGING_TEXT,
        "picture_files": [picture.path.name for picture in pictures],
        "lossy_source_files": [p.path.name for p in pictures if is_lossy(p.path)],
        "codecs": [
            {
                "codec": curve.codec,
                "labels": curve.labels,
                "version": curve.version,
                "model": curve.model,
                "setting": curve.setting_means,
                "settings": list(curve.settings),
            }
            for curve in curves
        ],
        "left_out": dict(left_out),
        "labels": list(dict.fromkeys(curve.labels for curve in curves if curve.labels)),
        "class_table": class_table,
        "model_fingerprint": next((curve.model for curve in curves if curve.model), None),
        "workers": workers,
        **circumstances(),
    }


def circumstances() -> dict[str, Any]:
    """What ran where: software, machine, command and commit, of any measurement."""
    return {
        "software": software_versions(),
        "machine": {
            "processor": processor(),
            "cores": os.cpu_count(),
            "system": platform.platform(),
        },
        "command": [without_folders(argument) for argument in sys.argv],
        "commit": commit(),
    }


def software_versions() -> dict[str, str | None]:
    """Versions of what coded and measured; None for a package that is not there."""
    versions: dict[str, str | None] = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            versions[package] = None
    return versions


def processor() -> str:
    """The processor's own name where the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:  # not Linux
        return platform.processor()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor())


def without_folders(argument: str) -> str:
    """A command line's argument with absolute paths, also after "=", cut down to their last part."""
    head, separator, tail = argument.rpartition("=")
    return f"{head}{separator}{Path(tail).name}" if Path(tail).is_absolute() else argument


def commit() -> str | None:
    """The commit this program runs from, with "+" where files differ from it; None where git tells none."""
    root = Path(__file__).resolve().parents[3]
    if not (root / ".git").exists():
        return None
    try:
        head = _git(root, "rev-parse", "HEAD")
        return head + ("+" if _git(root, "status", "--porcelain") else "")
    except (OSError, subprocess.SubprocessError):  # no git, or one that does not trust the folder
        return None


def _git(root: Path, *arguments: str) -> str:
    command = ["git", "-C", str(root), *arguments]
    return subprocess.check_output(
        command, stderr=subprocess.DEVNULL, timeout=_GIT_SECONDS, text=True
    ).strip()
