"""What tests of residual layers share: a coder without loss, and the first layer of a picture."""

import numpy as np

from dsslic_jax.codec.coders.bpg.coder import BpgCoder, BpgOptions
from dsslic_jax.codec.coders.bpg.embedded import EmbeddedBpg
from dsslic_jax.codec.coders.coder import Context, LossyCoder
from dsslic_jax.codec.layers import residual
from dsslic_jax.codec.layers.residual import ResidualSettings

FINE = ResidualSettings(quality=100)


def bpg(bits: int = 8, colour: str = "ycbcr444") -> BpgCoder:
    return BpgCoder(EmbeddedBpg(), BpgOptions(bits, colour))


class Exact(BpgCoder):
    """A coder that loses nothing, so that only the mapping does; it takes a quality as BPG does."""

    def __init__(self, bits: int = 8) -> None:
        super().__init__(EmbeddedBpg(), BpgOptions(bits))

    def encode(self, codes: np.ndarray, setting: int, context: Context | None = None) -> bytes:
        self.seen = codes, setting
        return codes.tobytes()

    def decode(
        self, data: bytes, shape: tuple[int, ...], context: Context | None = None
    ) -> np.ndarray:
        return np.frombuffer(data, f"uint{8 if self.bits == 8 else 16}").reshape(shape)

    def coded_bits(self, data: bytes) -> int:
        return self.bits


def coded(
    picture: np.ndarray,
    so_far: np.ndarray,
    labels: np.ndarray | None,
    how: ResidualSettings,
    coder: LossyCoder,
) -> bytes:
    """A first layer: its quality is meant for its own span."""
    span = residual.span(picture, so_far)
    return residual.encode(picture, so_far, Context(labels=labels), how, coder, span)


def decoded(
    payload: bytes,
    so_far: np.ndarray,
    labels: np.ndarray | None,
    coder: LossyCoder,
    first: bool = True,
) -> np.ndarray:
    return residual.decode(payload, so_far, Context(labels=labels), coder, first)
