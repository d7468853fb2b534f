"""Reports on disk: TensorBoard scalars, and one JSON line each for other programs.

However often a run is stopped, at whatever moment, both hold each reported step once: a report is on disk before the
next checkpoint is begun, and what lies after the checkpoint that a run goes on from is removed.
"""

from __future__ import annotations

import json
import math
import os
import struct
import time
from collections.abc import Mapping
from pathlib import Path

from dsslic_jax.errors import DataError
from dsslic_jax.system.files import write_atomically

METRICS = "metrics.jsonl"  # in a work directory
TENSORBOARD = "tensorboard"


class MetricsLog:
    """Appends reports to `workdir`, after removing those of steps later than `start`.

    Raises DataError where one of its files is not as it was written.
    """

    def __init__(self, workdir: Path, start: int, json_lines: bool) -> None:
        from google.protobuf.message import DecodeError
        from tensorboardX.event_file_writer import EventsWriter

        events, lines = workdir / TENSORBOARD, workdir / METRICS
        events.mkdir(parents=True, exist_ok=True)
        for path in [*events.glob("events.*"), *workdir.glob(METRICS)]:
            up_to = _lines_up_to if path == lines else _events_up_to
            try:
                write_atomically(path, up_to(start, path.read_bytes()))
            except (DecodeError, KeyError, TypeError, ValueError) as error:
                raise DataError(f"{path} is damaged ({error}): move it away to go on") from error
        # Not `SummaryWriter`: that one writes some time later, in a thread. Each part of a run has a file of its own.
        self._events = EventsWriter(str(events / "events"), f".from{start}.{os.getpid()}")
        self._lines = lines.open("ab") if json_lines else None

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """Adds one report; it is on disk when this returns. Raises OSError where it cannot be written."""
        from tensorboardX.proto.event_pb2 import Event
        from tensorboardX.summary import scalar

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
    return b"".join(line for line in whole if json.loads(line)["step"] <= step)


def _events_up_to(step: int, data: bytes) -> bytes:
    """The whole records of an event file no later than `step`.

    A record is its length in 8 bytes, a checksum of these in 4, an Event message and a checksum of that in 4.
    """
    from tensorboardX.proto.event_pb2 import Event

    kept, position = [], 0
    while position + 12 <= len(data):
        (length,) = struct.unpack_from("<Q", data, position)
        end = position + 12 + length + 4
        if end > len(data):
            break  # cut by a kill
        if Event.FromString(data[position + 12 : end - 4]).step <= step:
            kept.append(data[position:end])
        position = end
    return b"".join(kept)
