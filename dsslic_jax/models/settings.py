"""Settings of the networks. Light to import: neither JAX nor a network comes with it."""

from dataclasses import dataclass
from typing import Any

from dsslic_jax.settings.fields import Settings, setting

MOST_CLASSES = 256  # ids are bytes
_MOST_FEATURES = 1 << 14  # far above any that is meant, as are the numbers of blocks
_MOST_BLOCKS = 256
PRECISIONS = ("float32", "bfloat16")
BACKBONES = tuple(
    name for depth in (18, 34, 50, 101) for name in (f"resnet{depth}", f"resnet{depth}_7x7")
)


def _classes() -> Any:
    return setting(
        0, "K, void included; 0: the class table's own", at_least=0, at_most=MOST_CLASSES
    )


def _width(default: int, meaning: str, at_least: int = 1, **known: Any) -> Any:
    return setting(default, meaning, at_least=at_least, at_most=_MOST_FEATURES, **known)


def _dtype() -> Any:
    return setting(
        "float32", "of the network's arithmetic", choices=PRECISIONS, follows="precision"
    )


@dataclass(frozen=True)
class CoarseSettings(Settings):
    """CompNet and FineNet."""

    classes: int = _classes()
    alpha: int = setting(8, "c is 1/alpha of the picture a side", choices=(8, 16, 32, 64))
    compnet_width: int = _width(64, "features of CompNet's first convolution; doubles to 8x")
    finenet_width: int = _width(
        64, "features of FineNet's first convolution; 0: without FineNet, x' = c'", at_least=0
    )
    finenet_blocks: int = setting(
        9, "residual blocks at 1/2**finenet_downs scale", at_least=0, at_most=_MOST_BLOCKS
    )
    finenet_downs: int = setting(3, "stride-2 convolutions before them", at_least=1, at_most=6)
    norm: str = setting(
        "instance",
        '"instance" and "group" look at the whole picture; "batch" (its statistics are fixed after training) and '
        '"none" do not, so that large pictures are run in windows',
        choices=("instance", "group", "batch", "none"),
        origin="poster",
    )
    colour: str = setting(
        "rgb", 'of c and inside the networks; "ycbcr": full-range BT.601', choices=("rgb", "ycbcr")
    )
    compact: str = setting(
        "direct",
        'CompNet makes c (poster), or corrects the block "average" of x; "mean" is that average, without CompNet',
        choices=("direct", "average", "mean"),
    )
    label_conv: str = setting(
        "auto",
        'first 7x7 on labels: "dense", "lookup" or the faster measured',
        choices=("auto", "dense", "lookup"),
    )
    upsampling: str = setting(
        "bilinear",
        'of c; "bilinear_corners" (reference): corners aligned',
        choices=("bilinear", "bilinear_corners"),
    )
    round_compact: bool = setting(
        True, "train on the 8-bit c that a decoder has (straight-through); False: reference"
    )
    dtype: str = _dtype()

    @property
    def runs_in_windows(self) -> bool:
        """Whether nothing looks at the whole picture, so that large ones may be run in overlapping windows."""
        networks = self.compact != "mean" or self.finenet_width > 0
        fixed = self.norm in ("batch", "none") or not networks
        return fixed and self.upsampling != "bilinear_corners"


@dataclass(frozen=True)
class SegNetSettings(Settings):
    """SegNet: PSPNet on a dilated residual network."""

    classes: int = _classes()
    backbone: str = setting(
        "resnet50",
        'dilated, output at 1/8 scale; with a stem of three 3x3 convolutions, "_7x7" with that of ImageNet\'s ResNets',
        choices=("small", *BACKBONES),
    )
    width: int = _width(64, "features of the first stage")
    pyramid_width: int = _width(512, "features of each pyramid pooling branch")
    auxiliary_width: int | None = _width(
        None,  # type: ignore[arg-type]
        "features of the auxiliary head; None: a quarter of what it sees",
    )
    input: str = setting(
        "symmetric",
        'pixels in [-1, 1]; "imagenet": by ImageNet\'s mean and deviation',
        choices=("symmetric", "imagenet"),
    )
    norm: str = setting("batch", "after each convolution", choices=("batch", "group"))
    dtype: str = _dtype()


@dataclass(frozen=True)
class EnhanceNetSettings(Settings):
    """EnhanceNet."""

    classes: int = _classes()
    width: int = _width(48, "features at half resolution")
    blocks: int = setting(5, "of two convolutions", at_least=1, at_most=_MOST_BLOCKS)
    label_width: int = _width(8, "features that a class becomes", at_least=0)
    dtype: str = _dtype()


@dataclass(frozen=True)
class DiscriminatorSettings(Settings):
    """The multi-scale discriminator, which trains CompNet and FineNet and is no part of a model."""

    width: int = _width(64, "features of the first convolution; doubles to 8x")
    layers: int = setting(3, "stride-2 convolutions of each scale", at_least=1, at_most=8)
    scales: int = setting(2, "each sees half the size of the one before", at_least=1, at_most=6)
    norm: str = setting(
        "instance", "after each convolution but the first", choices=("instance", "group", "none")
    )
    sees_compact: bool = setting(True, "D(s, c', image) (poster); False: D(s, image) (reference)")
    dtype: str = _dtype()
