"""SegNet as a PyTorch module, whose `load_state_dict` takes the `module` layout strictly."""

from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from dsslic_jax.convert.torch.coarse import norm
from dsslic_jax.models.pixels import IMAGENET_MEAN, IMAGENET_STD
from dsslic_jax.models.segnet import BACKBONES, DILATIONS, PYRAMID_BINS, STRIDES
from dsslic_jax.models.settings import SegNetSettings


class ConvNormAct(nn.Module):
    """Convolution without bias, norm and, where asked for, ReLU."""

    def __init__(
        self,
        inputs: int,
        features: int,
        size: int,
        stride: int = 1,
        dilation: int = 1,
        kind: str = "batch",
        relu: bool = True,
    ) -> None:
        super().__init__()
        padding = dilation * (size // 2)
        self.conv = nn.Conv2d(inputs, features, size, stride, padding, dilation, bias=False)
        self.norm = norm(kind, features)
        self.relu = relu

    def forward(self, x: Tensor) -> Tensor:
        """[B, inputs, H, W] -> [B, features, H/stride, W/stride]."""
        x = self.norm(self.conv(x))
        return F.relu(x) if self.relu else x


class Block(nn.Module):
    """Residual block: 1x1, 3x3, 1x1 with four times the features ("bottleneck"), or 3x3, 3x3."""

    def __init__(
        self, inputs: int, features: int, stride: int, dilation: int, bottleneck: bool, kind: str
    ) -> None:
        super().__init__()
        spatial: dict[str, Any] = {"dilation": dilation, "kind": kind}
        self.bottleneck = bottleneck
        if bottleneck:
            self.outputs = 4 * features
            self.conv_0 = ConvNormAct(inputs, features, 1, kind=kind)
            self.conv_1 = ConvNormAct(features, features, 3, stride, **spatial)
            self.conv_last = ConvNormAct(features, self.outputs, 1, kind=kind, relu=False)
        else:
            self.outputs = features
            self.conv_0 = ConvNormAct(inputs, features, 3, stride, **spatial)
            self.conv_last = ConvNormAct(features, features, 3, relu=False, **spatial)
        self.shortcut: nn.Module | None = None
        if stride != 1 or inputs != self.outputs:
            self.shortcut = ConvNormAct(inputs, self.outputs, 1, stride, kind=kind, relu=False)

    def forward(self, x: Tensor) -> Tensor:
        """[B, inputs, H, W] -> [B, outputs, H/stride, W/stride]."""
        y = self.conv_0(x)
        y = self.conv_last(self.conv_1(y) if self.bottleneck else y)
        return F.relu(y + (x if self.shortcut is None else self.shortcut(x)))


class SegNet(nn.Module):
    """x [B, 3, H, W], H and W multiples of 8 -> scores and the auxiliary head's, each [B, K, H/8, W/8]."""

    def __init__(self, settings: SegNetSettings) -> None:
        super().__init__()
        kind, width, pyramid = settings.norm, settings.width, settings.pyramid_width
        stages, bottleneck, stem = BACKBONES[settings.backbone]
        self.imagenet = settings.input == "imagenet"
        self._stem, self._blocks = [], []
        features = 3
        for i, (size, times) in enumerate(stem):
            convolution = ConvNormAct(features, times * width, size, 2 if i == 0 else 1, kind=kind)
            self._stem.append(self._added(f"stem_{i}", convolution))
            features = times * width
        for stage, count in enumerate(stages):
            before_last = features
            for i in range(count):
                first = i == 0
                dilation = DILATIONS[stage] // 2 if first and stage > 1 else DILATIONS[stage]
                stride = STRIDES[stage] if first else 1
                block = Block(features, width * 2**stage, stride, dilation, bottleneck, kind)
                self._blocks.append(self._added(f"stage_{stage}_block_{i}", block))
                features = block.outputs
        self._last = f"stage_{len(stages) - 1}_block_0"
        for bins in PYRAMID_BINS:
            self._added(f"pyramid_{bins}", ConvNormAct(features, pyramid, 1, kind=kind))
        fused = features + len(PYRAMID_BINS) * pyramid
        self.fuse = ConvNormAct(fused, pyramid, 3, kind=kind)
        self.logits = nn.Conv2d(pyramid, settings.classes, 1)
        auxiliary = settings.auxiliary_width or before_last // 4
        self.auxiliary = ConvNormAct(before_last, auxiliary, 3, kind=kind)
        self.auxiliary_logits = nn.Conv2d(auxiliary, settings.classes, 1)

    def _added(self, name: str, module: nn.Module) -> str:
        self.add_module(name, module)
        return name

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Runs the network."""
        if self.imagenet:
            mean, std = (x.new_tensor(t)[:, None, None] for t in (IMAGENET_MEAN, IMAGENET_STD))
            x = ((x + 1.0) / 2.0 - mean) / std
        for name in self._stem:
            x = getattr(self, name)(x)
        x = F.max_pool2d(x, 3, 2, 1)
        before_last = x
        for name in self._blocks:
            before_last = x if name == self._last else before_last
            x = getattr(self, name)(x)
        pyramid = [x]
        for bins in PYRAMID_BINS:
            pooled = getattr(self, f"pyramid_{bins}")(F.adaptive_avg_pool2d(x, bins))
            pyramid.append(F.interpolate(pooled, x.shape[2:], mode="bilinear"))
        logits = self.logits(self.fuse(torch.cat(pyramid, dim=1)))
        return logits, self.auxiliary_logits(self.auxiliary(before_last))
