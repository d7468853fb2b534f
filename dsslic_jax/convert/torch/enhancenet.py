"""EnhanceNet as a PyTorch module, whose `load_state_dict` takes the `module` layout strictly."""

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from dsslic_jax.models.enhancenet import AROUND, DOUBLING, MIDDLE_ERROR, MIDDLE_STRENGTH, SCALE
from dsslic_jax.models.settings import EnhanceNetSettings

_POSITION = 3 * SCALE * SCALE  # samples of one position


class EnhanceNet(nn.Module):
    """labels [B, H, W], decoded [B, 3, H, W] in [-1, 1], strength float [B] -> [B, 3, H, W]; H and W are even."""

    def __init__(self, settings: EnhanceNetSettings) -> None:
        super().__init__()
        width, blocks, named = settings.width, settings.blocks, settings.label_width
        self.classes, self.blocks, self.width = settings.classes, blocks, width
        self.labels = nn.Conv2d(self.classes, named, 1, bias=False)
        self.stem = nn.Conv2d(2 * _POSITION + named, width, 3, padding=1)
        self.strength_in = nn.Conv2d(1, width, 1)
        self.strength_out = nn.Conv2d(width, 2 * blocks * width, 1)
        for i in range(blocks):
            for end in ("in", "out"):
                self.add_module(f"block_{i}_{end}", nn.Conv2d(width, width, 3, padding=1))
        self.head = nn.Conv2d(width, _POSITION, 3, padding=1)

    def forward(self, labels: Tensor, decoded: Tensor, strength: Tensor) -> Tensor:
        """The decoded picture with its correction, not clipped."""
        one_hot = F.one_hot(labels[:, ::SCALE, ::SCALE].long(), self.classes)
        named = self.labels(one_hot.permute(0, 3, 1, 2).to(decoded.dtype))
        size = MIDDLE_ERROR * torch.exp2((strength - MIDDLE_STRENGTH) / DOUBLING)
        size = size[:, None, None, None]
        seen = [_space_to_depth(x) for x in (decoded, _detail(decoded, size))]
        y = self.stem(torch.cat([*seen, named], dim=1))
        place = (strength / MIDDLE_STRENGTH - 1.0)[:, None, None, None]
        told = self.strength_out(F.relu(self.strength_in(place)))
        told = told.reshape(-1, self.blocks, 2, self.width, 1, 1)
        for i in range(self.blocks):
            inner = getattr(self, f"block_{i}_in")(y)
            inner = F.relu(inner * (1 + told[:, i, 0]) + told[:, i, 1])
            y = y + getattr(self, f"block_{i}_out")(inner)
        return decoded + size * _depth_to_space(self.head(y))


def _detail(picture: Tensor, size: Tensor) -> Tensor:
    """`models.enhancenet._detail`."""
    means = F.pad(F.avg_pool2d(picture, SCALE), (AROUND,) * 4, mode="replicate")
    around = F.avg_pool2d(means, 2 * AROUND + 1, stride=1)
    around = around.repeat_interleave(SCALE, 2).repeat_interleave(SCALE, 3)
    return torch.asinh((picture - around) / size)


def _space_to_depth(x: Tensor) -> Tensor:
    """[B, 3, H, W] -> [B, 12, H/2, W/2]; the channel goes fastest, as in JAX, where PyTorch's own has it slowest."""
    y = F.pixel_unshuffle(x, SCALE).unflatten(1, (3, SCALE * SCALE))
    return y.transpose(1, 2).flatten(1, 2)


def _depth_to_space(y: Tensor) -> Tensor:
    """The inverse of `_space_to_depth`."""
    return F.pixel_shuffle(y.unflatten(1, (SCALE * SCALE, 3)).transpose(1, 2).flatten(1, 2), SCALE)
