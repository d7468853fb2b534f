"""A layered codec without networks that really codes, so that the harness is tested by itself.

Its streams are genuine containers, but s is a PNG, c a PNG of every eighth pixel, and r1 a JPEG of the whole picture.
x' is c repeated and darkened by one step; up(ĉ) is c repeated.
"""

import io
from pathlib import Path
from types import SimpleNamespace

import numpy as np
from PIL import Image

from dsslic_jax.classes.table import class_table
from dsslic_jax.codec.settings import CodingSettings
from dsslic_jax.codec.stream import container
from dsslic_jax.evaluate.codecs.dsslic import Dsslic

ALPHA = 8
FINGERPRINT = b"\x01\xfe" * 4


class FakeCodec:
    """Codec's interface; `given` remembers what each call of encode was handed: labels and settings."""

    def __init__(self, table: str = "camvid") -> None:
        self.classes = class_table(table)
        self.given: list[tuple[np.ndarray | None, CodingSettings]] = []

    def encode(
        self, image: np.ndarray, labels: np.ndarray | None, settings: CodingSettings
    ) -> bytes:
        self.given.append((labels, settings))
        if labels is None:
            labels = np.zeros(image.shape[:2], np.uint8)
        layers = [] if settings.labels == "none" else [("s", "context", _file(labels, "PNG"))]
        layers.append(("c", "jxl", _file(image[::ALPHA, ::ALPHA], "PNG")))
        layers.append(("r1", "bpg", _file(image, "JPEG", quality=int(settings.quality))))
        height, width = image.shape[:2]
        header = container.Header(width, height, self.classes, ALPHA, FINGERPRINT)
        return container.write(header, layers)

    def decode(self, data: bytes) -> SimpleNamespace:
        header = container.read_header(data)
        layers = container.read_layers(data, header)
        compact, picture = (np.array(Image.open(io.BytesIO(layers[name]))) for name in ("c", "r1"))
        upsampled = compact.repeat(ALPHA, axis=0).repeat(ALPHA, axis=1)
        upsampled = upsampled[: header.height, : header.width]
        coarse = np.maximum(upsampled, 1) - np.uint8(1)
        return SimpleNamespace(upto="r1", upsampled=upsampled, coarse=coarse, picture=picture)

    def upsample(self, decoded: SimpleNamespace) -> np.ndarray:
        return decoded.upsampled


class FakeDsslic(Dsslic):
    """What the harness measures, around a FakeCodec."""

    def __init__(self, codec: FakeCodec) -> None:
        self.name, self.version = "dsslic", "fake 1"
        self.model, self.fingerprints = FINGERPRINT.hex(), []
        self.directory = Path("model")
        self.classes = codec.classes
        self._own = CodingSettings()
        self._bundle = SimpleNamespace(parts={"segnet": None})
        self.__dict__["_codec"] = codec

    def prepare(self, source: str, height: int, width: int) -> None:
        """There is nothing to compile."""


def _file(pixels: np.ndarray, file_format: str, **options: int) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, file_format, **options)
    return file.getvalue()
