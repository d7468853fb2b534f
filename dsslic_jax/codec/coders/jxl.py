"""Lossless JPEG XL through imagecodecs: the embedded coder of label maps and compact images."""

from __future__ import annotations

from typing import Any

import numpy as np

from dsslic_jax.errors import CoderFailed, CoderUnavailable

_EFFORT = 7  # 8 and 9 gain under 1 % on compact images at several times the time


def _import_imagecodecs() -> Any:
    try:
        import imagecodecs
    except ImportError as error:
        raise CoderUnavailable(
            "the JPEG XL coder needs imagecodecs: pip install imagecodecs"
        ) from error
    return imagecodecs


class Jxl:
    """Lossless coder, name "jxl": bare JPEG XL codestreams, effort 7, one thread."""

    name = "jxl"

    def encode(self, picture: np.ndarray) -> bytes:
        """Codes uint8 [H,W] or [H,W,3] without loss."""
        imagecodecs = _import_imagecodecs()
        try:
            return bytes(
                imagecodecs.jpegxl_encode(
                    np.ascontiguousarray(picture),
                    effort=_EFFORT,
                    lossless=True,
                    usecontainer=False,
                    numthreads=1,
                )
            )
        except (RuntimeError, ValueError) as error:
            raise CoderFailed(f"JPEG XL could not code shape {picture.shape}: {error}") from error

    def decode(self, data: bytes, shape: tuple[int, ...]) -> np.ndarray:
        """Decodes to uint8 of exactly `shape`, [H,W] or [H,W,3].

        The library compares the stream's size with `shape` before it decodes a pixel. Raises
        CoderFailed for another shape and for cut or broken streams; a flipped bit can decode
        silently to other pixels and bytes after the stream's end are not looked at: the
        container's CRC and lengths find those.
        """
        imagecodecs = _import_imagecodecs()
        picture = np.empty(shape, np.uint8)
        try:
            imagecodecs.jpegxl_decode(data, numthreads=1, out=picture)
        except (RuntimeError, ValueError) as error:
            raise CoderFailed(
                f"the JPEG XL layer is not a sound picture of shape {shape}: {error}"
            ) from error
        return picture
