"""One point to its measurements: code the picture, write the file, read it back, decode it, compare.

Every rate is the length of a file that was really written, every quality that of pixels decoded from the bytes read
back from it.
"""

import time
from collections.abc import Mapping
from functools import cache, cached_property
from pathlib import Path

import numpy as np

from dsslic_jax.codec.stream import container
from dsslic_jax.evaluate.codecs.codec import FileCodec
from dsslic_jax.evaluate.codecs.dsslic import Dsslic, Prefix
from dsslic_jax.evaluate.codecs.registry import Sources, make_codec
from dsslic_jax.evaluate.measuring.points import PictureFile, Point, read_labels
from dsslic_jax.evaluate.measuring.quality import Metric, load_metrics, measure_quality
from dsslic_jax.evaluate.measuring.store import WHOLE, Measurement
from dsslic_jax.metrics import psnr_rgb_db
from dsslic_jax.pictures.reading import read_picture
from dsslic_jax.system.files import write_atomically

STREAMS = "streams"


class Measurer:
    """Measures points in one process. Codecs are made when first needed; the last picture stays in memory."""

    def __init__(self, run: Path, sources: Sources, lpips_weights: Path | None = None) -> None:
        """`run`: the folder that gets the streams. `lpips_weights`: as `load_metrics` has them."""
        self._run = run
        self._lpips_weights = lpips_weights
        self.codec = cache(lambda name: make_codec(name, sources))  # by name
        self._last: tuple[PictureFile, np.ndarray] | None = None

    def measure(self, point: Point) -> list[Measurement]:
        """The measurements of one file, its first layer first.

        Raises:
            CoderFailed, StreamError: the codec failed, or did not decode its own file.
            DataError: the picture or its label map cannot be read any more.
        """
        codec = self.codec(point.curve.codec)
        picture = self._picture(point.picture)
        folder = point.curve.name.replace(":", "-")
        stream = Path(STREAMS, folder, f"{point.setting:g}", point.picture.path.stem + codec.suffix)
        if isinstance(codec, FileCodec):
            return [self._measure_file(point, codec, picture, stream)]
        return self._measure_layers(point, codec, picture, stream)

    def _measure_file(
        self, point: Point, codec: FileCodec, picture: np.ndarray, stream: Path
    ) -> Measurement:
        start = time.perf_counter()
        coded = codec.encode(picture, point.setting)
        encode_s = time.perf_counter() - start
        data = self._written(stream, coded)
        start = time.perf_counter()
        decoded = codec.decode(data, picture.shape)
        decode_s = time.perf_counter() - start
        prefix = Prefix(WHOLE, len(data) - codec.framing_bytes, decoded)
        return self._measurement(point, picture, prefix, None, stream, encode_s, decode_s)

    def _measure_layers(
        self, point: Point, codec: Dsslic, picture: np.ndarray, stream: Path
    ) -> list[Measurement]:
        source = point.curve.labels
        assert source is not None
        labels, label_path = None, point.picture.label_path
        if source == "files":
            assert label_path is not None
            labels = read_labels(label_path, picture, point.picture.path, codec.classes)
        codec.prepare(source, *picture.shape[:2])
        start = time.perf_counter()
        coded = codec.encode(picture, labels, source, point.setting)
        encode_s = time.perf_counter() - start
        data = self._written(stream, coded)
        start = time.perf_counter()
        whole = codec.decode(data)
        decode_s = time.perf_counter() - start
        lengths = container.layer_lengths(data)
        return [
            self._measurement(point, picture, prefix, lengths, stream, encode_s, decode_s)
            for prefix in codec.prefixes(data, whole)
        ]

    def _measurement(
        self,
        point: Point,
        picture: np.ndarray,
        prefix: Prefix,
        layers: Mapping[str, int] | None,
        stream: Path,
        encode_s: float,
        decode_s: float,
    ) -> Measurement:
        values: dict[str, float | None] = dict.fromkeys(self._metrics)
        if prefix.picture is not None:
            values = measure_quality(picture, prefix.picture, self._metrics)
        if prefix.upsampled is not None:
            values["psnr_upsampled_rgb_db"] = psnr_rgb_db(picture, prefix.upsampled)
        return Measurement(
            picture=point.picture.path.stem,
            width=point.picture.width,
            height=point.picture.height,
            **point.key._asdict(),
            layer=prefix.layer,
            prefix_bytes=prefix.num_bytes,
            layers=layers,
            stream=stream.as_posix(),
            encode_s=round(encode_s, 6),
            decode_s=round(decode_s, 6),
            metrics=values,
            lossless=prefix.picture is not None and np.array_equal(prefix.picture, picture),
        )

    @cached_property
    def _metrics(self) -> Mapping[str, Metric]:
        return load_metrics(self._lpips_weights)

    def _written(self, stream: Path, coded: bytes) -> bytes:
        path = self._run / stream
        write_atomically(path, coded)
        return path.read_bytes()

    def _picture(self, file: PictureFile) -> np.ndarray:
        if self._last is None or self._last[0] != file:
            self._last = file, read_picture(file.path, upright=file.label_path is None)
        return self._last[1]
