"""x, s -> c -> x': CompNet and FineNet joined, for training as a whole and for coding in two halves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

from dsslic_jax.models.compnet import CompNet
from dsslic_jax.models.finenet import DOWNS, FineNet
from dsslic_jax.models.layers import Dtype, upsample_bilinear
from dsslic_jax.models.pixels import round_to_8_bits


class Coarse(NamedTuple):
    """What the coarse path makes, all float32 NHWC."""

    compact: (
        jax.Array
    )  # c, [B, H/alpha, W/alpha, 3], in [-1, 1]; 8-bit values where the model rounds
    upsampled: jax.Array  # c' = up(c), [B, H, W, 3]
    fine: jax.Array  # f, [B, H, W, 3], in (-1, 1)
    coarse: jax.Array  # x' = c' + f, [B, H, W, 3], in (-2, 2): not clipped


class CoarseModel(nn.Module):
    """CompNet, bilinear upsampling and FineNet as one module; parameters {"compnet": …, "finenet": …}."""

    classes: int
    alpha: int = 8
    compnet_width: int = 64
    finenet_width: int = 64
    finenet_blocks: int = 9
    norm: str = "instance"
    label_conv: str = "auto"
    compact: str = "direct"
    align_corners: bool = False
    round_compact: bool = True
    dtype: Dtype = jnp.float32

    def setup(self) -> None:
        shared: dict[str, Any] = {
            "classes": self.classes,
            "norm": self.norm,
            "label_conv": self.label_conv,
            "dtype": self.dtype,
        }
        self.compnet = CompNet(
            width=self.compnet_width, alpha=self.alpha, compact=self.compact, **shared
        )
        self.finenet = FineNet(width=self.finenet_width, blocks=self.finenet_blocks, **shared)

    def compress(self, labels: jax.Array, picture: jax.Array) -> jax.Array:
        """labels int [B, H, W], x float [B, H, W, 3] in [-1, 1] -> c float [B, H/alpha, W/alpha, 3]."""
        return self.compnet(labels, picture)

    def predict(self, labels: jax.Array, compact: jax.Array) -> Coarse:
        """The decoder's half: labels int [B, H, W] and c (or ĉ) in [-1, 1] -> x' and its parts."""
        upsampled = upsample_bilinear(compact, self.alpha, self.align_corners)
        fine = self.finenet(labels, upsampled)
        return Coarse(compact, upsampled, fine, upsampled + fine)

    def __call__(self, labels: jax.Array, picture: jax.Array) -> Coarse:
        """Both halves, as training runs them: x' from the c that a decoder will hold."""
        compact = self.compress(labels, picture)
        return self.predict(labels, round_to_8_bits(compact) if self.round_compact else compact)

    @property
    def size_multiple(self) -> int:
        """Heights and widths must be multiples of this."""
        return max(self.alpha, 2**DOWNS)

    @property
    def min_size(self) -> int:
        """Smallest height and width that the reflection paddings allow."""
        return max(4 * self.alpha, 2 * 2**DOWNS)


def build_coarse_model(settings: Mapping[str, Any]) -> CoarseModel:
    """The module that a configuration's or a model directory's `model` settings describe."""
    return CoarseModel(
        classes=settings["classes"],
        alpha=settings["alpha"],
        compnet_width=settings["compnet_width"],
        finenet_width=settings["finenet_width"],
        finenet_blocks=settings["finenet_blocks"],
        norm=settings["norm"],
        label_conv=settings["label_conv"],
        compact=settings["compact"],
        align_corners=settings["upsampling"] == "bilinear_corners",
        round_compact=settings["round_compact"],
        dtype=jnp.dtype(settings["dtype"]),
    )
