"""Means over the pictures, and measurements and means as CSV.

What is not defined is `None` in Python and an empty cell in CSV. The PSNR of a picture decoded without any
loss is infinite: `inf`.
"""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dsslic_jax.evaluate.measuring.store import Measurement, curve_name
from dsslic_jax.evaluate.protocols import Protocol

_AVERAGED = (
    *("layer_bytes", "layer_share", "bits_per_pixel", "bits_per_sample", "encode_s", "decode_s"),
)


@dataclass(frozen=True)
class Mean:
    """The mean of one (codec, labels, setting, layer) over pictures: see `protocols.AVERAGING_TEXT`."""

    codec: str  # as in `Measurement`
    labels: str | None
    setting: float
    layer: str
    pictures: int  # how many
    is_last_layer: bool  # whether it is of whole files
    layer_bytes: float  # of the layer alone
    layer_share: float  # of the whole file, in [0, 1]
    bits_per_pixel: float  # of the file up to this layer's end
    bits_per_sample: float
    encode_s: float  # seconds for whole files
    decode_s: float
    metrics: Mapping[str, float | None]  # by name; None where no picture has one
    metric_pictures: Mapping[str, int]  # over how many pictures each is the mean

    @property
    def curve(self) -> str:
        """The curve's name."""
        return curve_name(self.codec, self.labels)

    def rate(self, protocol: Protocol) -> float:
        """The rate under a protocol."""
        return float(getattr(self, protocol.rate))


def mean_of(lines: Sequence[Measurement]) -> Mean:
    """The mean of measurements that differ in the picture alone; one infinite PSNR makes it infinite, shown as such."""
    first = lines[0]
    names = dict.fromkeys(name for line in lines for name in line.metrics)
    values = {
        name: [v for line in lines if (v := line.metrics.get(name)) is not None] for name in names
    }
    return Mean(
        codec=first.codec,
        labels=first.labels,
        setting=first.setting,
        layer=first.layer,
        pictures=len(lines),
        is_last_layer=first.is_last_layer,
        **{name: _mean([getattr(line, name) for line in lines]) for name in _AVERAGED},
        metrics={name: _mean(found) if found else None for name, found in values.items()},
        metric_pictures={name: len(found) for name, found in values.items()},
    )


def means(lines: Iterable[Measurement]) -> list[Mean]:
    """Means over the pictures, in the order in which the groups first appear."""
    groups: dict[tuple[Any, ...], list[Measurement]] = {}
    for line in lines:
        groups.setdefault((line.codec, line.labels, line.setting, line.layer), []).append(line)
    return [mean_of(group) for group in groups.values()]


def measurements_csv(lines: Sequence[Measurement]) -> bytes:
    """One row for each measurement, its rate before its qualities."""
    names = dict.fromkeys(name for line in lines for name in line.metrics)
    columns = (
        *("picture", "width", "height", "codec", "labels", "setting", "layer", "layer_bytes"),
        *("prefix_bytes", "bits_per_pixel", "bits_per_sample", "encode_s", "decode_s"),
    )
    return csv_bytes(
        {name: getattr(line, name) for name in columns}
        | {name: line.metrics.get(name) for name in names}
        | {"stream": line.stream}
        for line in lines
    )


def means_csv(rows: Sequence[Mean]) -> bytes:
    """One row for each mean; `<metric>_pictures` tells over how many pictures a metric was defined."""
    names = dict.fromkeys(name for row in rows for name in row.metrics)
    columns = ("codec", "labels", "setting", "layer", "pictures", *_AVERAGED)
    return csv_bytes(
        {name: getattr(row, name) for name in columns}
        | {name: row.metrics.get(name) for name in names}
        | {f"{name}_pictures": row.metric_pictures.get(name, 0) for name in names}
        for row in rows
    )


def csv_bytes(rows: Iterable[Mapping[str, Any]]) -> bytes:
    """CSV with a header line, of rows that have the same columns; at least one row."""
    rows = [*rows]
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=[*rows[0]], lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({name: _cell(value) for name, value in row.items()})
    return text.getvalue().encode()


def _cell(value: Any) -> Any:
    """Ten digits; a text that a spreadsheet would take for a formula is marked as text."""
    if isinstance(value, float):
        return f"{value:.10g}"
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@") else value


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
