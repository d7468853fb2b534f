"""The rate-distortion picture of an evaluation."""

import io
import math
from collections.abc import Sequence
from typing import Any

from dsslic_jax.evaluate.protocols import Protocol
from dsslic_jax.evaluate.tables.means import Mean

_LAYER_MARKERS = {"r": "o-", "c": "*", "w": ".--"}  # by the first letter of a row's layer


def rate_distortion_png(rows: Sequence[Mean], protocol: Protocol) -> bytes:
    """A PNG with two panels: the protocol's PSNR, and MS-SSIM, against its rate.

    One line for each curve; of layered streams, one for each layer, c (x') among them. Points whose quality is
    undefined or infinite are left out; a panel without any says so.
    """
    # Figure without pyplot: no window system, no global state.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 5), layout="constrained")
    FigureCanvasAgg(figure)
    psnr_axes, ms_ssim_axes = figure.subplots(1, 2)
    _draw(psnr_axes, rows, protocol, protocol.quality, "PSNR (dB)")
    _draw(ms_ssim_axes, rows, protocol, "ms_ssim", "MS-SSIM")
    pictures = max(row.pictures for row in rows)
    figure.suptitle(f"Protocol {protocol.name}: whole files, mean over {pictures} picture(s)")
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=120)
    return buffer.getvalue()


def _draw(
    axes: Any, rows: Sequence[Mean], protocol: Protocol, quality: str, quality_label: str
) -> None:
    curves: dict[tuple[str, str], set[tuple[float, float]]] = {}
    for row in rows:
        value = row.metrics.get(quality)
        if value is not None and math.isfinite(value):
            points = curves.setdefault((row.curve, row.layer), set())
            points.add((row.rate(protocol), value))
    for (name, layer), points in curves.items():
        rates, values = zip(*sorted(points), strict=True)
        label = name if layer == "whole" else f"{name} up to {layer}"
        axes.plot(rates, values, _LAYER_MARKERS[layer[0]], label=label)
    axes.set_xlabel(protocol.rate.replace("_", " "))
    axes.set_ylabel(quality_label)
    if curves:
        axes.grid(alpha=0.3)
        axes.legend()
    else:
        axes.text(0.5, 0.5, "not defined for these pictures", ha="center", transform=axes.transAxes)
