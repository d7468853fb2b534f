"""The tables of a page, as tables.js has them: {"caption", "columns": [{"name", "decimals", "signed"}], "rows"}."""

import math
from collections.abc import Sequence
from typing import Any

from dsslic_jax.evaluate.measuring.store import Measurement
from dsslic_jax.evaluate.protocols import Protocol
from dsslic_jax.evaluate.tables.differences import MS_SSIM_DB, CurveDifference
from dsslic_jax.evaluate.tables.means import Mean
from dsslic_jax.metrics import Difference
from dsslic_jax.report.run_data import RunData

Json = dict[str, Any]

# What a metric of the harness is called in a heading; others keep their name.
METRIC_NAMES = {
    "psnr_rgb_db": "PSNR, RGB (dB)",
    "psnr_channel_mean_db": "PSNR, mean of R, G, B (dB)",
    "psnr_y_db": "PSNR, Y (dB)",
    "psnr_upsampled_rgb_db": "PSNR of c' (dB)",
    "ssim": "SSIM",
    "ssim_y": "SSIM, Y",
    "ms_ssim": "MS-SSIM",
    "ms_ssim_y": "MS-SSIM, Y",
    "lpips": "LPIPS",
}
RATE_NAMES = {"bits_per_pixel": "bits per pixel", "bits_per_sample": "bits per sample"}


def difference_table(found: Sequence[CurveDifference], anchor: str) -> Json:
    """Bjøntegaard differences to the anchor: one row for each curve."""
    by_curve: dict[str, dict[str, CurveDifference]] = {}
    for difference in found:
        name = "ms_ssim" if difference.quality == MS_SSIM_DB else "psnr"
        by_curve.setdefault(difference.curve, {})[name] = difference
    has_notes = any(difference.note for difference in found)
    rows = []
    for curve, of in by_curve.items():
        psnr, ms_ssim = of["psnr"], of["ms_ssim"]
        row = [curve, *_pair(psnr), _range(psnr.rate), *_pair(ms_ssim), _range(ms_ssim.rate)]
        if has_notes:
            row.append("; ".join(dict.fromkeys(one.note for one in (psnr, ms_ssim) if one.note)))
        rows.append(row)
    return {
        "caption": f"Bjøntegaard differences to {anchor}, picture by picture, then averaged: below zero per cent and "
        "above zero dB are better than it",
        "columns": [
            _text("codec"),
            _number("rate at equal PSNR (%)", 1, signed=True),
            _number("PSNR at equal rate (dB)", 2, signed=True),
            _text("over PSNR (dB)"),
            _number("rate at equal MS-SSIM (%)", 1, signed=True),
            _number("MS-SSIM at equal rate (dB)", 2, signed=True),
            _text("over MS-SSIM (dB)"),
            *([_text("why not")] if has_notes else []),
        ],
        "rows": rows,
    }


def mean_table(rows: Sequence[Mean], protocol: Protocol) -> Json:
    """The points of the curves, and of every layer of layered streams."""
    names = _metric_names(rows)
    pictures = max(row.pictures for row in rows)
    return {
        "caption": f"Means over {pictures} picture{'' if pictures == 1 else 's'}; layered streams up to each layer",
        "columns": [
            *map(_text, ("codec", "layer")),
            _number("setting", "any"),
            _number("pictures", 0),
            _number("bytes of the layer", 0),
            _number(RATE_NAMES[protocol.rate], 4),
            *(_metric(name) for name in names),
            *map(_seconds, ("encode", "decode")),
        ],
        "rows": [
            [
                row.curve,
                row.layer,
                row.setting,
                row.pictures,
                json_number(row.layer_bytes),
                json_number(row.rate(protocol)),
                *(json_number(row.metrics.get(name)) for name in names),
                json_number(row.encode_s),
                json_number(row.decode_s),
            ]
            for row in rows
        ],
    }


def file_table(run: RunData) -> Json:
    """Every file, one row for each."""
    names = _metric_names(run.files)
    return {
        "caption": f"{len(run.files)} coded files",
        "columns": [
            *map(_text, ("picture", "codec")),
            _number("setting", "any"),
            _number("bytes", 0),
            _number("bits per pixel", 4),
            *(_metric(name) for name in names),
            *map(_seconds, ("encode", "decode")),
        ],
        "rows": [
            [
                line.picture,
                line.curve,
                line.setting,
                line.prefix_bytes,
                json_number(line.bits_per_pixel, 4),
                *(json_number(line.metrics.get(name), 4) for name in names),
                json_number(line.encode_s, 3),
                json_number(line.decode_s, 3),
            ]
            for line in run.files
        ],
    }


def json_number(value: float | None, decimals: int = 6) -> float | str | None:
    """A number for a page's data, rounded: JSON has no infinity, pages read "inf" as such."""
    if value is None:
        return None
    return "inf" if value == math.inf else round(value, decimals)


def _metric_names(rows: Sequence[Mean] | Sequence[Measurement]) -> list[str]:
    return list(dict.fromkeys(name for row in rows for name in row.metrics))


def _text(name: str) -> Json:
    return {"name": name, "decimals": None}


def _number(name: str, decimals: int | str, signed: bool = False) -> Json:
    return {"name": name, "decimals": decimals, "signed": signed}


def _metric(name: str) -> Json:
    return _number(METRIC_NAMES.get(name, name), 2 if name.endswith("_db") else 4)


def _seconds(what: str) -> Json:
    return _number(f"{what} (s)", 3)


def _pair(found: CurveDifference) -> list[float | str | None]:
    return [None if part is None else json_number(part.value) for part in (found.rate, found.gain)]


def _range(found: Difference | None) -> str:
    return "–" if found is None else f"{found.low:.1f} to {found.high:.1f}"
