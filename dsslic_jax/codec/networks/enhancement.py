"""What the codec asks of an enhancement network: a better picture than the residual layers so far give."""

from __future__ import annotations

from typing import Protocol

import numpy as np


class Enhancer(Protocol):
    """A model's enhancement network.

    Encoder and decoder run it on the same picture and go on from what it makes, so it must be deterministic, up to
    floating point like x'. Pictures may have any size from 1x1, and several threads may call at a time.
    """

    def __call__(self, picture: np.ndarray, labels: np.ndarray | None, strength: int) -> np.ndarray:
        """The better picture, uint8 [H, W, 3].

        Args:
          picture: as decoded so far, uint8 [H, W, 3].
          labels: s as decoded, uint8 [H, W]; None where the stream was coded without labels.
          strength: how coarsely the layer was quantised, 1 to 255: an encoder says four times BPG's quantiser.
        """
