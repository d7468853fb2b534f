"""The rate-distortion picture of an evaluation."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dsslic_jax.evaluate.report import MeanRow

LAYER_MARKERS = {"r": "o-", "c": "*", "whole": ".--"}
LAYER_NAMES = {"r": "dsslic s+c+r", "c": "dsslic s+c (x')"}


def rate_distortion_png(means: Sequence[MeanRow]) -> bytes:
    """A PNG with two panels: PSNR and MS-SSIM against bits per pixel (protocol fair).

    One curve for each codec, the dsslic stream decoded up to r and up to c (x') each by itself.
    Points whose quality is undefined or infinite are left out; a panel without any says so.
    """
    # Figure without pyplot: no window system, no global state.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 5), layout="constrained")
    FigureCanvasAgg(figure)
    psnr_axes, ms_ssim_axes = figure.subplots(1, 2)
    _draw(psnr_axes, means, "psnr_rgb_db", "RGB PSNR (dB)")
    _draw(ms_ssim_axes, means, "ms_ssim", "MS-SSIM")
    pictures = max(mean.pictures for mean in means)
    figure.suptitle(f"Protocol fair: whole files, mean over {pictures} picture(s)")
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=120)
    return buffer.getvalue()


def _draw(axes: Any, means: Sequence[MeanRow], quality: str, label: str) -> None:
    curves: dict[tuple[str, str], set[tuple[float, float]]] = {}
    for mean in means:
        value = getattr(mean, quality)
        if value is not None and math.isfinite(value):
            points = curves.setdefault((mean.codec, mean.layer), set())
            points.add((mean.bits_per_pixel, value))
    for (codec, layer), points in curves.items():
        rates, values = zip(*sorted(points), strict=True)
        axes.plot(rates, values, LAYER_MARKERS[layer], label=LAYER_NAMES.get(layer, codec))
    axes.set_xlabel("bits per pixel (whole file)")
    axes.set_ylabel(label)
    if curves:
        axes.grid(alpha=0.3)
        axes.legend()
    else:
        axes.text(0.5, 0.5, "not defined for these pictures", ha="center", transform=axes.transAxes)
