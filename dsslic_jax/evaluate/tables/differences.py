"""Bjøntegaard differences of every curve to one of them, the anchor.

They are taken picture by picture and then averaged. Those of mean curves would depend on what a setting holds constant:
a codec told its rate would be averaged over pictures of equal rate, one told its quantiser over unequal ones.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from dsslic_jax.errors import ConfigError, DataError
from dsslic_jax.evaluate.measuring.store import Measurement
from dsslic_jax.evaluate.protocols import Protocol
from dsslic_jax.evaluate.tables.means import csv_bytes
from dsslic_jax.metrics import Difference, bd_psnr_db, bd_rate_percent, similarity_db

MS_SSIM_DB = "ms_ssim_db"  # -10 log10(1 - MS-SSIM)


@dataclass(frozen=True)
class CurveDifference:
    """How far a curve lies from the anchor."""

    protocol: str  # its name
    anchor: str  # as results call it, as `curve` is
    curve: str
    quality: str  # "psnr_rgb_db", "psnr_channel_mean_db" or "ms_ssim_db"
    # Per cent more rate at equal quality, mean over the pictures, as are the ends of what it was taken over; None
    # where no picture's curves can be compared.
    rate: Difference | None = None
    gain: Difference | None = None  # dB more quality at equal rate; likewise
    pictures: int = 0  # over how many pictures
    note: str = ""  # why not over all of them


def find_anchor(name: str, curves: Sequence[str]) -> str:
    """The curve called `name`, or the only one of the codec called so. Raises ConfigError where there is none."""
    if name in curves:
        return name
    found = [curve for curve in curves if curve.partition(":")[0] == name]
    if len(found) != 1:
        raise ConfigError(f"the anchor {name} is none of what is measured: {', '.join(curves)}")
    return found[0]


def differences(
    lines: Iterable[Measurement], protocol: Protocol, anchor: str
) -> list[CurveDifference]:
    """Every curve but the anchor, in PSNR and in MS-SSIM; prefixes of layered streams are not looked at."""
    curves: dict[str, dict[str, list[Measurement]]] = {}
    for line in lines:
        if line.is_last_layer:
            curves.setdefault(line.curve, {}).setdefault(line.picture, []).append(line)
    return [
        _difference((protocol.name, anchor, name, quality), protocol, curves[anchor], pictures)
        for quality in (protocol.quality, MS_SSIM_DB)
        for name, pictures in curves.items()
        if name != anchor
    ]


def _difference(
    names: tuple[str, str, str, str],
    protocol: Protocol,
    anchor: Mapping[str, Sequence[Measurement]],
    tested: Mapping[str, Sequence[Measurement]],
) -> CurveDifference:
    rates, gains, problems = [], [], []
    for picture, points in tested.items():
        try:
            if picture not in anchor:
                raise DataError("not measured with the anchor")
            axes = *_axes(anchor[picture], protocol, names[3]), *_axes(points, protocol, names[3])
            if not axes[2]:
                raise DataError(f"{names[3]} is not defined")
            rate, gain = bd_rate_percent(*axes), bd_psnr_db(*axes)
        except DataError as error:
            problems.append(f"{picture}: {error}")
            continue
        rates.append(rate)
        gains.append(gain)
    note = f"{len(problems)} of {len(tested)} left out, {problems[0]}" if problems else ""
    return CurveDifference(*names, _mean(rates), _mean(gains), len(rates), note)


def _axes(
    points: Sequence[Measurement], protocol: Protocol, quality: str
) -> tuple[list[float], list[float]]:
    """Rates and qualities of the points that have one, lossless points left out."""
    rates, qualities = [], []
    for point in points:
        value = point.metrics.get("ms_ssim" if quality == MS_SSIM_DB else quality)
        if value is not None and quality == MS_SSIM_DB:
            value = similarity_db(value)
        if value is not None and math.isfinite(value):
            rates.append(float(getattr(point, protocol.rate)))
            qualities.append(value)
    return rates, qualities


def _mean(found: Sequence[Difference]) -> Difference | None:
    return Difference(*np.mean(found, axis=0).tolist()) if found else None


def differences_csv(found: Sequence[CurveDifference]) -> bytes:
    """One row for each difference."""
    unknown = (None, None, None)
    rate, gain = (
        ("bd_rate_percent", "quality_low", "quality_high"),
        ("bd_psnr_db", "rate_low", "rate_high"),
    )
    return csv_bytes(
        {name: getattr(row, name) for name in ("protocol", "anchor", "curve", "quality")}
        | dict(zip(rate, row.rate or unknown, strict=True))
        | dict(zip(gain, row.gain or unknown, strict=True))
        | {"pictures": row.pictures, "note": row.note}
        for row in found
    )
