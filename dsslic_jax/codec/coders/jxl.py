"""Lossless JPEG XL through imagecodecs: the embedded coder of label maps and compact images."""

import numpy as np

from dsslic_jax.codec.coders.coder import Coder, Context
from dsslic_jax.codec.coders.programs.pictures import import_imagecodecs
from dsslic_jax.errors import CoderFailed

_CODESTREAM = b"\xff\x0a"  # how one begins; files in a container begin otherwise
_EFFORT = 7  # 8 and 9 gain under 1 % on compact images at several times the time


class Jxl:
    """Lossless coder: bare JPEG XL codestreams, effort 7, one thread."""

    def encode(self, picture: np.ndarray, context: Context | None = None) -> bytes:
        """Codes uint8 [H,W] or [H,W,3] without loss."""
        encode, samples = import_imagecodecs("JPEG XL").jpegxl_encode, np.ascontiguousarray(picture)
        how = {"effort": _EFFORT, "lossless": True, "usecontainer": False, "numthreads": 1}
        try:
            return bytes(encode(samples, **how))
        except (RuntimeError, ValueError) as error:
            raise CoderFailed(f"JPEG XL could not code shape {picture.shape}: {error}") from error

    def decode(
        self, data: bytes, shape: tuple[int, ...], context: Context | None = None
    ) -> np.ndarray:
        """Decodes to uint8 of exactly `shape`, [H,W] or [H,W,3].

        The library compares the stream's size with `shape` before it decodes a pixel, and does not look at bytes after
        the stream's end. Raises CoderFailed for another shape and for cut or broken streams.
        """
        imagecodecs = import_imagecodecs("JPEG XL")
        if not data.startswith(_CODESTREAM):
            raise CoderFailed("the JPEG XL layer is no bare codestream")
        picture = np.empty(shape, np.uint8)
        try:
            imagecodecs.jpegxl_decode(data, numthreads=1, out=picture)
        except (RuntimeError, ValueError) as error:
            raise CoderFailed(
                f"the JPEG XL layer is not a sound picture of shape {shape}: {error}"
            ) from error
        return picture


CODER = Coder(
    name="jxl",
    number=2,
    stream_name="jxl",
    layers="sc",
    about="JPEG XL, bare codestream",
    needs="imagecodecs",
    open=lambda context, _: Jxl(),
    version=lambda _: str(import_imagecodecs("JPEG XL").jpegxl_version()),
    sets={"embedded": "c"},
)
