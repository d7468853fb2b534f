"""VGG19 features for the perceptual loss (Simonyan and Zisserman 2015; layers of Wang et al. 2018)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from dsslic_jax.errors import ModelError
from dsslic_jax.models.layers import Conv, Dtype

# torchvision's index of each convolution in `features`, up to conv5_1, by block; a block ends in a 2x2 max pool.
BLOCKS = ((0, 2), (5, 7), (10, 12, 14, 16), (19, 21, 23, 25), (28,))
WIDTHS = (64, 128, 256, 512, 512)
MEAN = (0.485, 0.456, 0.406)  # of the ImageNet pictures in [0, 1] that the weights were trained on
STD = (0.229, 0.224, 0.225)
HOW_TO_GET_WEIGHTS = (
    "the VGG loss needs ImageNet weights: set losses.vgg_weights to a .safetensors file holding "
    "torchvision's vgg19 (IMAGENET1K_V1) state dict, written by safetensors.torch.save_file; "
    "or leave the term out with losses.vgg_weight = 0"
)


class VGG19Features(nn.Module):
    """[B, H, W, 3] in [-1, 1] -> relu1_1, relu2_1, relu3_1, relu4_1, relu5_1, in `dtype`."""

    widths: tuple[int, ...] = WIDTHS
    dtype: Dtype = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array) -> list[jax.Array]:
        x = ((x + 1.0) / 2.0 - jnp.array(MEAN)) / jnp.array(STD)
        outputs = []
        for block, (indices, width) in enumerate(zip(BLOCKS, self.widths, strict=True)):
            if block > 0:
                x = nn.max_pool(x, (2, 2), (2, 2))
            for position, index in enumerate(indices):
                x = nn.relu(
                    Conv(width, 3, padding=1, dtype=self.dtype, name=f"features_{index}")(x)
                )
                if position == 0:
                    outputs.append(x)
        return outputs


def load_vgg(path: str | Path | None) -> dict[str, Any]:
    """Parameters of `VGG19Features` from torchvision's names (`features.N.weight`, OIHW).

    Raises ModelError, saying where weights come from, when there are none or they do not fit.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    if not path:
        raise ModelError(HOW_TO_GET_WEIGHTS)
    if not Path(path).is_file():
        raise ModelError(f"no VGG weights at {path}: {HOW_TO_GET_WEIGHTS}")
    try:
        stored = load_file(path)
    except SafetensorError as error:
        raise ModelError(
            f"{path} is not a safetensors file ({error}): {HOW_TO_GET_WEIGHTS}"
        ) from error
    params: dict[str, Any] = {}
    channels = 3
    for indices, width in zip(BLOCKS, WIDTHS, strict=True):
        for index in indices:
            weight, bias = (stored.get(f"features.{index}.{part}") for part in ("weight", "bias"))
            if weight is None or bias is None or weight.shape != (width, channels, 3, 3):
                raise ModelError(
                    f"{path}: features.{index} is missing or misshapen: {HOW_TO_GET_WEIGHTS}"
                )
            params[f"features_{index}"] = {
                "kernel": np.ascontiguousarray(weight.transpose(2, 3, 1, 0), np.float32),
                "bias": bias.astype(np.float32),
            }
            channels = width
    return params
