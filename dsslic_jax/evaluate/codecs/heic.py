"""HEIC by pillow-heif: libheif with x265."""

from __future__ import annotations

import io

import numpy as np

from dsslic_jax.errors import CoderFailed, CoderUnavailable
from dsslic_jax.evaluate.codecs.codec import QUALITY, FileCodec, checked

# As BPG has them; libheif's own choice goes for SSIM and costs about half a dB.
_X265 = {"tune": "psnr", "x265:pools": "none", "x265:frame-threads": "1"}


def heic(name: str) -> FileCodec:
    """HEIC 4:4:4."""
    try:
        import pillow_heif
    except ImportError as error:
        raise CoderUnavailable(
            f"{name} needs pillow-heif: pip install 'dsslic_jax[heic]'"
        ) from error
    pillow_heif.options.DECODE_THREADS = 1

    def encode(picture: np.ndarray, quality: float) -> bytes:
        buffer = io.BytesIO()
        size = (picture.shape[1], picture.shape[0])
        try:
            file = pillow_heif.from_bytes("RGB", size, picture.tobytes())
            file.save(buffer, quality=int(quality), chroma=444, enc_params=_X265)
        except (OSError, RuntimeError, ValueError) as error:
            raise CoderFailed(f"{name} cannot encode at {quality:g}: {error}") from error
        return buffer.getvalue()

    def decode(data: bytes, shape: tuple[int, ...]) -> np.ndarray:
        try:
            picture = np.asarray(pillow_heif.open_heif(io.BytesIO(data)))
        except (OSError, RuntimeError, ValueError) as error:
            raise CoderFailed(f"{name} cannot decode its own file: {error}") from error
        return checked(name, picture, shape)

    info = pillow_heif.libheif_info()
    version = (
        f"{info['HEIF']}, libheif {info['libheif']}, tune psnr "
        f"(pillow-heif {pillow_heif.__version__})"
    )
    qualities = (12, 20, 28, 36, 44, 52, 60, 68, 76)
    return FileCodec(name, ".heic", QUALITY, qualities, version, encode, decode)
