"""A layered codec without networks that really codes, so that the harness is tested by itself.

Stream: three 4-byte lengths (header), then s as PNG, c as a PNG of every eighth pixel, and r as a
JPEG of the whole picture. x' is c repeated and darkened by one step; up(c) is c repeated.
"""

from __future__ import annotations

import io
import struct
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
from PIL import Image

from dsslic_jax.classes import class_table

HEADER = struct.Struct("<III")
ALPHA = 8


def layer_lengths(data: bytes) -> dict[str, int]:
    s, c, r = HEADER.unpack_from(data)
    return {"header": HEADER.size, "s": s, "c": c, "r": r}


class FakeCodec:
    """Codec's interface; `given_labels` remembers what encode was handed."""

    def __init__(self, table: str = "camvid") -> None:
        self.bundle = SimpleNamespace(classes=class_table(table), fingerprint=b"\x01\xfe")
        self.given_labels: list[np.ndarray | None] = []

    def encode(self, image: np.ndarray, labels: np.ndarray | None, quality: int) -> bytes:
        self.given_labels.append(labels)
        if labels is None:
            labels = np.zeros(image.shape[:2], np.uint8)
        layers = [
            _file(labels, "PNG"),
            _file(image[::ALPHA, ::ALPHA], "PNG"),
            _file(image, "JPEG", quality=quality),
        ]
        return HEADER.pack(*map(len, layers)) + b"".join(layers)

    def decode(self, data: bytes, upto: str = "r") -> SimpleNamespace:
        lengths = layer_lengths(data)
        labels, compact, picture = (
            np.array(Image.open(io.BytesIO(part))) for part in _split(data, lengths)
        )
        height, width = labels.shape
        upsampled = compact.repeat(ALPHA, axis=0).repeat(ALPHA, axis=1)[:height, :width]
        coarse = np.maximum(upsampled, 1) - np.uint8(1)
        return SimpleNamespace(
            labels=labels, compact=compact, upsampled=upsampled, coarse=coarse, picture=picture
        )


def _file(pixels: np.ndarray, file_format: str, **options: int) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, file_format, **options)
    return file.getvalue()


def _split(data: bytes, lengths: dict[str, int]) -> list[bytes]:
    ends = np.cumsum(list(lengths.values()))
    return [data[start:end] for start, end in pairwise(ends)]
