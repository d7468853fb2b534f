"""What tests of residual layers share: a coder without loss, and the first layer of a picture."""

from __future__ import annotations

import numpy as np

from dsslic_jax.codec.coders.registry import LossyCoder
from dsslic_jax.codec.layers import residual
from dsslic_jax.codec.layers.residual import ResidualSettings

FINE = ResidualSettings(quality=100)


class Exact:
    """A coder that loses nothing, so that only the mapping does."""

    name = "bpg"

    def encode(self, picture: np.ndarray, qp: int, colour: str, bit_depth: int) -> bytes:
        self.seen = picture, qp, colour, bit_depth
        return picture.tobytes()

    def decode(self, data: bytes, shape: tuple[int, ...]) -> np.ndarray:
        bits = 8 if len(data) == int(np.prod(shape)) else 16
        return np.frombuffer(data, f"uint{bits}").reshape(shape)


def coded(
    picture: np.ndarray,
    so_far: np.ndarray,
    labels: np.ndarray | None,
    how: ResidualSettings,
    coder: LossyCoder,
) -> bytes:
    """A first layer: its quality is meant for its own span."""
    return residual.encode(picture, so_far, labels, how, coder, residual.span(picture, so_far))
