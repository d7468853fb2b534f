"""What was measured with a model, as `Bundle.metrics` and `model.json` keep it: pictures, protocol and figures."""

import json
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from dsslic_jax.bundle import directory as bundle
from dsslic_jax.system.files import write_atomically

JOINED = "joined"  # what figures hold of that several parts made together


def entry(pictures: str, protocol: str, rows: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """An entry: a table whose rows hold figures by name, None for what is not defined."""
    defined = [{name: _json(v) for name, v in row.items() if v is not None} for row in rows]
    return {"pictures": pictures, "protocol": protocol, "rows": defined}


def record(directory: Path, part: str, added: Mapping[str, Any]) -> None:
    """Writes an entry into a model directory, in the place of one of the same pictures and protocol.

    `part` says what it holds of: a part's name or JOINED. Raises ModelError where there is no sound model.
    """
    bundle.load(directory)  # what is damaged is not written to
    description = bundle.read_description(directory)
    metrics, keys = description["metrics"], ("pictures", "protocol")
    others = [m for m in metrics.get(part, []) if any(m.get(key) != added[key] for key in keys)]
    metrics[part] = [*others, added]
    write_atomically(directory / bundle.DESCRIPTION, json.dumps(description, indent=1).encode())


def _json(value: Any) -> Any:
    """JSON has no infinity (the PSNR of what is lossless) and no nan."""
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value
