"""Coded files back to pictures, for showing them."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from dsslic_jax.codec.stream import container
from dsslic_jax.errors import CoderUnavailable, DataError, DsslicError, ModelError, StreamError
from dsslic_jax.evaluate.codecs.codec import FileCodec
from dsslic_jax.evaluate.codecs.registry import LAYERED, Sources, make_codec
from dsslic_jax.evaluate.measuring.store import Measurement
from dsslic_jax.system.untrusted import read_regular

if TYPE_CHECKING:
    from dsslic_jax.codec.codec import Codec, Decoded

_KEPT_PIXELS = 1 << 26  # of coarse pictures: those of 24 Kodak pictures are a seventh of it
_MOST_BYTES_PER_PIXEL, _MORE_BYTES = 16, 1 << 20  # of a coded file: above any codec's


class DamagedFile(DataError):
    """A coded file is not there, damaged, not of the size that was measured, or of a model that is not known here."""

    def __init__(self, file: Measurement, error: Exception) -> None:
        super().__init__(f"{file.stream}: {error}")
        self.stream = file.stream


class Decoder:
    """Decodes the files of a run. Networks run once for all streams that share layers s and c."""

    def __init__(self, open_codec: Callable[[bytes], Codec], programs: Mapping[str, str]) -> None:
        """`open_codec` gives the codec of a model's fingerprint; it raises ModelError where that is not known."""
        self.codec = cache(open_codec)  # of a model, by its fingerprint
        self._file_codec = cache(lambda name: _file_codec(name, programs))
        self._coarse: OrderedDict[bytes, Decoded] = OrderedDict()

    def why_not(self, file: Measurement) -> str | None:
        """Why files of this one's codec and model cannot be decoded here; None where they can."""
        try:
            if file.codec in LAYERED:
                self.codec(bytes.fromhex(file.model or ""))
            else:
                self._file_codec(file.codec)
        except (CoderUnavailable, ModelError) as error:
            return str(error)
        return None

    def picture(self, file: Measurement) -> np.ndarray:
        """The decoded picture, uint8 [H, W, 3]. Raises DamagedFile."""
        shape = file.height, file.width, 3
        with _damage_of(file):
            if file.codec not in LAYERED:
                return self._file_codec(file.codec).decode(_data(file), shape)
            picture = self._layers(file).picture
            if picture is None or picture.shape != shape:
                raise DataError("not the whole picture that was measured")
            return picture

    def layers(self, file: Measurement) -> Decoded:
        """All layers of one of our streams. Raises DamagedFile."""
        with _damage_of(file):
            return self._layers(file)

    def _layers(self, file: Measurement) -> Decoded:
        data = _data(file)
        header = container.read_header(data)
        payloads = container.read_layers(data, header)
        if len(payloads) < len(header.layers):
            raise StreamError(f"cut after layer {[*payloads][-1]}")
        key = _what_coarse_depends_on(header, payloads)
        known = self._coarse.get(key)
        if known is None:
            decoded = self.codec(header.fingerprint).decode(data)
            self._keep(key, decoded)
            return decoded
        known = replace(known, header=header, upto=header.layers[-1].name)
        picture = self.codec(header.fingerprint).add_residuals(known, payloads)
        return replace(known, picture=picture)

    def _keep(self, key: bytes, decoded: Decoded) -> None:
        self._coarse[key] = replace(decoded, picture=None)
        headers = [kept.header for kept in self._coarse.values()]
        pixels = sum(header.width * header.height for header in headers)
        while pixels > _KEPT_PIXELS:
            _, oldest = self._coarse.popitem(last=False)
            pixels -= oldest.header.width * oldest.header.height


@contextmanager
def _damage_of(file: Measurement) -> Iterator[None]:
    try:
        yield
    except (DsslicError, OSError) as error:
        raise DamagedFile(file, error) from error


def _data(file: Measurement) -> bytes:
    return read_regular(file.stream, _MOST_BYTES_PER_PIXEL * file.width * file.height + _MORE_BYTES)


def _file_codec(name: str, programs: Mapping[str, str]) -> FileCodec:
    codec = make_codec(name, Sources(programs=programs))
    assert isinstance(codec, FileCodec)
    return codec


def _what_coarse_depends_on(header: container.Header, payloads: Mapping[str, bytes]) -> bytes:
    digest = hashlib.sha256(header.fingerprint)
    shape = f"{header.width}x{header.height} {header.label_scale} {header.labels_at_decoder}"
    digest.update(shape.encode())
    for name in ("s", "c"):
        digest.update(hashlib.sha256(payloads.get(name, b"")).digest())
    return digest.digest()
