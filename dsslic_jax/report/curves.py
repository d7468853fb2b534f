"""The curves of a plot: what was measured, and what others published."""

import math
from collections.abc import Iterable, Sequence

from dsslic_jax.evaluate.protocols import Protocol
from dsslic_jax.evaluate.tables.anchors import poster_points, published_curves
from dsslic_jax.evaluate.tables.means import Mean
from dsslic_jax.metrics import similarity_db
from dsslic_jax.report.plots import CurvePoint, PlottedCurve


def measured_curves(rows: Sequence[Mean], protocol: Protocol) -> list[PlottedCurve]:
    """A curve for each codec, and for each layer but s of layered streams.

    Codecs of another protocol, measured in the same run, are hidden at first.
    """
    points: dict[tuple[str, str], dict[CurvePoint, None]] = {}
    hidden = set()
    for row in rows:
        if row.layer == "s":  # decodes to no picture
            continue
        layer = "c (x')" if row.layer == "c" else row.layer
        name = row.curve if row.is_last_layer else f"{row.curve} up to {layer}"
        # Layer c is the same at every setting: one point.
        setting = "every" if row.layer == "c" else f"{row.setting:g}"
        psnr, ms_ssim = _finite(row.metrics.get(protocol.quality)), _ms_ssim_db(row)
        point = CurvePoint(row.rate(protocol), psnr, ms_ssim, setting)
        points.setdefault((row.curve, name), {})[point] = None
        if row.codec not in protocol.codecs:
            hidden.add(name)
    return [
        PlottedCurve(name=name, points=tuple(of_one), shown=name not in hidden)
        for (_, name), of_one in points.items()
    ]


def published(protocol: Protocol) -> list[PlottedCurve]:
    """What others published for Kodak under a protocol."""
    if protocol.rate == "bits_per_pixel":
        return [
            _published(
                curve.codec,
                zip(curve.bits_per_pixel, curve.psnr_rgb_db, curve.ms_ssim, strict=True),
                f"{curve.source}, {curve.licence}; means over the 24 Kodak pictures",
            )
            for curve in published_curves().values()
        ]
    note = "the DSSLIC poster, kodim13 alone, two decimals"
    return [
        _published(f"{name}, on the poster", [(p.bits_per_sample, p.psnr_db, p.ms_ssim)], note)
        for name, p in poster_points().items()
    ]


def _published(name: str, points: Iterable[tuple[float, float, float]], note: str) -> PlottedCurve:
    """A curve of points (rate, PSNR, MS-SSIM)."""
    plotted = (CurvePoint(rate, psnr, similarity_db(v), "–") for rate, psnr, v in points)
    return PlottedCurve(name, tuple(plotted), shown=False, published=True, note=note)


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _ms_ssim_db(row: Mean) -> float | None:
    """None also where MS-SSIM is defined for some of the pictures alone: the rate is of all of them."""
    similarity = row.metrics.get("ms_ssim")
    if similarity is None or row.metric_pictures.get("ms_ssim") != row.pictures:
        return None
    return _finite(similarity_db(similarity))
