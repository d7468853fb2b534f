"""Rate-distortion plots: Bokeh's own description of them, which its script in the page draws."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

# Hues that are told apart on white and on near-black; line styles and markers differ too.
_COLOURS = ("#d9480f", "#2f86d6", "#2a9d6b", "#8061c4", "#b5578f", "#b98a1d", "#1397a8", "#7d8894")
_MARKERS = ("circle", "square", "triangle", "diamond", "inverted_triangle", "hex", "plus", "star")
_HEIGHT_PX = 380
Scale = Literal["linear", "log"]
_SCALES: tuple[Scale, ...] = ("linear", "log")


@dataclass(frozen=True)
class CurvePoint:
    """One point of a curve; None for a quality that is not defined or infinite."""

    rate: float
    psnr_db: float | None
    ms_ssim_db: float | None
    setting: str


@dataclass(frozen=True)
class PlottedCurve:
    """One curve of a plot."""

    name: str  # for the legend; no other curve of the plot has it
    points: tuple[CurvePoint, ...]  # in any order
    shown: bool = True  # at first
    published: bool = False  # not measured here; drawn dashed
    note: str = ""  # where the numbers come from


def bokeh_script() -> str:
    """Bokeh's JavaScript, for pages that show plots."""
    import bokeh.util.paths

    folder = Path(bokeh.util.paths.bokehjs_path()) / "js"
    return (folder / "bokeh.min.js").read_text(encoding="utf-8")


def plots(curves: Sequence[PlottedCurve], rate_label: str, psnr_label: str) -> dict[str, Any]:
    """The plots of one protocol, for charts.js: PSNR and MS-SSIM, over a linear and a logarithmic rate."""
    qualities = (("psnr_db", psnr_label), ("ms_ssim_db", "MS-SSIM (dB)"))
    return {
        "curves": [
            {
                "name": curve.name,
                "colour": _COLOURS[i % len(_COLOURS)],
                "dash": "dashed" if curve.published else "solid",
                "shown": curve.shown,
                "published": curve.published,
                "note": curve.note,
            }
            for i, curve in enumerate(curves)
        ],
        "plots": {
            scale: [
                {
                    "label": f"{label} against {rate_label}, {scale} scale; the numbers are in the table below",
                    "missing": f"{label} is not defined for these pictures.",
                    "bokeh": _plot(curves, quality, rate_label, label, scale),
                }
                for quality, label in qualities
            ]
            for scale in _SCALES
        },
    }


def _plot(
    curves: Sequence[PlottedCurve], quality: str, rate_label: str, quality_label: str, scale: Scale
) -> Any:
    """Bokeh's JSON of one plot; None where no point that is shown at first has that quality."""
    points = [point for curve in curves if curve.shown for point in curve.points]
    if all(getattr(point, quality) is None for point in points):
        return None
    from bokeh.embed import json_item
    from bokeh.models import DataRange1d, HoverTool
    from bokeh.plotting import figure

    plot = figure(
        height=_HEIGHT_PX,
        sizing_mode="stretch_width",
        x_axis_type=scale,
        x_range=DataRange1d(only_visible=True),  # hidden curves do not stretch the scales
        y_range=DataRange1d(only_visible=True),
        x_axis_label=rate_label,
        y_axis_label=quality_label,
        tools="pan,box_zoom,wheel_zoom,reset,save",
        active_drag="box_zoom",
        output_backend="canvas",
        background_fill_color=None,
        border_fill_color=None,
        outline_line_color=None,
        lod_threshold=None,
    )
    plot.toolbar.logo = None
    markers = [_draw(plot, curve, i, quality) for i, curve in enumerate(curves)]
    hover = HoverTool(
        renderers=markers,
        tooltips=[
            *(("curve", "$name"), ("setting", "@setting"), ("rate", "@rate{0.000}")),
            (quality_label, "@quality{0.00}"),
        ],
    )
    plot.add_tools(hover)
    return json_item(plot)


def _draw(plot: Any, curve: PlottedCurve, i: int, quality: str) -> Any:
    """Line and markers, both named as the curve is. Returns the markers' renderer."""
    from bokeh.models import ColumnDataSource

    points = sorted(
        (point.rate, value, point.setting)
        for point in curve.points
        if (value := getattr(point, quality)) is not None
    )
    columns = zip(*points, strict=True) if points else ((), (), ())
    source = ColumnDataSource(
        {
            name: [*values]
            for name, values in zip(("rate", "quality", "setting"), columns, strict=True)
        }
    )
    style = {"color": _COLOURS[i % len(_COLOURS)], "name": curve.name, "source": source}
    dash = "dashed" if curve.published else "solid"
    plot.line("rate", "quality", line_width=2, line_dash=dash, visible=curve.shown, **style)
    return plot.scatter(
        "rate",
        "quality",
        marker=_MARKERS[(i + i // len(_COLOURS)) % len(_MARKERS)],
        size=4 if curve.published else 8,
        visible=curve.shown,
        **style,
    )
