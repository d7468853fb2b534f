"""FineNet: (labels, upsampled compact picture) -> missing fine detail f (Akbari et al. 2018)."""

from __future__ import annotations

import flax.linen as nn
import jax
import jax.numpy as jnp

from dsslic_jax.models.label_conv import LabelConv
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
        features = x.shape[-1]
        y = x
        for i in range(2):
            y = Conv(
                features, 3, padding=1, pad_mode="reflect", dtype=self.dtype, name=f"conv_{i}"
            )(y)
            y = Norm(self.norm, name=f"norm_{i}")(y, train)
            y = nn.relu(y) if i == 0 else y
        return x + y


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
        y = LabelConv(
            self.width, self.classes, method=self.label_conv, dtype=self.dtype, name="stem"
        )(labels, upsampled)
        y = nn.relu(Norm(self.norm, name="stem_norm")(y, train))
        for i in range(self.downs):
            features = self.width * 2 ** (i + 1)
            y = Conv(features, 3, stride=2, padding=1, dtype=self.dtype, name=f"down_{i}")(y)
            y = nn.relu(Norm(self.norm, name=f"down_{i}_norm")(y, train))
        for i in range(self.blocks):
            y = ResidualBlock(self.norm, self.dtype, name=f"block_{i}")(y, train)
        for i in range(self.downs):
            features = self.width * 2 ** (self.downs - 1 - i)
            y = UpConv(features, dtype=self.dtype, name=f"up_{i}")(y)
            y = nn.relu(Norm(self.norm, name=f"up_{i}_norm")(y, train))
        y = Conv(3, 7, padding=3, pad_mode="reflect", dtype=self.dtype, name="head")(y)
        return jnp.tanh(y.astype(jnp.float32))
