"""The results of an evaluation: rows, their means, a text table, and the files CSV, JSON and PNG.

A quality that is not defined for a row is `None` in Python, an empty cell in CSV, "-" in the table
and null in JSON. The PSNR of a picture decoded without any loss is infinite: `inf`, which in JSON
is the string "inf", since JSON has no infinity.
"""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dsslic_jax.files import write_atomically
from dsslic_jax.metrics import bits_per_pixel

PROTOCOL = "fair"
PROTOCOL_TEXT = (
    "rate is bits per pixel of the whole file as written, header included; every codec in its "
    "normal best colour mode; RGB PSNR from the mean squared error over all samples; MS-SSIM "
    "(Wang 2003, five scales) per channel, averaged over R, G and B"
)
AVERAGING_TEXT = (
    "per (codec, setting, layer), every picture weighs the same: mean of bits per pixel, mean of "
    "the pictures' dB values, mean of MS-SSIM over the pictures where it is defined (shorter side "
    "161 px or more; their number is ms_ssim_pictures)"
)


@dataclass(frozen=True)
class Row:
    """One picture, one codec at one setting, decoded up to one layer.

    Attributes:
        picture: the picture's name, which is its file's stem.
        width, height: pixels.
        codec: "dsslic" or a baseline's name.
        setting: quality 0..100 of dsslic; what a baseline's setting is stands in results.json.
        layer: "s", "c" or "r" of a dsslic stream; "whole" for a baseline.
        layer_bytes: bytes of that layer alone.
        prefix_bytes: bytes of the file from its first to this layer's last, header included.
        psnr_rgb_db: of the picture decoded from that prefix; None for layer s, which has none.
        psnr_upsampled_rgb_db: of up(c) alone, without FineNet; layer c only.
        ms_ssim: of the decoded picture, in [0, 1]; None also where it is undefined.
    """

    picture: str
    width: int
    height: int
    codec: str
    setting: float
    layer: str
    layer_bytes: int
    prefix_bytes: int
    psnr_rgb_db: float | None = None
    psnr_upsampled_rgb_db: float | None = None
    ms_ssim: float | None = None

    @property
    def bits_per_pixel(self) -> float:
        """Rate of the prefix that decodes to this layer."""
        return bits_per_pixel(self.prefix_bytes, self.height, self.width)


@dataclass(frozen=True)
class MeanRow:
    """The mean of the rows of one (codec, setting, layer) over `pictures` pictures."""

    codec: str
    setting: float
    layer: str
    pictures: int
    layer_bytes: float
    bits_per_pixel: float
    psnr_rgb_db: float | None
    psnr_upsampled_rgb_db: float | None
    ms_ssim: float | None
    ms_ssim_pictures: int


@dataclass(frozen=True)
class Report:
    """Everything an evaluation found.

    Attributes:
        rows: one per picture, codec, setting and layer.
        means: their means over the pictures, in the order of first appearance.
        conditions: what was measured how, as results.json has it: settings, versions, pictures.
    """

    rows: tuple[Row, ...]
    means: tuple[MeanRow, ...]
    conditions: Mapping[str, Any]


def mean_rows(rows: Sequence[Row]) -> list[MeanRow]:
    """Average over pictures for each (codec, setting, layer): see AVERAGING_TEXT.

    A single infinite PSNR (a lossless picture) makes the mean infinite: that is shown, not hidden.
    """
    groups: dict[tuple[str, float, str], list[Row]] = {}
    for row in rows:
        groups.setdefault((row.codec, row.setting, row.layer), []).append(row)
    return [
        MeanRow(
            codec=codec,
            setting=setting,
            layer=layer,
            pictures=len(group),
            layer_bytes=sum(row.layer_bytes for row in group) / len(group),
            bits_per_pixel=sum(row.bits_per_pixel for row in group) / len(group),
            psnr_rgb_db=_mean_defined([row.psnr_rgb_db for row in group]),
            psnr_upsampled_rgb_db=_mean_defined([row.psnr_upsampled_rgb_db for row in group]),
            ms_ssim=_mean_defined([row.ms_ssim for row in group]),
            ms_ssim_pictures=sum(row.ms_ssim is not None for row in group),
        )
        for (codec, setting, layer), group in groups.items()
    ]


def format_table(means: Sequence[MeanRow]) -> str:
    """An aligned text table of mean rows, with a first line naming the protocol."""
    header = ("codec", "setting", "layer", "bytes", "bits/pixel", "PSNR dB", "MS-SSIM", "up(c) dB")
    lines = [header]
    for mean in means:
        lines.append(
            (
                mean.codec,
                f"{mean.setting:g}",
                mean.layer,
                f"{mean.layer_bytes:.0f}",
                f"{mean.bits_per_pixel:.4f}",
                _cell(mean.psnr_rgb_db, 2),
                _cell(mean.ms_ssim, 4),
                _cell(mean.psnr_upsampled_rgb_db, 2),
            )
        )
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    text = [
        f"{line[0]:<{widths[0]}}  "
        + "  ".join(f"{cell:>{width}}" for cell, width in zip(line[1:], widths[1:], strict=True))
        for line in lines
    ]
    pictures = max((mean.pictures for mean in means), default=0)
    title = f"protocol {PROTOCOL}: bits per pixel of the whole file, mean over {pictures} picture"
    return "\n".join([title + ("" if pictures == 1 else "s"), *text])


def write_report(report: Report, out_dir: Path) -> None:
    """Write per_picture.csv, mean.csv, results.json and rate_distortion.png into `out_dir`.

    Each file appears whole or not at all: it is written under a temporary name and renamed.
    """
    from dsslic_jax.evaluate.plot import rate_distortion_png

    per_picture = [_columns(row) for row in report.rows]
    means = [_columns(mean) for mean in report.means]
    results = {**report.conditions, "means": [_for_json(columns) for columns in means]}
    write_atomically(out_dir / "per_picture.csv", _csv(per_picture))
    write_atomically(out_dir / "mean.csv", _csv(means))
    write_atomically(
        out_dir / "results.json", (json.dumps(results, indent=1, allow_nan=False) + "\n").encode()
    )
    write_atomically(out_dir / "rate_distortion.png", rate_distortion_png(report.means))


def _mean_defined(values: Sequence[float | None]) -> float | None:
    defined = [value for value in values if value is not None]
    return sum(defined) / len(defined) if defined else None


def _cell(value: float | None, decimals: int) -> str:
    return "-" if value is None else f"{value:.{decimals}f}"


def _columns(row: Row | MeanRow) -> dict[str, Any]:
    """A row as columns of a file, protocol first, the rate before the qualities."""
    fields = dataclasses.asdict(row)
    qualities = ("psnr_rgb_db", "psnr_upsampled_rgb_db", "ms_ssim", "ms_ssim_pictures")
    columns = {name: value for name, value in fields.items() if name not in qualities}
    columns["bits_per_pixel"] = row.bits_per_pixel
    columns.update((name, fields[name]) for name in qualities if name in fields)
    return {"protocol": PROTOCOL, **columns}


def _csv(rows: Sequence[Mapping[str, Any]]) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({name: _csv_cell(value) for name, value in row.items()})
    return text.getvalue().encode()


def _csv_cell(value: Any) -> Any:
    return f"{value:.10g}" if isinstance(value, float) else value


def _for_json(columns: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: "inf" if isinstance(value, float) and math.isinf(value) else value
        for name, value in columns.items()
    }
