"""CompNet: (labels, picture) -> compact picture c at 1/alpha scale (DESIGN.md, Networks)."""

from __future__ import annotations

import flax.linen as nn
import jax
import jax.numpy as jnp

from dsslic_jax.models.label_conv import LabelConv
from dsslic_jax.models.layers import Conv, Dtype, Norm


class CompNet(nn.Module):
    """labels int [B, H, W], picture float [B, H, W, 3] in [-1, 1] -> c [B, H/alpha, W/alpha, 3] in (-1, 1).

    c7s1-w, then log2(alpha) stride-2 convolutions that double the width up to 8w, then c7s1-3 and tanh.
    H and W are multiples of alpha, at least 4 alpha (reflection padding of the last 7x7 needs that).
    """

    classes: int
    width: int = 64
    alpha: int = 8
    norm: str = "instance"
    label_conv: str = "auto"
    dtype: Dtype = jnp.float32

    @nn.compact
    def __call__(self, labels: jax.Array, picture: jax.Array) -> jax.Array:
        y = LabelConv(
            self.width, self.classes, method=self.label_conv, dtype=self.dtype, name="stem"
        )(labels, picture)
        y = nn.relu(Norm(self.norm, name="stem_norm")(y))
        for i in range(self.alpha.bit_length() - 1):
            features = self.width * min(2 ** (i + 1), 8)
            y = Conv(features, 3, stride=2, padding=1, dtype=self.dtype, name=f"down_{i}")(y)
            y = nn.relu(Norm(self.norm, name=f"down_{i}_norm")(y))
        y = Conv(3, 7, padding=3, pad_mode="reflect", dtype=self.dtype, name="head")(y)
        return jnp.tanh(y.astype(jnp.float32))
