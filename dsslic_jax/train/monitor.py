"""What a run says while it runs: progress lines, TensorBoard scalars, and a stop where a loss is not finite."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jax

from dsslic_jax.errors import TrainingStopped


class Clock:
    """Counts training time only: not compilation (it starts after the first step), saving or sampling."""

    def __init__(self) -> None:
        self._started: float | None = None
        self._paused = 0.0

    def lap(self) -> float | None:
        """Seconds of training since the last lap; None the first time."""
        now, started = time.perf_counter(), self._started
        seconds = None if started is None else now - started - self._paused
        self._started, self._paused = now, 0.0
        return seconds

    @contextmanager
    def pause(self) -> Iterator[None]:
        """Time spent inside does not count."""
        began = time.perf_counter()
        try:
            yield
        finally:
            self._paused += time.perf_counter() - began


class Monitor:
    """Gathers each step's metrics on the device and reports their means every so often."""

    def __init__(self, directory: Path, steps: int, batch_size: int) -> None:
        self.clock = Clock()
        self._steps = steps
        self._batch_size = batch_size
        self._pending: list[tuple[int, Mapping[str, Any]]] = []
        self._writer = None
        if jax.process_index() == 0:
            from tensorboardX import SummaryWriter

            self._writer = SummaryWriter(str(directory))

    def record(self, step: int, metrics: Mapping[str, jax.Array]) -> None:
        """Keeps step number `step`'s metrics (counted from 1) until the next report."""
        self._pending.append((step, metrics))

    def check(self) -> list[tuple[int, dict[str, float]]]:
        """Fetches what is pending. Raises TrainingStopped naming the first step and term that is not finite."""
        fetched = [
            (step, {name: float(value) for name, value in metrics.items()})
            for step, metrics in jax.device_get(self._pending)
        ]
        for step, metrics in fetched:
            bad = [
                f"{name} is {value}" for name, value in metrics.items() if not math.isfinite(value)
            ]
            if bad:
                raise TrainingStopped(
                    f"step {step}: {', '.join(bad)}. No checkpoint holds it; begin again in another "
                    "--workdir with a lower optimizer.learning_rate"
                )
        return fetched

    def report(self) -> None:
        """One progress line and one TensorBoard point: means over the steps since the last report."""
        fetched = self.check()
        self._pending.clear()
        if not fetched:
            return
        seconds = self.clock.lap()
        step = fetched[-1][0]
        means = {
            name: sum(metrics[name] for _, metrics in fetched) / len(fetched)
            for name in fetched[0][1]
        }
        if seconds is not None:
            rate = len(fetched) / seconds
            means["steps_per_second"] = rate
            means["pictures_per_second_per_device"] = rate * self._batch_size / jax.device_count()
        if self._writer is not None:
            for name, value in means.items():
                self._writer.add_scalar(name, value, step)
            self._writer.flush()
            print(self._line(step, means), flush=True)

    def _line(self, step: int, means: Mapping[str, float]) -> str:
        line = f"step {step}/{self._steps}  " + "  ".join(
            f"{name} {value:.4g}" for name, value in means.items()
        )
        if rate := means.get("steps_per_second"):
            left = round((self._steps - step) / rate)
            line += f"  left {left // 3600}:{left // 60 % 60:02d}:{left % 60:02d}"
        return line

    def close(self) -> None:
        """Closes the TensorBoard file."""
        if self._writer is not None:
            self._writer.close()
