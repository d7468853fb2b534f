"""FineNet: (labels, upsampled compact picture) -> missing fine detail f (Akbari et al. 2018)."""

import flax.linen as nn
import jax
import jax.numpy as jnp

from dsslic_jax.models.label_conv import halving_layers
from dsslic_jax.models.layers import Conv, Dtype, Norm, UpConv

DOWNS = 3  # stride-2 steps to the residual blocks, unless a model says otherwise


def rows_seen(row: int, blocks: int, downs: int = DOWNS) -> tuple[int, int]:
    """First and last row of (s, c') that a row of f depends on, a norm left aside; outside c' where padding is seen."""
    first, last = row - 3, row + 3  # head
    for _ in range(downs):
        first, last = first // 2, -(-last // 2)  # an odd row of an UpConv sees the next row too
    first, last = first - 2 * blocks, last + 2 * blocks
    for _ in range(downs):
        first, last = 2 * first - 1, 2 * last + 1
    return first - 3, last + 3  # stem


class ResidualBlock(nn.Module):
    """x + two reflection-padded 3x3 convolutions, the first followed by norm and ReLU, the second by norm."""

    norm: str
    dtype: Dtype

    @nn.compact
    def __call__(self, x: jax.Array, train: bool) -> jax.Array:
        shape = {"padding": 1, "pad_mode": "reflect", "dtype": self.dtype}
        y = Conv(x.shape[-1], 3, **shape, name="conv_0")(x)
        y = nn.relu(Norm(self.norm, name="norm_0")(y, train))
        y = Conv(x.shape[-1], 3, **shape, name="conv_1")(y)
        return x + Norm(self.norm, name="norm_1")(y, train)


class FineNet(nn.Module):
    """labels int [B, H, W], c' float [B, H, W, 3] in [-1, 1] -> f [B, H, W, 3] in (-1, 1).

    c7s1-w, d2w, d4w, d8w, `blocks` residual blocks, u4w, u2w, uw, c7s1-3, tanh. H and W are multiples of
    2**downs, at least twice that.
    """

    classes: int
    width: int = 64
    blocks: int = 9
    downs: int = DOWNS
    norm: str = "instance"
    label_conv: str = "auto"
    dtype: Dtype = jnp.float32

    @nn.compact
    def __call__(self, labels: jax.Array, upsampled: jax.Array, train: bool = False) -> jax.Array:
        y = halving_layers(self, labels, upsampled, [2 * 2**i for i in range(self.downs)], train)
        for i in range(self.blocks):
            y = ResidualBlock(self.norm, self.dtype, name=f"block_{i}")(y, train)
        for i in range(self.downs):
            features = self.width * 2 ** (self.downs - 1 - i)
            y = UpConv(features, dtype=self.dtype, name=f"up_{i}")(y)
            y = nn.relu(Norm(self.norm, name=f"up_{i}_norm")(y, train))
        y = Conv(3, 7, padding=3, pad_mode="reflect", dtype=self.dtype, name="head")(y)
        return jnp.tanh(y.astype(jnp.float32))
