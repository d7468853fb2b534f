"""What a run says while it runs: progress lines, logs, and a stop where a loss is not finite."""

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jax

from dsslic_jax.errors import ConfigError, TrainingStopped
from dsslic_jax.train.running.metrics_log import MetricsLog
from dsslic_jax.train.settings import LoopSettings


class Clock:
    """Counts training time only: not compilation (it starts after the first step), saving, sampling or measuring."""

    def __init__(self) -> None:
        self._started: float | None = None
        self._paused = 0.0
        self._steps = 0
        self._wait_s = 0.0

    def start(self) -> None:
        """Begins a lap."""
        self._started, self._paused, self._steps, self._wait_s = time.perf_counter(), 0.0, 0, 0.0

    def count(self, wait_s: float) -> None:
        """Counts a step that waited so long for its batch."""
        self._steps += 1
        self._wait_s += wait_s

    @contextmanager
    def pause(self) -> Iterator[None]:
        """Time spent inside does not count."""
        began = time.perf_counter()
        try:
            yield
        finally:
            self._paused += time.perf_counter() - began

    def lap(self) -> dict[str, float]:
        """Steps per second and milliseconds waited for data per step, {} of no steps; begins the next lap."""
        if self._started is None or not self._steps:
            return {}
        seconds = time.perf_counter() - self._started - self._paused
        lap = {
            "steps_per_second": self._steps / seconds,
            "input_wait_ms_per_step": 1000 * self._wait_s / self._steps,
        }
        self.start()
        return lap


class Monitor:
    """Gathers each step's metrics on the devices and reports their means every so often.

    What is gathered but not reported is saved with a checkpoint: a run that goes on from it reports what it would have
    reported without the stop.
    """

    def __init__(
        self,
        workdir: Path,
        settings: LoopSettings,
        start: int = 0,
        unreported: Mapping[str, Any] | None = None,
        evaluated: Sequence[str] = (),
    ) -> None:
        """Begins after step `start` of the run in `workdir`; `settings` are `config.train`, `evaluated` names."""
        before = unreported or {}
        self._clock = Clock()
        self.quality: float | None = before.get("quality")  # best_metric as last reported
        self._sums: dict[str, float] = dict(before.get("sums", {}))
        self._steps: int = before.get("steps", 0)  # that are in the sums
        self._settings = settings
        self._first = start + 1
        self._evaluated = evaluated
        self._pending: list[tuple[int, Mapping[str, Any]]] = []
        self._log = None
        if jax.process_index() == 0:
            self._log = MetricsLog(workdir, start, settings.json_log)

    def require_best_metric(self, made: tuple[Any, Mapping[str, Any]]) -> None:
        """Raises ConfigError where train.best_metric is neither of a step's (state, metrics) nor evaluated."""
        name, known = self._settings.best_metric, [*made[1], *self._evaluated]
        if name and name not in known:
            raise ConfigError(f"train.best_metric {name!r} is none of {', '.join(known)}")

    def record(self, step: int, metrics: Mapping[str, jax.Array], wait_s: float) -> None:
        """Keeps the metrics of a step, counted from 1, until the next report; it waited so long for its batch.

        The first step holds compilation: time is counted from its end, which is waited for.
        """
        self._pending.append((step, metrics))
        self._clock.count(wait_s)
        if step == self._first:
            jax.block_until_ready(metrics)
            self._clock.start()

    @contextmanager
    def pause(self) -> Iterator[None]:
        """Time spent inside does not count; the steps recorded so far do, and are waited for first."""
        jax.block_until_ready(self._pending)
        with self._clock.pause():
            yield

    def unreported(self) -> dict[str, Any]:
        """What is gathered since the last report, as JSON. Raises as `check` does: such steps are never saved."""
        self.check()
        return {"sums": self._sums, "steps": self._steps, "quality": self.quality}

    def check(self) -> None:
        """Fetches what is pending. Raises TrainingStopped naming the first step and term that is not finite."""
        for step, metrics in jax.device_get(self._pending):
            values = {name: float(value) for name, value in metrics.items()}
            if bad := [
                f"{n} is {value}" for n, value in values.items() if not math.isfinite(value)
            ]:
                raise TrainingStopped(
                    f"step {step}: {', '.join(bad)}. No checkpoint holds it; begin again in another "
                    "--workdir with a lower optimizer.learning_rate"
                )
            self._steps += 1
            for name, value in values.items():
                self._sums[name] = self._sums.get(name, 0.0) + value
        self._pending.clear()

    def report(self, step: int, evaluated: Mapping[str, float]) -> None:
        """Prints and logs means over the steps since the last report, with what was `evaluated` after this one.

        Raises TrainingStopped as `check` does.
        """
        self.check()
        values = {name: total / self._steps for name, total in self._sums.items()}
        self._sums, self._steps = {}, 0
        self._find_quality({**values, **evaluated})
        if speed := self._clock.lap():
            pictures = speed["steps_per_second"] * self._settings.batch_size
            speed["pictures_per_second"] = pictures
            speed["pictures_per_second_per_device"] = pictures / jax.device_count()
        values = {**values, **speed, **evaluated}
        if self._log is not None:
            self._log.write(step, values)
            print(self._line(step, values), flush=True)

    def _find_quality(self, values: Mapping[str, float]) -> None:
        if self._settings.best_metric in values:
            self.quality = values[self._settings.best_metric]

    def _line(self, step: int, values: Mapping[str, float]) -> str:
        line = f"step {step}/{self._settings.steps}  " + "  ".join(
            f"{name} {value:.4g}" for name, value in values.items()
        )
        if rate := values.get("steps_per_second"):
            left = round((self._settings.steps - step) / rate)
            line += f"  left {left // 3600}:{left // 60 % 60:02d}:{left % 60:02d}"
        return line

    def close(self) -> None:
        """Closes the logs."""
        if self._log is not None:
            self._log.close()
