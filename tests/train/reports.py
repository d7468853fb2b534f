"""Reading back what a run has logged."""

import json
import struct
from pathlib import Path

from tensorboardX.proto.event_pb2 import Event, SessionLog

from dsslic_jax.train.running.metrics_log import METRICS, TENSORBOARD


def json_lines(workdir: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (workdir / METRICS).read_text().splitlines()]


def without_times(reports: list[dict[str, float]]) -> list[dict[str, float]]:
    """The reports without values that differ from run to run."""
    return [{k: v for k, v in report.items() if "_per_" not in k} for report in reports]


def scalars(workdir: Path) -> dict[int, dict[str, list[float]]]:
    """Every value that TensorBoard shows, by step and name: what a later part of the run declares void is left out."""
    found: dict[int, dict[str, list[float]]] = {}
    for path in sorted((workdir / TENSORBOARD).iterdir(), key=lambda path: path.stat().st_mtime_ns):
        data = path.read_bytes()
        while data:
            (length,) = struct.unpack_from("<Q", data)
            event = Event.FromString(data[12 : 12 + length])
            if event.session_log.status == SessionLog.SessionStatus.START:
                found = {step: values for step, values in found.items() if step < event.step}
            for value in event.summary.value:
                found.setdefault(event.step, {}).setdefault(value.tag, []).append(
                    value.simple_value
                )
            data = data[length + 16 :]
    return found


def assert_each_report_is_there_once(workdir: Path) -> None:
    """JSON lines and TensorBoard hold the same values, each once."""
    reports = json_lines(workdir)
    steps = [int(report.pop("step")) for report in reports]
    assert steps == sorted(set(steps))
    shown = scalars(workdir)
    assert sorted(shown) == steps
    for step, report in zip(steps, reports, strict=True):
        single = {name: [struct.unpack("f", struct.pack("f", v))[0]] for name, v in report.items()}
        assert shown[step] == single
