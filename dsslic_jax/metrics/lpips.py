"""LPIPS, the learned perceptual distance of Zhang et al. (2018, version 0.1), with weights that the user supplies.

One safetensors file holds the trunk under torchvision's names, either alexnet's or vgg16's convolutions
(`features.N.weight` OIHW, `features.N.bias`), and the five heads under those of the lpips package
(`lin{i}.model.1.weight` [1, C, 1, 1]). Which trunk it is shows in the shape of `features.0.weight`.
"""

import math
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from safetensors import SafetensorError
from safetensors.numpy import load_file

from dsslic_jax.errors import ModelError
from dsslic_jax.metrics.samples import require_same_pictures

# Of samples in [-1, 1]: the lpips package's rounding of ImageNet's mean.
SHIFT = (-0.030, -0.088, -0.188)
SCALE = (0.458, 0.448, 0.450)
EPSILON = 1e-10  # keeps a position where no feature is active from dividing by zero


class Block(NamedTuple):
    """Convolutions of equal width, each followed by ReLU; LPIPS compares what the last of them gives."""

    channels: int
    indices: tuple[int, ...]  # in torchvision's `features`
    pool_px: int = 0  # window of a max pool of stride 2 before the block; 0 for none
    kernel_px: int = 3
    padding_px: int = 1
    stride_px: int = 1


ALEXNET = (
    Block(64, (0,), kernel_px=11, padding_px=2, stride_px=4),
    Block(192, (3,), pool_px=3, kernel_px=5, padding_px=2),
    Block(384, (6,), pool_px=3),
    Block(256, (8,)),
    Block(256, (10,)),
)
VGG16 = (
    Block(64, (0, 2)),
    Block(128, (5, 7), pool_px=2),
    Block(256, (10, 12, 14), pool_px=2),
    Block(512, (17, 19, 21), pool_px=2),
    Block(512, (24, 26, 28), pool_px=2),
)
# By the shape of features.0.weight; with the least side in pixels of which the last block still sees anything.
TRUNKS = {(64, 3, 11, 11): (ALEXNET, 31), (64, 3, 3, 3): (VGG16, 16)}


def load_lpips(path: Path) -> Callable[[np.ndarray, np.ndarray], float]:
    """The metric of a file of weights.

    Returns:
        A function of two uint8 [H, W, 3] pictures: 0 for equal ones, larger is worse; `nan` where the shorter side is
        below 31 pixels (AlexNet) or 16 (VGG16) and the trunk has no output. It raises ValueError where a picture is
        not uint8 [H, W, 3] or the shapes differ.

    Raises:
        ModelError: the file is missing, no safetensors file, or lacks a weight.
    """
    try:
        weights = load_file(path)
    except (OSError, SafetensorError) as error:
        raise ModelError(
            f"{path} cannot be read as LPIPS weights in safetensors: {error}"
        ) from error
    first = weights.get("features.0.weight")
    if first is None or first.shape not in TRUNKS:
        raise ModelError(
            f"{path}: features.0.weight is neither torchvision's alexnet nor its vgg16"
        )
    trunk, min_side_px = TRUNKS[first.shape]
    params = {}
    for name, shape in _shapes(trunk).items():
        if name not in weights or weights[name].shape != shape:
            raise ModelError(f"{path}: {name} must be there with shape {list(shape)}")
        params[name] = jnp.asarray(weights[name], jnp.float32)
    distance = jax.jit(lambda params, pictures: _distance(params, trunk, pictures))

    def lpips(a: np.ndarray, b: np.ndarray) -> float:
        require_same_pictures(a, b)
        if min(a.shape[:2]) < min_side_px:
            return math.nan
        return float(distance(params, np.stack([a, b])))

    return lpips


def _shapes(trunk: tuple[Block, ...]) -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {}
    inputs = 3
    for head, block in enumerate(trunk):
        for index in block.indices:
            kernel = (block.kernel_px, block.kernel_px)
            shapes[f"features.{index}.weight"] = (block.channels, inputs, *kernel)
            shapes[f"features.{index}.bias"] = (block.channels,)
            inputs = block.channels
        shapes[f"lin{head}.model.1.weight"] = (1, block.channels, 1, 1)
    return shapes


def _distance(
    params: dict[str, jax.Array], trunk: tuple[Block, ...], pictures: jax.Array
) -> jax.Array:
    """uint8 [2, H, W, 3] -> the weighted squared differences of unit features: means over positions, summed."""
    x = (pictures.astype(jnp.float32) / 127.5 - 1.0 - jnp.array(SHIFT)) / jnp.array(SCALE)
    total = jnp.zeros(())
    for head, block in enumerate(trunk):
        if block.pool_px:
            window = (1, block.pool_px, block.pool_px, 1)
            x = lax.reduce_window(x, -jnp.inf, lax.max, window, (1, 2, 2, 1), "VALID")
        for index in block.indices:
            x = lax.conv_general_dilated(
                x,
                params[f"features.{index}.weight"],
                (block.stride_px, block.stride_px),
                [(block.padding_px, block.padding_px)] * 2,
                dimension_numbers=("NHWC", "OIHW", "NHWC"),
                precision=lax.Precision.HIGHEST,
            )
            x = jax.nn.relu(x + params[f"features.{index}.bias"])
        unit = x / (jnp.sqrt(jnp.sum(x * x, axis=-1, keepdims=True)) + EPSILON)
        weights = params[f"lin{head}.model.1.weight"].reshape(-1)
        total += jnp.mean(jnp.sum(weights * (unit[0] - unit[1]) ** 2, axis=-1))
    return total
