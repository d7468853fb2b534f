"""Reports on disk: TensorBoard scalars, and one JSON line each for other programs.

However often a run is stopped, at whatever moment, both show each reported step once: a report is on disk before the
next checkpoint is begun, and what lies after the checkpoint that a run goes on from is removed, or declared void.
"""

import json
import math
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TypedDict

from tensorboardX.event_file_writer import EventsWriter
from tensorboardX.proto.event_pb2 import Event, SessionLog
from tensorboardX.summary import scalar

from dsslic_jax.errors import DataError
from dsslic_jax.system.files import write_atomically
from dsslic_jax.system.untrusted import parse_json, read_regular

METRICS = "metrics.jsonl"  # in a work directory
TENSORBOARD = "tensorboard"
_MOST_BYTES = 1 << 30  # of METRICS: millions of reports


class _Line(TypedDict):
    """What is read again of a line."""

    step: int


class MetricsLog:
    """Appends reports to `workdir`, in the place of those of steps later than `start`.

    Raises DataError where metrics.jsonl is not as it was written.
    """

    def __init__(self, workdir: Path, start: int, json_lines: bool) -> None:
        events, lines = workdir / TENSORBOARD, workdir / METRICS
        events.mkdir(parents=True, exist_ok=True)
        if lines.exists():
            try:
                kept = _lines_up_to(start, read_regular(lines, _MOST_BYTES))
            except DataError as error:
                raise DataError(f"{lines} is damaged ({error}): move it away to go on") from error
            write_atomically(lines, kept)
        # Not `SummaryWriter`: that one writes some time later, in a thread. Each part of a run has a file of its own,
        # which tells TensorBoard to forget what others say of its steps.
        self._events = EventsWriter(str(events / "events"), f".from{start}.{os.getpid()}")
        began = SessionLog(status=SessionLog.SessionStatus.START)
        self._events.write_event(Event(wall_time=time.time(), step=start + 1, session_log=began))
        self._lines = lines.open("ab") if json_lines else None

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """Adds one report; it is on disk when this returns. Raises OSError where it cannot be written."""
        for name, value in values.items():
            self._events.write_event(
                Event(wall_time=time.time(), step=step, summary=scalar(name, value))
            )
        self._events.flush()
        if self._lines is not None:
            # JSON has no infinity, which is the PSNR of equal pictures.
            finite = {
                name: value if math.isfinite(value) else None for name, value in values.items()
            }
            self._lines.write(json.dumps({"step": step, **finite}).encode() + b"\n")
            self._lines.flush()

    def close(self) -> None:
        """Closes the files."""
        self._events.close()
        if self._lines is not None:
            self._lines.close()


def _lines_up_to(step: int, data: bytes) -> bytes:
    """The whole lines of a report no later than `step`."""
    whole = [line for line in data.splitlines(keepends=True) if line.endswith(b"\n")]
    steps = (
        parse_json(line, _Line, f"line {i}", DataError)["step"] for i, line in enumerate(whole, 1)
    )
    return b"".join(line for line, at in zip(whole, steps, strict=True) if at <= step)
