"""The curves of a plot: what was measured, and what others published."""

from __future__ import annotations

import math
from collections.abc import Sequence

from dsslic_jax.evaluate.protocols import Protocol
from dsslic_jax.evaluate.tables.anchors import poster_points, published_curves
from dsslic_jax.evaluate.tables.means import Mean
from dsslic_jax.metrics import similarity_db
from dsslic_jax.report.plots import Curve, CurvePoint


def measured_curves(rows: Sequence[Mean], protocol: Protocol) -> list[Curve]:
    """A curve for each codec, and for each layer but s of layered streams.

    Codecs of another protocol, measured in the same run, are hidden at first.
    """
    points: dict[tuple[str, str], dict[CurvePoint, None]] = {}
    hidden = set()
    for row in rows:
        if row.layer == "s":  # decodes to no picture
            continue
        name = row.curve if row.is_last_layer else f"{row.curve} up to {_layer_text(row.layer)}"
        # Layer c is the same at every setting: one point.
        setting = "every" if row.layer == "c" else f"{row.setting:g}"
        psnr, ms_ssim = _finite(row.metrics.get(protocol.quality)), _ms_ssim_db(row)
        point = CurvePoint(row.rate(protocol), psnr, ms_ssim, setting)
        points.setdefault((row.curve, name), {})[point] = None
        if row.codec not in protocol.codecs:
            hidden.add(name)
    return [
        Curve(name=name, points=tuple(of_one), shown=name not in hidden)
        for (_, name), of_one in points.items()
    ]


def published(protocol: Protocol) -> list[Curve]:
    """What others published for Kodak under a protocol."""
    if protocol.rate == "bits_per_pixel":
        return [
            Curve(
                name=curve.codec,
                points=tuple(
                    CurvePoint(rate, psnr, similarity_db(similarity), "–")
                    for rate, psnr, similarity in zip(
                        curve.bits_per_pixel, curve.psnr_rgb_db, curve.ms_ssim, strict=True
                    )
                ),
                shown=False,
                published=True,
                note=f"{curve.source}, {curve.licence}; means over the 24 Kodak pictures",
            )
            for curve in published_curves().values()
        ]
    return [
        Curve(
            name=f"{name}, on the poster",
            points=(
                CurvePoint(point.bits_per_sample, point.psnr_db, similarity_db(point.ms_ssim), "–"),
            ),
            shown=False,
            published=True,
            note="the DSSLIC poster, kodim13 alone, two decimals",
        )
        for name, point in poster_points().items()
    ]


def _layer_text(layer: str) -> str:
    return "c (x')" if layer == "c" else layer


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _ms_ssim_db(row: Mean) -> float | None:
    """None also where MS-SSIM is defined for some of the pictures alone: the rate is of all of them."""
    similarity = row.metrics.get("ms_ssim")
    if similarity is None or row.metric_pictures.get("ms_ssim") != row.pictures:
        return None
    return _finite(similarity_db(similarity))
