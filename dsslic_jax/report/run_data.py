"""A run's folder read for its page: what its conditions name, checked, since pages are made of others' runs too."""

import os
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from dsslic_jax.errors import DataError
from dsslic_jax.evaluate.measuring import conditions as run_conditions
from dsslic_jax.evaluate.measuring.measure import STREAMS
from dsslic_jax.evaluate.measuring.store import Measurement, Store
from dsslic_jax.evaluate.protocols import Protocol, protocol
from dsslic_jax.system.files import MAX_PIXELS
from dsslic_jax.system.untrusted import read_json

_MOST_FILES = 1 << 22  # of a run


@dataclass(frozen=True)
class RunData:
    """What a run measured last."""

    name: str  # of its folder
    conditions: run_conditions.Conditions  # as RUN/conditions.json has them
    protocols: tuple[Protocol, ...]  # under which the run was made
    # Of every layer of every file, by codec, setting and picture; `stream` is the file's whole path.
    measurements: tuple[Measurement, ...]
    files: tuple[Measurement, ...]  # those of whole files among them
    planned: int  # how many files the conditions name
    left_out: dict[str, str]  # codecs that were missing, with the reason
    passed_over: tuple[str, ...]  # what is wrong with other measurements, a line each


def read_run(folder: Path) -> RunData:
    """Reads a run; lines of other versions, settings and models than its conditions name are left out.

    So are those that are damaged, cannot be or name streams outside of the run, but these are told.

    Raises:
        DataError: no run, a damaged one, or one without measurements.
        ConfigError: a protocol that this version does not know.
    """
    path = folder / run_conditions.FILE_NAME
    try:
        conditions = read_json(path, run_conditions.Conditions, DataError)
    except (OSError, DataError) as error:
        raise DataError(f"{folder} is no run of `dsslic evaluate`: {error}") from error
    planned = sum(len(curve["settings"]) for curve in conditions["codecs"])
    if planned * len(conditions["picture_files"]) > _MOST_FILES:
        raise DataError(f"{folder}: its conditions name more than {_MOST_FILES} files")
    wanted = [
        (c["codec"], c["labels"], c["version"], c["model"], setting, Path(name).stem)
        for c in conditions["codecs"]
        for setting in c["settings"]
        for name in conditions["picture_files"]
    ]
    found: dict[tuple[Any, ...], list[Measurement]] = {}
    store = Store(folder)
    passed_over = store.damaged
    for line in store.measurements():
        if not _is_sound(folder, line):
            passed_over.append(f"{folder}: a measurement of {line.picture!r} that cannot be")
            continue
        key = (line.codec, line.labels, line.version, line.model, line.setting, line.picture)
        found.setdefault(key, []).append(replace(line, stream=str(folder / line.stream)))
    measurements = tuple(line for key in wanted for line in found.get(key, ()))
    if not measurements:
        raise DataError(f"{folder}: nothing of what its conditions name is measured yet")
    return RunData(
        name=folder.resolve().name,
        conditions=conditions,
        protocols=tuple(protocol(name) for name in conditions["protocols"]),
        measurements=measurements,
        files=tuple(line for line in measurements if line.is_last_layer),
        planned=len(wanted),
        left_out=conditions["left_out"],
        passed_over=tuple(passed_over),
    )


def _is_sound(folder: Path, line: Measurement) -> bool:
    """Whether every field has a value that can be."""
    similarity = line.metrics.get("ms_ssim")
    layers = {line.layer: 1} if line.layers is None else line.layers
    return (
        re.fullmatch("([0-9a-f]{16})?", line.model or "") is not None
        and line.layer in layers
        and min(line.width, line.height, line.prefix_bytes, *layers.values()) > 0
        and line.width * line.height <= MAX_PIXELS
        and (similarity is None or similarity <= 1)
        and "\0" not in line.stream
        and _real(folder / line.stream).is_relative_to(_real(folder / STREAMS))
    )


def _real(path: Path) -> Path:
    return Path(os.path.realpath(path))  # `resolve` raises for a link to itself
