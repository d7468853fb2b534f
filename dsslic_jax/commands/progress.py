"""How far one picture is: a bar with the remaining time for long work, or a line for each phase."""

from __future__ import annotations

import sys
from typing import Any


class PhaseLines:
    """Names each phase on stderr as it begins."""

    def __init__(self) -> None:
        self._phase = ""

    def __call__(self, phase: str, done: int, total: int) -> None:
        """Told by a codec: phase, steps done, steps in all."""
        if phase != self._phase:
            self._phase = phase
            print(f"phase: {phase}", file=sys.stderr, flush=True)


class PhaseBar:
    """A bar for phases of several steps, on terminals only."""

    def __init__(self) -> None:
        self._phase = ""
        self._bar: Any = None

    def __call__(self, phase: str, done: int, total: int) -> None:
        """Told by a codec: phase, steps done, steps in all."""
        if phase != self._phase:
            if self._bar is not None:
                self._bar.close()
            self._phase, self._bar = phase, None
        if self._bar is None and total > 1:
            from tqdm import tqdm

            self._bar = tqdm(desc=phase, total=total, disable=None, leave=False)
        if self._bar is not None:
            self._bar.update(done - self._bar.n)
