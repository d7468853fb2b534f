"""A run's folder read for its page: what its conditions name, checked, since pages are made of others' runs too."""

import json
import math
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


@dataclass(frozen=True)
class RunData:
    """What a run measured last."""

    name: str  # of its folder
    conditions: dict[str, Any]  # as RUN/conditions.json has them
    protocols: tuple[Protocol, ...]  # under which the run was made
    # Of every layer of every file, by codec, setting and picture; `stream` is the file's whole path.
    measurements: tuple[Measurement, ...]
    files: tuple[Measurement, ...]  # those of whole files among them
    planned: int  # how many files the conditions name
    left_out: dict[str, str]  # codecs that were missing, with the reason


def read_run(folder: Path) -> RunData:
    """Reads a run; lines of other versions, settings and models than its conditions name are left out.

    Raises:
        DataError: no run, a damaged one, one without measurements, or one that names streams outside of it.
        ConfigError: a protocol that this version does not know.
    """
    path = folder / run_conditions.FILE_NAME
    try:
        conditions = json.loads(path.read_text(encoding="utf-8"))
        protocols = tuple(protocol(name) for name in conditions["protocols"])
        left_out = dict(conditions["left_out"])
        wanted = [
            (c["codec"], c["labels"], c["version"], c["model"], setting, Path(name).stem)
            for c in conditions["codecs"]
            for setting in c["settings"]
            for name in conditions["picture_files"]
        ]
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise DataError(
            f"{folder} is no run of `dsslic evaluate`: {path.name} cannot be read ({error})"
        ) from error
    found: dict[tuple[Any, ...], list[Measurement]] = {}
    for line in Store(folder).measurements():
        _check(folder, line)
        key = (line.codec, line.labels, line.version, line.model, line.setting, line.picture)
        found.setdefault(key, []).append(replace(line, stream=str(folder / line.stream)))
    measurements = tuple(line for key in wanted for line in found.get(key, ()))
    if not measurements:
        raise DataError(f"{folder}: nothing of what its conditions name is measured yet")
    return RunData(
        name=folder.resolve().name,
        conditions=conditions,
        protocols=protocols,
        measurements=measurements,
        files=tuple(line for line in measurements if line.is_last_layer),
        planned=len(wanted),
        left_out=left_out,
    )


def _check(folder: Path, line: Measurement) -> None:
    """Raises DataError unless every field has its type and a value that can be."""
    similarity = line.metrics.get("ms_ssim")
    texts = (line.picture, line.sha256, line.codec, line.version, line.layer, line.stream)
    layers = {line.layer: 1} if line.layers is None else line.layers
    numbers = (line.encode_s, line.decode_s, *line.metrics.values())
    sound = (
        all(isinstance(text, str) for text in texts)
        and isinstance(line.labels, str | None)
        and isinstance(line.model, str | None)
        and re.fullmatch("([0-9a-f]{16})?", line.model or "") is not None
        and isinstance(layers, dict)
        and line.layer in layers
        and all(
            isinstance(count, int) and count > 0
            for count in (line.width, line.height, line.prefix_bytes, *layers.values())
        )
        and line.width * line.height <= MAX_PIXELS
        and all(_is_number(number) or number is None for number in numbers)
        and _is_number(line.setting)
        and line.setting < math.inf
        and (similarity is None or similarity <= 1)
        and (folder / line.stream).resolve().is_relative_to((folder / STREAMS).resolve())
    )
    if not sound:
        raise DataError(f"{folder}: a measurement of {line.picture!r} that cannot be")


def _is_number(value: object) -> bool:
    """Whether it is one, or plus infinity."""
    return isinstance(value, int | float) and value > -math.inf  # nor is nan
