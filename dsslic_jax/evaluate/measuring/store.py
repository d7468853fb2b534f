"""RUN/measurements.jsonl: everything that was measured, one JSON object a line, appended as each file is measured.

A run that was stopped or is given again finds here what it need not do. Lines of other versions, settings or models
stay beside those of today, each under its own key. A last line cut by a kill is dropped, a damaged one passed over.

Infinite values, which JSON has not, are null; "infinite" names them, and "lossless" tells that the decoded picture is
the picture.
"""

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple, NotRequired, TypedDict

from dsslic_jax.errors import DataError
from dsslic_jax.metrics import bits_per_pixel, bits_per_sample
from dsslic_jax.system.untrusted import parse_json, read_regular, typed

FILE_NAME = "measurements.jsonl"
WHOLE = "whole"
_MOST_BYTES = 1 << 30  # a million measurements
_MOST_LINE_BYTES = 1 << 20


def curve_name(codec: str, labels: str | None) -> str:
    """What tables and plots call the curve of a codec with labels of one source: "jpeg", "dsslic:segnet"."""
    return codec if labels is None else f"{codec}:{labels}"


class Key(NamedTuple):
    """What a measured file depends on."""

    sha256: str
    codec: str
    version: str
    setting: float
    model: str | None
    labels: str | None
    labels_sha256: str | None


@dataclass(frozen=True)
class Measurement:
    """One picture, one codec at one setting, decoded up to one layer."""

    picture: str  # the picture's name, its file's stem
    sha256: str  # of its size and pixels
    width: int  # pixels
    height: int
    codec: str  # its name in `codecs.registry`
    version: str  # of the encoder
    setting: float  # what it was told
    model: str | None  # fingerprint of the model, in hexadecimal; None for codecs without
    labels: str | None  # where s came from, "segnet", "files" or "none"; None for codecs without
    labels_sha256: str | None  # of the label map of "files"
    layer: str  # "s", "c", "r1", … of a layered stream; "whole" of any other file
    prefix_bytes: int  # of the file from its beginning to this layer's end
    # Bytes of the whole file by layer, {"header": …, "s": …, …}; None without layers.
    layers: Mapping[str, int] | None
    stream: str  # the file, as a path below RUN
    # Seconds that coding and decoding the whole file took, the same for all its layers.
    encode_s: float
    decode_s: float
    # Of the decoded picture by name; None where undefined, as for layer s.
    metrics: Mapping[str, float | None]
    lossless: bool = False  # the decoded picture is the picture

    @property
    def key(self) -> Key:
        """The file that this is a measurement of."""
        return Key(*(getattr(self, name) for name in Key._fields))

    @property
    def curve(self) -> str:
        """The name of the curve that this is a point of."""
        return curve_name(self.codec, self.labels)

    @property
    def bits_per_pixel(self) -> float:
        """Rate of the file up to this layer's end."""
        return bits_per_pixel(self.prefix_bytes, self.height, self.width)

    @property
    def bits_per_sample(self) -> float:
        """The same in bits per sample."""
        return bits_per_sample(self.prefix_bytes, self.height, self.width)

    @property
    def layer_bytes(self) -> int:
        """Bytes of this layer alone."""
        return self.prefix_bytes if self.layers is None else self.layers[self.layer]

    @property
    def layer_share(self) -> float:
        """This layer's part of the whole file, in [0, 1]; the header is in no layer."""
        return 1.0 if self.layers is None else self.layer_bytes / sum(self.layers.values())

    @property
    def is_last_layer(self) -> bool:
        """Whether the prefix is the whole file."""
        return self.layers is None or self.layer == [*self.layers][-1]

    def to_json(self) -> str:
        """One line, without its end."""
        fields = asdict(self)
        fields["bytes"] = fields.pop("prefix_bytes")
        infinite = [name for name, value in self.metrics.items() if value == math.inf]
        if infinite:
            fields["infinite"] = infinite
            fields["metrics"] = {**self.metrics, **dict.fromkeys(infinite)}
        return json.dumps(fields, allow_nan=False)


class _Line(TypedDict):
    """What a line has in another form than `Measurement`."""

    bytes: int
    metrics: dict[str, float | None]
    infinite: NotRequired[list[str]]


def from_json(line: str | bytes) -> Measurement:
    """The inverse of `Measurement.to_json`. Raises DataError for anything else."""
    what = "no measurement"
    told = parse_json(line, _Line, what, DataError)
    infinite = dict.fromkeys(told.get("infinite", ()), math.inf)
    fields: dict[str, Any] = {k: v for k, v in told.items() if k not in ("bytes", "infinite")}
    fields |= {"prefix_bytes": told["bytes"], "metrics": told["metrics"] | infinite}
    return typed(fields, Measurement, what, DataError)


class Store:
    """The measurements of a run, in memory and on disk. One process at a time may append.

    Attributes:
      damaged: what is wrong with lines that were passed over, each in a line; what they held is measured again.
    """

    def __init__(self, run: Path) -> None:
        """Reads what is there, if anything. Raises DataError for what is no regular file of bounded size."""
        self._path = run / FILE_NAME
        self._found: dict[Key, dict[str, Measurement]] = {}
        self.damaged: list[str] = []
        data = read_regular(self._path, _MOST_BYTES) if self._path.exists() else b""
        self._whole_bytes = data.rfind(b"\n") + 1
        self._remember(self._parsed(data[: self._whole_bytes]))

    def find(self, key: Key, metrics: Iterable[str]) -> list[Measurement]:
        """The measurements of a file, its first layer first; none if a layer or one of the metrics is missing."""
        found = self._found.get(key, {})
        layers = next((line.layers for line in found.values()), None)
        wanted = [WHOLE] if layers is None else [name for name in layers if name != "header"]
        if found.keys() != set(wanted):
            return []
        lines = [found[name] for name in wanted]
        return lines if all(name in line.metrics for line in lines for name in metrics) else []

    def measurements(self) -> Iterator[Measurement]:
        """Everything, in the order in which files were first measured."""
        for layers in self._found.values():
            yield from layers.values()

    def append(self, measurements: Iterable[Measurement]) -> None:
        """Adds the measurements of one file; they replace what was known of it."""
        lines = [*measurements]
        data = "".join(f"{line.to_json()}\n" for line in lines).encode()
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("ab") as file:
            file.truncate(self._whole_bytes)  # drops what a kill left of a line
            file.write(data)
        self._whole_bytes += len(data)
        self._remember(lines)

    def _remember(self, lines: Iterable[Measurement]) -> None:
        for line in lines:
            self._found.setdefault(line.key, {})[line.layer] = line

    def _parsed(self, data: bytes) -> Iterator[Measurement]:
        for number, line in enumerate(data.splitlines(), start=1):
            try:
                if len(line) > _MOST_LINE_BYTES:
                    raise DataError("no measurement: too long")
                yield from_json(line)
            except DataError as error:
                self.damaged.append(f"{self._path}: line {number} is passed over: {error}")
