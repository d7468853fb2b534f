"""x, s -> c -> x': CompNet and FineNet joined, for training as a whole and for coding in two halves."""

from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

from dsslic_jax.models import compnet, finenet
from dsslic_jax.models.compnet import CompNet, block_average
from dsslic_jax.models.finenet import DOWNS, FineNet
from dsslic_jax.models.layers import Dtype, built, upsample_bilinear
from dsslic_jax.models.pixels import from_rgb, round_to_8_bits, to_rgb
from dsslic_jax.models.settings import CoarseSettings


class Coarse(NamedTuple):
    """What the coarse path makes, all float32 NHWC."""

    # c, [B, H/alpha, W/alpha, 3], in [-1, 1], in the model's colour; 8-bit values where the model rounds
    compact: jax.Array
    upsampled: jax.Array  # c' = up(c), [B, H, W, 3], RGB
    fine: jax.Array  # f, [B, H, W, 3], in (-1, 1), in the model's colour
    coarse: jax.Array  # x' = c' + f, [B, H, W, 3], RGB: not clipped


class CoarseModel(nn.Module):
    """CompNet, bilinear upsampling and FineNet as one module; parameters {"compnet": …, "finenet": …}.

    `colour` is what the networks and c are in, "rgb" or "ycbcr"; pictures go in and come out as RGB. With norm
    "batch", `train` takes the batch's statistics and needs `mutable=["batch_stats"]`. `compact` "mean" is the block
    average itself, without CompNet; `finenet_width` 0 leaves FineNet out: x' = c'.
    """

    classes: int
    alpha: int = 8
    compnet_width: int = 64
    finenet_width: int = 64
    finenet_blocks: int = 9
    finenet_downs: int = DOWNS
    norm: str = "instance"
    label_conv: str = "auto"
    compact: str = "direct"
    align_corners: bool = False
    colour: str = "rgb"
    round_compact: bool = True
    dtype: Dtype = jnp.float32

    def setup(self) -> None:
        shared = self.norm, self.label_conv
        if self.compact != "mean":
            self.compnet = CompNet(
                self.classes, self.compnet_width, self.alpha, *shared, self.compact, self.dtype
            )
        if self.finenet_width:
            layers = self.finenet_blocks, self.finenet_downs
            self.finenet = FineNet(self.classes, self.finenet_width, *layers, *shared, self.dtype)

    def compress(self, labels: jax.Array, picture: jax.Array, train: bool = False) -> jax.Array:
        """labels int [B, H, W], x float [B, H, W, 3] in [-1, 1] -> c float [B, H/alpha, W/alpha, 3]."""
        picture = from_rgb(picture, self.colour)
        if self.compact == "mean":
            return block_average(picture, self.alpha)
        return self.compnet(labels, picture, train)

    def upsample(self, compact: jax.Array) -> jax.Array:
        """c (or ĉ) -> c' float [B, H, W, 3], RGB: x' without FineNet."""
        return to_rgb(upsample_bilinear(compact, self.alpha, self.align_corners), self.colour)

    def predict(self, labels: jax.Array, compact: jax.Array, train: bool = False) -> Coarse:
        """The decoder's half: labels int [B, H, W] and c (or ĉ) in [-1, 1] -> x' and its parts."""
        upsampled = upsample_bilinear(compact, self.alpha, self.align_corners)
        fine = jnp.zeros_like(upsampled)
        if self.finenet_width:
            fine = self.finenet(labels, upsampled, train)
        coarse = upsampled + fine
        return Coarse(compact, to_rgb(upsampled, self.colour), fine, to_rgb(coarse, self.colour))

    def predict_rows(
        self, labels: jax.Array, compact: jax.Array, rows: tuple[jax.Array, int]
    ) -> jax.Array:
        """x' of rows (first, how many), RGB: from labels int [B, rows, W] of these alone, and all of ĉ.

        What a norm finds in them it takes for the whole picture: see `codec.networks.finenet_bands`.
        """
        upsampled = upsample_bilinear(compact, self.alpha, self.align_corners, rows)
        return to_rgb(upsampled + self.finenet(labels, upsampled), self.colour)

    def __call__(self, labels: jax.Array, picture: jax.Array, train: bool = False) -> Coarse:
        """Both halves, as training runs them: x' from the c that a decoder will hold."""
        compact = self.compress(labels, picture, train)
        if self.round_compact:
            compact = round_to_8_bits(compact)
        return self.predict(labels, compact, train)

    @property
    def size_multiple(self) -> int:
        """Heights and widths must be multiples of this."""
        return max(self.alpha, 2**self.finenet_downs if self.finenet_width else 1)

    @property
    def compnet_min_size(self) -> int:
        """`min_size` of the encoder's half alone."""
        return compnet.min_size(self.alpha, self.compact)

    @property
    def min_size(self) -> int:
        """Smallest height and width that the reflection paddings allow."""
        return max(self.compnet_min_size, 2 * 2**self.finenet_downs if self.finenet_width else 1)

    @property
    def compnet_radius(self) -> int:
        """Pixels beyond its own alpha x alpha block that a pixel of c depends on, in a model that runs in windows."""
        if self.compact == "mean":
            return 0
        first, last = compnet.rows_seen(0, self.alpha)
        return max(-first, last - (self.alpha - 1))

    @property
    def finenet_radius(self) -> int:
        """Pixels around it that a pixel of x' depends on, likewise; a pixel of ĉ covers alpha x alpha of them."""
        reaches = []
        for row in range(self.size_multiple):
            first = last = row
            if self.finenet_width:
                first, last = finenet.rows_seen(row, self.finenet_blocks, self.finenet_downs)
            # Row q of c' lies between row floor((q + 1/2) / alpha - 1/2) of ĉ and the next.
            above, below = ((2 * q + 1 - self.alpha) // (2 * self.alpha) for q in (first, last))
            reaches += [row - self.alpha * above, self.alpha * (below + 2) - 1 - row]
        return max(reaches)


def build_coarse_model(settings: CoarseSettings) -> CoarseModel:
    """The module that a configuration's or a model directory's settings describe."""
    align_corners = settings.upsampling == "bilinear_corners"
    return built(CoarseModel, settings, align_corners=align_corners)
