"""JPEG XL by imagecodecs."""

from __future__ import annotations

import numpy as np

from dsslic_jax.errors import CoderFailed, CoderUnavailable
from dsslic_jax.evaluate.codecs.codec import DISTANCE, FileCodec, checked


def jxl(name: str) -> FileCodec:
    """Lossy JPEG XL (VarDCT, XYB) at effort 7."""
    try:
        import imagecodecs
    except ImportError as error:
        raise CoderUnavailable(f"{name} needs imagecodecs: pip install imagecodecs") from error

    def encode(picture: np.ndarray, distance: float) -> bytes:
        try:
            coded = imagecodecs.jpegxl_encode(
                picture, distance=distance, effort=7, lossless=False, numthreads=1
            )
        except (imagecodecs.JpegxlError, ValueError) as error:
            raise CoderFailed(f"{name} cannot encode at {distance:g}: {error}") from error
        return bytes(coded)

    def decode(data: bytes, shape: tuple[int, ...]) -> np.ndarray:
        try:
            picture = imagecodecs.jpegxl_decode(data, numthreads=1)
        except (imagecodecs.JpegxlError, ValueError) as error:
            raise CoderFailed(f"{name} cannot decode its own file: {error}") from error
        return checked(name, picture, shape)

    library = imagecodecs.jpegxl_version()
    version = f"{library}, effort 7 (imagecodecs {imagecodecs.__version__})"
    distances = (12, 8, 5, 3, 2, 1.3, 0.8, 0.5, 0.3)
    return FileCodec(name, ".jxl", DISTANCE, distances, version, encode, decode)
