"""What the codec asks of its networks, whatever runs them."""

from collections.abc import Callable
from typing import Protocol

import numpy as np

Progress = Callable[[str, int, int], None]  # phase, steps done, steps in all


def no_progress(phase: str, done: int, total: int) -> None:
    """Tells nobody."""


class Predictor(Protocol):
    """A model's CompNet and FineNet.

    Encoder and decoder call the same `predict`, so it must be deterministic, up to floating point. Pictures may have
    any size from 1x1, and several threads may call at a time.
    """

    def compact_shape(self, height: int, width: int) -> tuple[int, int, int]:
        """The shape of ĉ for a picture of this size."""

    def compress(
        self, labels: np.ndarray, picture: np.ndarray, progress: Progress = no_progress
    ) -> np.ndarray:
        """s uint8 [H, W], x uint8 [H, W, 3] -> ĉ uint8 of `compact_shape`."""

    def predict(
        self, labels: np.ndarray, compact: np.ndarray, progress: Progress = no_progress
    ) -> np.ndarray:
        """s uint8 [H, W], ĉ uint8 -> x', uint8 [H, W, 3]."""

    def upsample(self, compact: np.ndarray, height: int, width: int) -> np.ndarray:
        """ĉ uint8 -> up(ĉ), uint8 [H, W, 3]: the coarse picture without FineNet."""


class Enhancer(Protocol):
    """A model's enhancement network.

    Encoder and decoder go on from what it makes, so what is said of `Predictor` holds of it, too.
    """

    def __call__(self, picture: np.ndarray, labels: np.ndarray | None, strength: int) -> np.ndarray:
        """The better picture, uint8 [H, W, 3], of that decoded so far and s, uint8 [H, W], or None without labels.

        `strength` is how coarsely the layer was quantised, 1 to 255: an encoder says four times BPG's quantiser.
        """
