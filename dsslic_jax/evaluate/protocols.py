"""The two ways of measuring, each always named beside its figures."""

from dataclasses import dataclass

from dsslic_jax.errors import ConfigError

AVERAGING_TEXT = (
    "per (codec, labels, setting, layer), every picture weighs the same: mean of the rates, mean of the pictures' dB "
    "values, mean of each other metric over the pictures where it is defined; Bjøntegaard differences are taken "
    "picture by picture, then averaged"
)


@dataclass(frozen=True)
class Protocol:
    """What is measured and how it is counted."""

    name: str  # "fair" or "paper"
    codecs: tuple[str, ...]  # measured unless others are named
    rate: str  # the measured column that is its rate
    quality: str  # likewise
    anchor: str  # the codec that Bjøntegaard differences are taken against unless another is named
    means: str  # for readers of the results


PROTOCOLS = {
    "fair": Protocol(
        name="fair",
        codecs=("jpeg", "jpeg420", "jpeg2000", "webp", "avif", "jxl", "heic", "bpg", "dsslic"),
        rate="bits_per_pixel",
        quality="psnr_rgb_db",
        anchor="bpg",
        means=(
            "rate is bits per pixel of the whole file as written, header included; every codec in its normal best "
            "colour mode; RGB PSNR from the mean squared error over all samples"
        ),
    ),
    "paper": Protocol(
        name="paper",
        codecs=("jpeg_planes", "jpeg2000_planes", "webp_planes", "bpg_rgb", "dsslic"),
        rate="bits_per_sample",
        quality="psnr_channel_mean_db",
        anchor="bpg_rgb",
        means=(
            "as published figures were made: rate is bits per sample, three to a pixel; JPEG, JPEG 2000 and WebP code "
            "R, G and B as three grey pictures, BPG codes RGB; PSNR is the mean of those of R, G and B"
        ),
    ),
}


def protocol(name: str) -> Protocol:
    """The protocol called `name`. Raises ConfigError where there is none."""
    if name not in PROTOCOLS:
        raise ConfigError(f"unknown protocol {name!r}; known: {', '.join(PROTOCOLS)}")
    return PROTOCOLS[name]
