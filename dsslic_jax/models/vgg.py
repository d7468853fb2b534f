"""VGG19 features for the perceptual loss (Simonyan and Zisserman 2015; layers of Wang et al. 2018)."""

import flax.linen as nn
import jax
import jax.numpy as jnp

from dsslic_jax.models.layers import Conv, Dtype
from dsslic_jax.models.pixels import to_imagenet

# torchvision's index of each convolution in `features`, up to conv5_1, by block; a block ends in a 2x2 max pool.
BLOCKS = ((0, 2), (5, 7), (10, 12, 14, 16), (19, 21, 23, 25), (28,))
WIDTHS = (64, 128, 256, 512, 512)


class VGG19Features(nn.Module):
    """[B, H, W, 3] in [-1, 1] -> relu1_1, relu2_1, relu3_1, relu4_1, relu5_1, in `dtype`."""

    widths: tuple[int, ...] = WIDTHS
    dtype: Dtype = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array) -> list[jax.Array]:
        x = to_imagenet(x)
        outputs = []
        for block, (indices, width) in enumerate(zip(BLOCKS, self.widths, strict=True)):
            if block > 0:
                x = nn.max_pool(x, (2, 2), (2, 2))
            for position, index in enumerate(indices):
                convolution = Conv(width, 3, padding=1, dtype=self.dtype, name=f"features_{index}")
                x = nn.relu(convolution(x))
                if position == 0:
                    outputs.append(x)
        return outputs
