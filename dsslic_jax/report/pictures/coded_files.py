"""The coded files of a run, as a page names and shows them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class CodedFile:
    """One picture coded whole by one codec at one setting.

    Attributes:
        picture: the picture's stem.
        width, height: pixels.
        codec: its name in `evaluate.codecs.registry`.
        curve: the codec and where its labels come from, as tables and plots call it.
        model: fingerprint of the model, in hexadecimal; None for codecs without.
        setting: as results have it.
        num_bytes: those that the rate counts.
        stream: the file itself.
        bits_per_pixel: rate.
        psnr_rgb_db: `inf` for an exact picture; None where it was not measured.
        ms_ssim_db: likewise; None also where undefined.
    """

    picture: str
    width: int
    height: int
    codec: str
    curve: str
    model: str | None
    setting: float
    num_bytes: int
    stream: Path
    bits_per_pixel: float
    psnr_rgb_db: float | None
    ms_ssim_db: float | None


def json_number(value: float | None, decimals: int = 6) -> float | str | None:
    """A number for a page's data, rounded: JSON has no infinity, pages read "inf" as such."""
    if value is None:
        return None
    return "inf" if value == math.inf else round(value, decimals)
