"""Protocol `paper`'s way with ordinary codecs: R, G and B coded as three grey pictures."""

from __future__ import annotations

import struct
from dataclasses import replace

import numpy as np

from dsslic_jax.errors import CoderFailed
from dsslic_jax.evaluate.codecs.codec import FileCodec

_LENGTHS = struct.Struct("<3I")  # of the files of R, G and B, which follow


def planes(name: str, grey: FileCodec) -> FileCodec:
    """`grey` three times; the lengths that hold the three files together are not counted."""

    def encode(picture: np.ndarray, setting: float) -> bytes:
        files = [
            grey.encode(np.ascontiguousarray(picture[..., channel]), setting)
            for channel in range(3)
        ]
        return _LENGTHS.pack(*map(len, files)) + b"".join(files)

    def decode(data: bytes, shape: tuple[int, ...]) -> np.ndarray:
        if len(data) < _LENGTHS.size:
            raise CoderFailed(f"{name} cannot decode its own file: it is cut")
        channels, start = [], _LENGTHS.size
        for length in _LENGTHS.unpack_from(data):
            channels.append(grey.decode(data[start : start + length], shape[:2]))
            start += length
        return np.stack(channels, axis=-1)

    return replace(
        grey,
        name=name,
        suffix=f"{grey.suffix}.planes",
        version=f"{grey.version}, R, G and B as grey pictures",
        encode=encode,
        decode=decode,
        framing_bytes=_LENGTHS.size,
    )
