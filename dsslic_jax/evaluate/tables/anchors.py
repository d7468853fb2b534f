"""Published rate-distortion figures on Kodak, to set measured ones against.

The numbers stand in `anchors/kodak.json`, each curve with the file it was copied from and that file's licence. They
were not measured here: other machines, other versions, other roundings.
"""

import json
from dataclasses import dataclass
from importlib import resources
from typing import Any


@dataclass(frozen=True)
class PublishedCurve:
    """One codec under protocol `fair`, averaged over the 24 Kodak pictures as `protocols.AVERAGING_TEXT` says."""

    codec: str  # what was measured, with version and colour format
    source: str  # repository and file of the numbers
    licence: str  # SPDX name of that repository's licence
    bits_per_pixel: list[float]  # of the whole files, lowest first; the other two go with it
    psnr_rgb_db: list[float]  # from the mean squared error over all samples
    ms_ssim: list[float]  # over R, G and B, in [0, 1]


@dataclass(frozen=True)
class PosterPoint:
    """What the DSSLIC poster prints for one codec on kodim13: protocol `paper`, one point, two decimals."""

    bits_per_sample: float  # what the poster calls bpp; three times as many bits per pixel
    # Not to be compared with `fair`, since the other codecs coded R, G and B as three grey pictures.
    psnr_db: float
    ms_ssim: float  # in [0, 1]


def published_curves() -> dict[str, PublishedCurve]:
    """The curves by name: "bpg-444", "vtm", "jpeg-420", "jpeg-2000", "webp", "mbt2018" and "cheng2020-anchor"."""
    return {name: PublishedCurve(**curve) for name, curve in _published()["fair"].items()}


def poster_points() -> dict[str, PosterPoint]:
    """The poster's figures on kodim13 by name: "dsslic", "bpg", "webp", "jpeg-2000" and "jpeg"."""
    return {name: PosterPoint(**point) for name, point in _published()["paper"].items()}


def _published() -> Any:
    file = resources.files("dsslic_jax") / "evaluate" / "tables" / "published" / "kodak.json"
    return json.loads(file.read_text(encoding="utf-8"))
