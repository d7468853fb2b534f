"""The networks as PyTorch modules, whose `load_state_dict` takes the `module` layout strictly.

Pictures are float [B, 3, H, W] in [-1, 1], labels integers [B, H, W]: as in `dsslic_jax/models` but for the order of
axes. For inference: batch norms use their running statistics.
"""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from dsslic_jax.convert.discriminator import StoredDiscriminator
from dsslic_jax.models.compnet import CORRECTION
from dsslic_jax.models.pixels import from_rgb, to_rgb
from dsslic_jax.models.settings import CoarseSettings


def norm(kind: str, features: int) -> nn.Module:
    """The norm of `models.layers.Norm`."""
    if kind == "instance":
        return nn.InstanceNorm2d(features)
    if kind == "group":
        groups = max(g for g in range(1, 9) if features % g == 0)
        return nn.GroupNorm(groups, features, eps=1e-6)  # Flax's default, not PyTorch's
    if kind == "batch":
        return nn.BatchNorm2d(features)
    return nn.Identity()


def _reflecting(inputs: int, outputs: int, size: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, size, padding=size // 2, padding_mode="reflect")


def _pixels_and_labels(labels: Tensor, picture: Tensor, classes: int) -> Tensor:
    """What the stems see: one-hot labels and the picture, [B, classes + 3, H, W]."""
    one_hot = F.one_hot(labels.long(), classes).permute(0, 3, 1, 2)
    return torch.cat([one_hot.to(picture.dtype), picture], dim=1)


class _Chain(nn.Module):
    """Residual blocks, and convolutions each with the norm `<name>_norm` and ReLU, run in the order of adding."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self._kind = kind
        self._order: list[str] = []

    def append(self, name: str, module: nn.Conv2d | nn.ConvTranspose2d | ResidualBlock) -> None:
        """Adds a convolution and its norm, or a residual block."""
        self.add_module(name, module)
        if not isinstance(module, ResidualBlock):
            self.add_module(f"{name}_norm", norm(self._kind, module.out_channels))
        self._order.append(name)

    def run(self, y: Tensor) -> Tensor:
        """All of them one after the other."""
        for name in self._order:
            module = getattr(self, name)
            y = module(y)
            if not isinstance(module, ResidualBlock):
                y = F.relu(getattr(self, f"{name}_norm")(y))
        return y


class ResidualBlock(nn.Module):
    """x + two reflection-padded convolutions, each with its norm."""

    def __init__(self, features: int, kind: str) -> None:
        super().__init__()
        self.conv_0, self.conv_1 = (_reflecting(features, features, 3) for _ in range(2))
        self.norm_0, self.norm_1 = (norm(kind, features) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, H, W] -> the same shape."""
        return x + self.norm_1(self.conv_1(F.relu(self.norm_0(self.conv_0(x)))))


class CompNet(_Chain):
    """labels [B, H, W], picture [B, 3, H, W] -> c [B, 3, H/alpha, W/alpha]."""

    def __init__(self, settings: CoarseSettings) -> None:
        super().__init__(settings.norm)
        self.classes, self.alpha = settings.classes, settings.alpha
        self.corrects = settings.compact == "average"
        features = width = settings.compnet_width
        self.append("stem", _reflecting(self.classes + 3, width, 7))
        for i in range(self.alpha.bit_length() - 1):
            inputs, features = features, width * min(2 ** (i + 1), 8)
            self.append(f"down_{i}", nn.Conv2d(inputs, features, 3, 2, 1))
        self.head = _reflecting(features, 3, 7)

    def forward(self, labels: Tensor, picture: Tensor) -> Tensor:
        """c in (-1, 1)."""
        y = self.head(self.run(_pixels_and_labels(labels, picture, self.classes)))
        if self.corrects:
            average = F.avg_pool2d(picture, self.alpha).clamp(-0.99, 0.99)
            y = torch.atanh(average) + CORRECTION * y
        return torch.tanh(y)


class FineNet(_Chain):
    """labels [B, H, W], c' [B, 3, H, W] -> f [B, 3, H, W]."""

    def __init__(self, settings: CoarseSettings) -> None:
        super().__init__(settings.norm)
        self.classes = settings.classes
        width, downs = settings.finenet_width, settings.finenet_downs
        self.append("stem", _reflecting(self.classes + 3, width, 7))
        for i in range(downs):
            inputs = width * 2**i
            self.append(f"down_{i}", nn.Conv2d(inputs, 2 * inputs, 3, 2, 1))
        for i in range(settings.finenet_blocks):
            self.append(f"block_{i}", ResidualBlock(width * 2**downs, settings.norm))
        for i in range(downs):
            inputs = width * 2 ** (downs - i)
            self.append(f"up_{i}", nn.ConvTranspose2d(inputs, inputs // 2, 3, 2, 1, 1))
        self.head = _reflecting(width, 3, 7)

    def forward(self, labels: Tensor, upsampled: Tensor) -> Tensor:
        """f in (-1, 1)."""
        y = self.run(_pixels_and_labels(labels, upsampled, self.classes))
        return torch.tanh(self.head(y))


class PatchDiscriminator(nn.Module):
    """[B, C, H, W] -> every layer's output, the last being logits [B, 1, h, w]."""

    def __init__(self, settings: StoredDiscriminator) -> None:
        super().__init__()
        self.layers, features = settings.layers, settings.channels
        for i in range(self.layers + 1):
            inputs, features = features, settings.width * min(2**i, 8)
            stride = 2 if i < self.layers else 1
            self.add_module(f"conv_{i}", nn.Conv2d(inputs, features, 4, stride, 2))
            if i > 0:
                self.add_module(f"norm_{i}", norm(settings.norm, features))
        self.logits = nn.Conv2d(features, 1, 4, padding=2)

    def forward(self, x: Tensor) -> list[Tensor]:
        """Runs the layers."""
        outputs = []
        for i in range(self.layers + 1):
            x = getattr(self, f"conv_{i}")(x)
            x = F.leaky_relu(getattr(self, f"norm_{i}")(x) if i > 0 else x, 0.2)
            outputs.append(x)
        return [*outputs, self.logits(x)]


class Discriminator(nn.Module):
    """[B, C, H, W] -> for each scale, full resolution first, the outputs of a `PatchDiscriminator`."""

    def __init__(self, settings: StoredDiscriminator) -> None:
        super().__init__()
        self.scales = settings.scales
        for i in range(self.scales):
            self.add_module(f"scale_{i}", PatchDiscriminator(settings))

    def forward(self, x: Tensor) -> list[list[Tensor]]:
        """Runs every scale."""
        outputs = []
        for i in range(self.scales):
            x = F.avg_pool2d(x, 3, 2, 1, count_include_pad=False) if i > 0 else x
            outputs.append(getattr(self, f"scale_{i}")(x))
        return outputs


class _Coarse(nn.Module):
    """What encoder and decoder share: the way between RGB and the colour that the networks are in."""

    def __init__(self, settings: CoarseSettings) -> None:
        super().__init__()
        for name, change in (("_from_rgb", from_rgb), ("_to_rgb", to_rgb)):
            # Linear without an offset: the unit vectors tell the matrix. Not part of the weights.
            matrix = np.array(change(jnp.eye(3), settings.colour)).T
            self.register_buffer(name, torch.from_numpy(matrix.copy()), persistent=False)

    def changed(self, picture: Tensor, name: str) -> Tensor:
        """The picture with its three planes changed by a matrix."""
        return F.conv2d(picture, getattr(self, name)[:, :, None, None])


class Encoder(_Coarse):
    """The encoder's half: labels [B, H, W], RGB [B, 3, H, W] -> c [B, 3, H/alpha, W/alpha] in the model's colour."""

    def __init__(self, settings: CoarseSettings) -> None:
        super().__init__(settings)
        self.alpha, self.compact = settings.alpha, settings.compact
        if self.compact != "mean":
            self.compnet = CompNet(settings)

    def forward(self, labels: Tensor, picture: Tensor) -> Tensor:
        """c in [-1, 1]: ĉ is it, rounded to 8 bits."""
        picture = self.changed(picture, "_from_rgb")
        if self.compact == "mean":
            return F.avg_pool2d(picture, self.alpha)
        return self.compnet(labels, picture)


class Decoder(_Coarse):
    """The decoder's half: labels [B, H, W], c [B, 3, H/alpha, W/alpha] -> x' [B, 3, H, W], RGB, not clipped."""

    def __init__(self, settings: CoarseSettings) -> None:
        super().__init__(settings)
        self.alpha = settings.alpha
        self.align_corners = settings.upsampling == "bilinear_corners"
        self.refines = settings.finenet_width > 0
        if self.refines:
            self.finenet = FineNet(settings)

    def upsample(self, compact: Tensor) -> Tensor:
        """c -> c' in the model's colour."""
        factor = float(self.alpha)
        return F.interpolate(
            compact, scale_factor=factor, mode="bilinear", align_corners=self.align_corners
        )

    def forward(self, labels: Tensor, compact: Tensor) -> Tensor:
        """x' = c' + f."""
        coarse = self.upsample(compact)
        if self.refines:
            coarse = coarse + self.finenet(labels, coarse)
        return self.changed(coarse, "_to_rgb")
