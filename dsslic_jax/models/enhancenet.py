"""EnhanceNet: the decoded picture made closer to the one that was coded, by the decoder alone.

It sees what a lossy coder left of a picture, how coarsely that was quantised, and the labels, and adds a correction.
It works at half resolution: four pixels of three samples are one position of twelve.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp

from dsslic_jax.models.convolution import depth_to_space, space_to_depth
from dsslic_jax.models.layers import Conv, Dtype, built
from dsslic_jax.models.settings import EnhanceNetSettings

SCALE = 2  # pixels a side in one position
AROUND = 2  # positions on each side that a local mean is taken over
# A correction is of the size of the quantiser's step, which doubles every 24 of strength (see `typical_error`).
MIDDLE_STRENGTH, MIDDLE_ERROR, DOUBLING = 120.0, 0.04, 24.0


def typical_error(strength: jax.Array) -> jax.Array:
    """About the root mean square error, on the scale where pixels are in [-1, 1], of pictures coded so coarsely."""
    return MIDDLE_ERROR * jnp.exp2((strength - MIDDLE_STRENGTH) / DOUBLING)


class EnhanceNet(nn.Module):
    """labels int [B, H, W], decoded float [B, H, W, 3] in [-1, 1], strength float [B] -> float [B, H, W, 3].

    H and W are even. The picture and its detail (`_detail`), then a 3x3 convolution to `width` features, `blocks`
    residual blocks of two, and one to twelve, all with zero padding and without a norm. What the strength says
    scales and shifts the features inside each block.
    """

    classes: int
    width: int = 48
    blocks: int = 5
    label_width: int = 8
    dtype: Dtype = jnp.float32
    size_multiple = SCALE  # of heights and widths

    @nn.compact
    def __call__(self, labels: jax.Array, decoded: jax.Array, strength: jax.Array) -> jax.Array:
        one_hot = jax.nn.one_hot(labels[:, ::SCALE, ::SCALE], self.classes, dtype=self.dtype)
        named = Conv(self.label_width, 1, use_bias=False, dtype=self.dtype, name="labels")(one_hot)
        size = typical_error(strength)[:, None, None, None]
        detail = _detail(decoded.astype(jnp.float32), size)
        positions = [space_to_depth(seen.astype(self.dtype)) for seen in (decoded, detail)]
        y = jnp.concatenate([*positions, named], axis=-1)
        y = Conv(self.width, 3, padding=1, dtype=self.dtype, name="stem")(y)
        told = self._told(strength)
        for i in range(self.blocks):
            inner = Conv(self.width, 3, padding=1, dtype=self.dtype, name=f"block_{i}_in")(y)
            scale, shift = told[:, i, 0], told[:, i, 1]
            inner = nn.relu(inner * (1 + scale) + shift)
            y = y + Conv(self.width, 3, padding=1, dtype=self.dtype, name=f"block_{i}_out")(inner)
        y = Conv(SCALE * SCALE * 3, 3, padding=1, dtype=self.dtype, name="head")(y)
        return decoded.astype(jnp.float32) + size * depth_to_space(y.astype(jnp.float32))

    def _told(self, strength: jax.Array) -> jax.Array:
        """What each block is told of the strength: [B, blocks, 2, 1, 1, width], 0 as training begins."""
        place = (strength / MIDDLE_STRENGTH - 1.0)[:, None, None, None]
        hidden = nn.relu(Conv(self.width, 1, name="strength_in")(place))
        told = Conv(2 * self.blocks * self.width, 1, name="strength_out")(hidden)
        return told.reshape(-1, self.blocks, 2, 1, 1, self.width).astype(self.dtype)

    @property
    def silent(self) -> tuple[str, ...]:
        """Layers that are 0 as training begins: blocks add nothing, and pictures are left as they are."""
        return ("head", "strength_out", *(f"block_{i}_out" for i in range(self.blocks)))

    @property
    def radius(self) -> int:
        """Pixels around it that a pixel of the result depends on."""
        return SCALE * (2 * self.blocks + 2 + AROUND) + SCALE - 1


def _detail(picture: jax.Array, size: jax.Array) -> jax.Array:
    """What each pixel has beyond the mean around it, in typical errors, large values drawn in: float [B, H, W, 3].

    Errors of coding are seen at one scale so, whatever the strength; the picture itself would drown them.
    """
    means = nn.avg_pool(picture, (SCALE, SCALE), (SCALE, SCALE))
    sides = (AROUND, AROUND)
    means = jnp.pad(means, ((0, 0), sides, sides, (0, 0)), mode="edge")
    around = nn.avg_pool(means, (2 * AROUND + 1, 2 * AROUND + 1))
    for axis in (1, 2):
        around = jnp.repeat(around, SCALE, axis)
    return jnp.arcsinh((picture - around) / size)


def build_enhancenet(settings: EnhanceNetSettings) -> EnhanceNet:
    """The module that a configuration's or a model directory's settings describe."""
    return built(EnhanceNet, settings)
