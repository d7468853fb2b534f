"""CompNet: (labels, picture) -> compact picture c at 1/alpha scale (Akbari et al. 2018)."""

import flax.linen as nn
import jax
import jax.numpy as jnp

from dsslic_jax.models.label_conv import halving_layers
from dsslic_jax.models.layers import Conv, Dtype

# Of the head where it corrects: its 7x7 over 8w features is large from the first step.
CORRECTION = 0.1


def rows_seen(row: int, alpha: int) -> tuple[int, int]:
    """First and last row of (s, x) that a row of c depends on, a norm left aside; outside x where padding is seen."""
    first, last = row - 3, row + 3  # head
    for _ in range(alpha.bit_length() - 1):
        first, last = 2 * first - 1, 2 * last + 1
    return first - 3, last + 3  # stem


def min_size(alpha: int, compact: str) -> int:
    """Smallest height and width that c is made of: reflection before the head takes four rows of c, "mean" has none."""
    return alpha if compact == "mean" else 4 * alpha


def block_average(picture: jax.Array, alpha: int) -> jax.Array:
    """[B, H, W, C] -> float32 [B, H/alpha, W/alpha, C]: the mean of each alpha x alpha block."""
    blocks = (alpha, alpha)
    return nn.avg_pool(picture.astype(jnp.float32), blocks, blocks)


class CompNet(nn.Module):
    """labels int [B, H, W], picture float [B, H, W, 3] in [-1, 1] -> c [B, H/alpha, W/alpha, 3] in (-1, 1).

    c7s1-w, then log2(alpha) stride-2 convolutions that double the width up to 8w, then c7s1-3 and tanh.
    H and W are multiples of alpha, at least 4 alpha (reflection padding of the last 7x7 needs that).

    compact "direct" is the poster's network. "average" lets the network correct the average of each alpha x alpha
    block instead of making c from nothing: c = tanh(atanh(average) + head / 10). The poster's head, 7x7 over 8w
    features, saturates its tanh early in training, and instance norm hides a picture's brightness from it.
    """

    classes: int
    width: int = 64
    alpha: int = 8
    norm: str = "instance"
    label_conv: str = "auto"
    compact: str = "direct"
    dtype: Dtype = jnp.float32

    @nn.compact
    def __call__(self, labels: jax.Array, picture: jax.Array, train: bool = False) -> jax.Array:
        wider = [min(2 * 2**i, 8) for i in range(self.alpha.bit_length() - 1)]
        y = halving_layers(self, labels, picture, wider, train)
        y = Conv(3, 7, padding=3, pad_mode="reflect", dtype=self.dtype, name="head")(y)
        y = y.astype(jnp.float32)
        if self.compact == "average":
            average = block_average(picture, self.alpha)
            # Clipped so that black and white stay within 1.3 grey levels of themselves.
            y = jnp.arctanh(jnp.clip(average, -0.99, 0.99)) + CORRECTION * y
        elif self.compact != "direct":
            raise ValueError(f'compact must be "direct" or "average", not {self.compact!r}')
        return jnp.tanh(y)
