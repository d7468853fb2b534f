"""SegNet: PSPNet (Zhao et al. 2017) on a dilated residual network, output at 1/8 scale.

The "resnet50" backbone is the deep-stem dilated ResNet-50 common for ADE20K (three 3x3 convolutions, stages of
3, 4, 6 and 3 bottlenecks, the last two dilated by 2 and 4); "resnet50_7x7" has the one-convolution stem of ImageNet's
ResNets instead; "small" has the plan of the first with two-convolution blocks.
"""

from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from dsslic_jax.models.layers import Conv, Dtype, Norm, built
from dsslic_jax.models.pixels import to_imagenet
from dsslic_jax.models.settings import SegNetSettings


class Backbone(NamedTuple):
    """A residual network before it is dilated."""

    stages: tuple[int, ...]  # blocks of each
    bottleneck: bool  # blocks of three convolutions, the last with four times the features
    stem: tuple[tuple[int, int], ...]  # kernel size and features / width of its convolutions


_DEEP_STEM = ((3, 1), (3, 1), (3, 2))
_RESNETS = {
    "resnet18": ((2, 2, 2, 2), False),
    "resnet34": ((3, 4, 6, 3), False),
    "resnet50": ((3, 4, 6, 3), True),
    "resnet101": ((3, 4, 23, 3), True),
}
BACKBONES = {
    "small": Backbone((1, 1, 2, 1), False, _DEEP_STEM),
    **{name: Backbone(*plan, _DEEP_STEM) for name, plan in _RESNETS.items()},
    **{f"{name}_7x7": Backbone(*plan, ((7, 1),)) for name, plan in _RESNETS.items()},
}
STRIDES = (1, 2, 1, 1)
DILATIONS = (1, 1, 2, 4)
PYRAMID_BINS = (1, 2, 3, 6)
SIZE_MULTIPLE = 8


class SegNetOutput(NamedTuple):
    """Class scores at 1/8 scale, float32 [B, H/8, W/8, K]."""

    logits: jax.Array
    auxiliary: jax.Array  # from the last stage but one, for training only


class ConvNormAct(nn.Module):
    """Convolution without bias, norm ("batch" or "group") and, where asked for, ReLU."""

    features: int
    kernel_size: int
    stride: int = 1
    dilation: int = 1
    norm: str = "batch"
    relu: bool = True
    dtype: Dtype = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array, train: bool) -> jax.Array:
        size, padding = self.kernel_size, self.dilation * (self.kernel_size // 2)
        shape = {"stride": self.stride, "padding": padding, "dilation": self.dilation}
        x = Conv(self.features, size, **shape, use_bias=False, dtype=self.dtype, name="conv")(x)
        if self.norm == "batch":
            # Under jit on a sharded batch these are the statistics of the global batch.
            norm = nn.BatchNorm(use_running_average=not train, momentum=0.9, name="norm")
            x = norm(x.astype(jnp.float32)).astype(self.dtype)
        else:
            x = Norm(self.norm, name="norm")(x)
        return nn.relu(x) if self.relu else x


class Block(nn.Module):
    """Residual block: 1x1, 3x3, 1x1 with four times the features ("bottleneck"), or 3x3, 3x3."""

    features: int
    stride: int
    dilation: int
    bottleneck: bool
    norm: str
    dtype: Dtype

    @nn.compact
    def __call__(self, x: jax.Array, train: bool) -> jax.Array:
        def conv(name: str, features: int, size: int, **settings: Any) -> ConvNormAct:
            relu = name not in ("conv_last", "shortcut")
            return ConvNormAct(
                features, size, norm=self.norm, relu=relu, dtype=self.dtype, name=name, **settings
            )

        spatial = {"stride": self.stride, "dilation": self.dilation}
        if self.bottleneck:
            out = 4 * self.features
            y = conv("conv_0", self.features, 1)(x, train)
            y = conv("conv_1", self.features, 3, **spatial)(y, train)
            y = conv("conv_last", out, 1)(y, train)
        else:
            out = self.features
            y = conv("conv_0", out, 3, **spatial)(x, train)
            y = conv("conv_last", out, 3, dilation=self.dilation)(y, train)
        if x.shape != y.shape:
            x = conv("shortcut", out, 1, stride=self.stride)(x, train)
        return nn.relu(x + y)


def adaptive_average(x: jax.Array, bins: int) -> jax.Array:
    """[B, H, W, C] -> [B, bins, bins, C]: bin i averages rows floor(i H / bins) to ceil((i + 1) H / bins)."""

    def weights(size: int) -> np.ndarray:
        matrix = np.zeros((bins, size), np.float32)
        for i in range(bins):
            start, stop = i * size // bins, -(-(i + 1) * size // bins)
            matrix[i, start:stop] = 1.0 / (stop - start)
        return matrix

    rows, columns = weights(x.shape[1]), weights(x.shape[2])
    return jnp.einsum("ih,jw,bhwc->bijc", rows, columns, x.astype(jnp.float32)).astype(x.dtype)


class SegNet(nn.Module):
    """float [B, H, W, 3] in [-1, 1], H and W multiples of 8 -> `SegNetOutput`.

    With norm "batch", training needs `mutable=["batch_stats"]`. `width` is the features of the first stage,
    `auxiliary_width` those of the auxiliary head, by default a quarter of what it sees. `input` "imagenet" normalises
    pictures first, as networks trained on ImageNet want it.
    """

    classes: int
    backbone: str = "resnet50"
    width: int = 64
    pyramid_width: int = 512
    auxiliary_width: int | None = None
    norm: str = "batch"
    input: str = "symmetric"
    dtype: Dtype = jnp.float32
    size_multiple = SIZE_MULTIPLE  # of heights and widths

    @nn.compact
    def __call__(self, x: jax.Array, train: bool = False) -> SegNetOutput:
        stages, bottleneck, stem = BACKBONES[self.backbone]

        def conv(name: str, features: int, size: int, stride: int = 1) -> ConvNormAct:
            return ConvNormAct(features, size, stride, norm=self.norm, dtype=self.dtype, name=name)

        if self.input == "imagenet":
            x = to_imagenet(x)
        for i, (size, times) in enumerate(stem):
            x = conv(f"stem_{i}", times * self.width, size, 2 if i == 0 else 1)(x, train)
        x = nn.max_pool(x, (3, 3), (2, 2), [(1, 1), (1, 1)])
        before_last = x
        for stage, count in enumerate(stages):
            before_last = x
            for i in range(count):
                # The first block of a dilated stage keeps the dilation of the stage before it.
                first = i == 0
                dilation = DILATIONS[stage] // 2 if first and stage > 1 else DILATIONS[stage]
                shape = self.width * 2**stage, STRIDES[stage] if first else 1, dilation
                name = f"stage_{stage}_block_{i}"
                x = Block(*shape, bottleneck, self.norm, self.dtype, name=name)(x, train)
        pyramid = [x]
        for bins in PYRAMID_BINS:
            branch = conv(f"pyramid_{bins}", self.pyramid_width, 1)
            pooled = branch(adaptive_average(x, bins), train)
            full = (*x.shape[:3], pooled.shape[-1])
            # A map of fewer rows than bins is sampled, not averaged, as PyTorch's interpolation does it.
            pyramid.append(jax.image.resize(pooled, full, "bilinear", antialias=False))
        y = conv("fuse", self.pyramid_width, 3)(jnp.concatenate(pyramid, axis=-1), train)
        logits = Conv(self.classes, 1, dtype=self.dtype, name="logits")(y)
        auxiliary_width = self.auxiliary_width or before_last.shape[-1] // 4
        a = conv("auxiliary", auxiliary_width, 3)(before_last, train)
        auxiliary = Conv(self.classes, 1, dtype=self.dtype, name="auxiliary_logits")(a)
        return SegNetOutput(logits.astype(jnp.float32), auxiliary.astype(jnp.float32))


def full_size(logits: jax.Array) -> jax.Array:
    """Scores at 1/8 scale -> scores at picture scale, bilinear: [B, h, w, K] -> [B, 8h, 8w, K]."""
    batch, height, width, classes = logits.shape
    shape = (batch, height * SIZE_MULTIPLE, width * SIZE_MULTIPLE, classes)
    return jax.image.resize(logits, shape, "bilinear")


def to_labels(logits: jax.Array, void_ids: tuple[int, ...]) -> jax.Array:
    """Scores at 1/8 scale -> the best class that is not void, uint8 [B, H, W]."""
    penalty = np.zeros(logits.shape[-1], np.float32)
    penalty[list(void_ids)] = -np.inf
    return jnp.argmax(full_size(logits) + penalty, axis=-1).astype(jnp.uint8)


def build_segnet(settings: SegNetSettings) -> SegNet:
    """The module that a configuration's or a model directory's settings describe."""
    return built(SegNet, settings)
