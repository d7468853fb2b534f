"""The codecs that DSSLIC is measured against, by the libraries that write them: pictures [H, W, 3], or [H, W]."""

import io
import re
import struct
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import imagecodecs
import numpy as np
import PIL
from PIL import Image, features

from dsslic_jax.codec.coders.bpg.embedded import EmbeddedBpg
from dsslic_jax.codec.coders.bpg.hevc import x265_version
from dsslic_jax.errors import CoderFailed, CoderUnavailable, DataError
from dsslic_jax.evaluate.codecs.codec import FileCodec, SettingRange
from dsslic_jax.pictures.reading import load, opened
from dsslic_jax.system.extras import how_to_install

QUALITY = SettingRange("quality", 0, 100)
_LENGTHS = struct.Struct("<3I")  # of the files of R, G and B, which follow


def jpeg(name: str, subsampling: str, optimize: bool = True) -> FileCodec:
    """JPEG, `subsampling` "4:4:4" or "4:2:0"; Huffman tables made for the picture, or the standard's."""
    turbo = features.version("libjpeg_turbo")
    library = f"libjpeg-turbo {turbo}" if turbo else f"libjpeg {features.version('jpg')}"
    return _by_pillow(
        *(name, "jpg", ".jpg", (5, 10, 20, 35, 50, 65, 80, 90, 95)),
        f"{library}, {'its own' if optimize else 'standard'} Huffman tables",
        lambda quality: {"quality": int(quality), "optimize": optimize},
        {"subsampling": subsampling},
        SettingRange("quality", 1, 100),
    )


def jpeg2000(name: str) -> FileCodec:
    """JPEG 2000 in its own lossy mode: 9/7 wavelet after the irreversible colour transform."""
    return _by_pillow(
        *(name, "jpg_2000", ".jp2", (160, 100, 60, 40, 26, 18, 12, 8, 5)),
        f"OpenJPEG {features.version('jpg_2000')}",
        lambda r: {"quality_mode": "rates", "irreversible": True, "quality_layers": [r]},
        {"mct": 1},
        SettingRange("compression ratio, bytes of samples per byte", 1, np.inf, whole=False),
    )


def webp(name: str, method: int = 6) -> FileCodec:
    """Lossy WebP; `method` is 0 (fastest) to 6 (smallest)."""
    return _by_pillow(
        *(name, "webp", ".webp", (0, 5, 20, 40, 60, 75, 85, 92, 97)),
        f"libwebp {features.version('webp')}, method {method}",
        lambda quality: {"quality": int(quality), "method": method},
    )


def avif(name: str) -> FileCodec:
    """AVIF 4:4:4 by aom, told like x265 in BPG to go for PSNR: its default costs about half a dB of it."""
    options = {
        "codec": "aom",
        "speed": 4,
        "max_threads": 1,
        "autotiling": False,  # tiles cost rate and save time on many threads only
        "advanced": {"tune": "psnr"},
    }
    return _by_pillow(
        *(name, "avif", ".avif", (15, 25, 35, 45, 55, 65, 75, 85, 92)),
        f"{_aom()}, libavif {features.version('avif')}, speed 4, tune psnr",
        lambda quality: {**options, "quality": int(quality)},
        {"subsampling": "4:4:4"},
    )


def jxl(name: str) -> FileCodec:
    """Lossy JPEG XL (VarDCT, XYB) at effort 7."""
    return _checked(
        FileCodec(
            name=name,
            suffix=".jxl",
            setting_range=SettingRange("Butteraugli distance", 0.01, 25, whole=False),
            settings=(12, 8, 5, 3, 2, 1.3, 0.8, 0.5, 0.3),
            version=f"{imagecodecs.jpegxl_version()}, effort 7 (imagecodecs {imagecodecs.__version__})",
            encode=lambda picture, distance: bytes(
                imagecodecs.jpegxl_encode(
                    picture, distance=distance, effort=7, lossless=False, numthreads=1
                )
            ),
            decode=lambda data, shape: imagecodecs.jpegxl_decode(data, numthreads=1),
        ),
        imagecodecs.JpegxlError,
    )


def heic(name: str) -> FileCodec:
    """HEIC 4:4:4 by libheif with x265."""
    try:
        import pillow_heif
    except ImportError as error:
        raise CoderUnavailable(f"{name} needs pillow-heif: {how_to_install('heic')}") from error
    pillow_heif.options.DECODE_THREADS = 1
    # As BPG has them; libheif's own choice goes for SSIM and costs about half a dB.
    x265 = {"tune": "psnr", "x265:pools": "none", "x265:frame-threads": "1"}

    def encode(picture: np.ndarray, quality: float) -> bytes:
        buffer = io.BytesIO()
        file = pillow_heif.from_bytes("RGB", picture.shape[1::-1], picture.tobytes())
        file.save(buffer, quality=int(quality), chroma=444, enc_params=x265)
        return buffer.getvalue()

    info = pillow_heif.libheif_info()
    return _checked(
        FileCodec(
            name=name,
            suffix=".heic",
            setting_range=QUALITY,
            settings=(12, 20, 28, 36, 44, 52, 60, 68, 76),
            version=f"{info['HEIF']}, libheif {info['libheif']}, tune psnr "
            f"(pillow-heif {pillow_heif.__version__})",
            encode=encode,
            decode=lambda data, shape: np.asarray(pillow_heif.open_heif(io.BytesIO(data))),
        ),
        RuntimeError,
    )


def bpg(name: str, colour: str) -> FileCodec:
    """BPG of 8 bits by the residual's coder; `colour` is "ycbcr444", "ycbcr420" or "rgb444"."""
    coder = EmbeddedBpg()
    return FileCodec(
        name=name,
        suffix=".bpg",
        setting_range=SettingRange("bpgenc's -q", 0, 51),
        settings=(46, 42, 38, 34, 30, 26, 22, 18, 14),
        version=x265_version(),
        encode=lambda picture, quantiser: coder.encode(picture, int(quantiser), colour, 8),
        decode=coder.decode,
    )


def planes(name: str, grey: FileCodec) -> FileCodec:
    """Protocol `paper`'s way: R, G and B as three grey pictures. The lengths that hold them together do not count."""

    def encode(picture: np.ndarray, setting: float) -> bytes:
        channels = np.ascontiguousarray(np.moveaxis(picture, -1, 0))
        files = [grey.encode(channel, setting) for channel in channels]
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


def _by_pillow(
    name: str,
    feature: str,
    suffix: str,
    settings: tuple[float, ...],
    library: str,
    options: Callable[[float], dict[str, Any]],
    colour_options: dict[str, Any] | None = None,
    setting_range: SettingRange = QUALITY,
) -> FileCodec:
    """A format that Pillow writes.

    Args:
        name, suffix, settings, setting_range: as `FileCodec` has them.
        feature: Pillow's name of the library.
        library: the encoder with its version.
        options: of Image.save, by setting.
        colour_options: more of them, for [H, W, 3] alone.
    """
    if not features.check(feature):
        raise CoderUnavailable(f"{name} needs a Pillow built with {feature}: pip install -U pillow")
    pillow_format = Image.registered_extensions()[suffix]

    def encode(picture: np.ndarray, setting: float) -> bytes:
        chosen = options(setting) | ((colour_options or {}) if picture.ndim == 3 else {})
        buffer = io.BytesIO()
        Image.fromarray(picture).save(buffer, pillow_format, **chosen)
        return buffer.getvalue()

    def decode(data: bytes, shape: tuple[int, ...]) -> np.ndarray:
        with opened(io.BytesIO(data), "the file", (pillow_format,)) as image:
            load(image)
            # WebP knows no grey: R, G and B of a grey plane come back equal.
            return np.array(image.convert("L") if len(shape) == 2 else image)

    version = f"{library} (Pillow {PIL.__version__})"
    codec = FileCodec(name, suffix, setting_range, settings, version, encode, decode)
    return _checked(codec, DataError)


def _checked(codec: FileCodec, own_error: type[Exception]) -> FileCodec:
    """The codec, told to raise CoderFailed where its library fails or decodes to another shape or type."""
    errors = (OSError, ValueError, own_error)

    def encode(picture: np.ndarray, setting: float) -> bytes:
        try:
            return codec.encode(picture, setting)
        except errors as error:
            raise CoderFailed(f"{codec.name} cannot encode at {setting:g}: {error}") from error

    def decode(data: bytes, shape: tuple[int, ...]) -> np.ndarray:
        try:
            picture = codec.decode(data, shape)
        except errors as error:
            raise CoderFailed(f"{codec.name} cannot decode its own file: {error}") from error
        if picture.dtype != np.uint8 or picture.shape != shape:
            found = f"{picture.dtype} {list(picture.shape)}"
            raise CoderFailed(f"{codec.name} decoded {found} instead of uint8 {list(shape)}")
        return picture

    return replace(codec, encode=encode, decode=decode)


def _aom() -> str:
    """The AV1 encoder with its version, which Pillow has in its extension module alone."""
    if not features.check("avif"):
        return ""
    from PIL import _avif

    found = re.search(r"aom[^,]*?([\d.]+)", getattr(_avif, "codec_versions", str)())
    return f"aom {found[1]}" if found else "aom of unknown version"
