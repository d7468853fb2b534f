"""A trace of a few steps, for TensorBoard's profiler or Perfetto."""

from pathlib import Path
from typing import Any

import jax

STEPS = 3


class Profile:
    """Traces steps `first` to `first` + 2 of this process into `folder`; nothing where that is None."""

    def __init__(self, folder: Path | None, first: int) -> None:
        self._folder = folder if jax.process_index() == 0 else None
        self._first = first
        self._running = False

    def before(self, step: int) -> None:
        """Begins the trace if `step` is the first."""
        if self._folder is not None and step == self._first:
            jax.profiler.start_trace(self._folder, create_perfetto_trace=True)
            self._running = True

    def after(self, step: int, result: Any) -> None:
        """Ends the trace if `step`, which made `result`, is the last; says where it lies."""
        if self._running and step == self._first + STEPS - 1:
            jax.block_until_ready(result)
            self.close()

    def close(self) -> None:
        """Ends a trace that is still running."""
        if self._running:
            self._running = False
            jax.profiler.stop_trace()
            print(
                f"profile: {self._folder}, for TensorBoard's profiler; perfetto_trace.json.gz in it for "
                "https://ui.perfetto.dev",
                flush=True,
            )
