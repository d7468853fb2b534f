"""Multi-scale PatchGAN discriminator (Wang et al. 2018, pix2pixHD)."""

import flax.linen as nn
import jax
import jax.numpy as jnp

from dsslic_jax.models.layers import Conv, Dtype, Norm, built
from dsslic_jax.models.settings import DiscriminatorSettings


class PatchDiscriminator(nn.Module):
    """[B, H, W, C] -> every layer's output, the last being logits [B, h, w, 1]."""

    width: int = 64
    layers: int = 3
    norm: str = "instance"
    dtype: Dtype = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array) -> list[jax.Array]:
        outputs = []
        for i in range(self.layers + 1):
            features = self.width * min(2**i, 8)
            stride = 2 if i < self.layers else 1
            x = Conv(features, 4, stride, padding=2, dtype=self.dtype, name=f"conv_{i}")(x)
            if i > 0:
                x = Norm(self.norm, name=f"norm_{i}")(x)
            x = nn.leaky_relu(x, 0.2)
            outputs.append(x)
        logits = Conv(1, 4, padding=2, dtype=self.dtype, name="logits")(x)
        return [*outputs, logits]


def halve(x: jax.Array) -> jax.Array:
    """3x3 stride-2 average of [B, H, W, C] that does not count the padding."""
    return nn.avg_pool(x, (3, 3), (2, 2), [(1, 1), (1, 1)], count_include_pad=False)


class MultiScaleDiscriminator(nn.Module):
    """[B, H, W, C] -> for each scale, full resolution first, the outputs of a `PatchDiscriminator`."""

    width: int = 64
    layers: int = 3
    scales: int = 2
    norm: str = "instance"
    dtype: Dtype = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array) -> list[list[jax.Array]]:
        outputs = []
        shape = self.width, self.layers, self.norm, self.dtype
        for i in range(self.scales):
            x = halve(x) if i > 0 else x
            outputs.append(PatchDiscriminator(*shape, name=f"scale_{i}")(x))
        return outputs


def build_discriminator(settings: DiscriminatorSettings) -> MultiScaleDiscriminator:
    """The module that a configuration's settings describe."""
    return built(MultiScaleDiscriminator, settings)
