"""Pictures of more than 8 bits a sample: told before they are decoded, and rounded to 8.

Pillow alone does not: it clips 16-bit greys to 255 and keeps the upper byte of 16-bit colours.
"""

from typing import Any

import numpy as np
from PIL import Image

from dsslic_jax.errors import DataError
from dsslic_jax.system.files import MAX_PIXELS

_TIFF_BITS, _TIFF_PHOTOMETRIC = 258, 262
_TIFF_TILE_WIDTH, _TIFF_TILE_LENGTH, _TIFF_ALPHA, _TIFF_SAMPLE_FORMAT = 322, 323, 338, 339
_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB = range(3)
_J2K_START = b"\xff\x4f\xff\x51"  # markers SOC and SIZ begin every JPEG 2000 codestream
_J2K_COMPONENTS = 40  # from its start to the components' count, which their depths follow
_AV1_SETTINGS, _AV1_FLAGS, _AV1_DEEP = b"av1C", 6, 0x40  # of AV1CodecConfigurationBox
_HEAD_BYTES = 1 << 16
_ROWS = 256


def is_deep(image: Image.Image) -> bool:
    """Whether a picture has more than 8 bits a sample, as far as its file's header or its mode tells.

    A colour picture that Pillow has decoded already is no longer deep.
    """
    if image.mode.startswith(("I", "F")):
        return True
    decoder, _, _, args = _tile(image)
    if not decoder:
        return False
    if image.format == "TIFF":
        bits = max(image.tag_v2.get(_TIFF_BITS, (8,)))  # type: ignore[attr-defined]
    elif image.format == "PPM":
        bits = args[-1].bit_length() if decoder.startswith("ppm") else 8
    elif image.format == "AVIF":
        bits = _av1_bits(_file_of(image, _HEAD_BYTES))
    elif image.format == "HEIF":
        bits = image.info.get("bit_depth", 8)
    elif image.format == "JPEG2000":
        bits = _j2k_bits(_file_of(image, _HEAD_BYTES))
    else:
        sixteen = decoder == "SGI16" or ";16" in str(args)
        bits = 16 if image.format in ("PNG", "SGI") and sixteen else 8
    return bits > 8


def png_samples(image: Image.Image) -> str:
    """How a PNG file stores its samples, such as "L", "L;4" or "RGB;16B"; "" for another or a decoded one."""
    return str(_tile(image)[3]) if image.format == "PNG" else ""


def rounded(image: Image.Image, name: str) -> Image.Image:
    """A deep picture, its header read, with samples rounded to the nearest of 0..255: mode L, LA, RGB or RGBA.

    Raises DataError for samples without such a scale (floating point, 32 bits), or a format not read whole here.
    """
    if image.format in ("AVIF", "HEIF"):
        image.load()  # Pillow's decoder rounds by itself
        return image
    if image.format == "TIFF" and getattr(image, "tile", []):
        samples, most = _tiff(image, name), 65535
    elif image.format == "PNG" and ";16" in png_samples(image):
        samples, most = _png(image, name), 65535
    elif image.mode in ("I", "RGB") and _tile(image)[0] in ("ppm", "raw"):
        samples, most = _ppm(image)
    elif image.mode.startswith("I"):
        samples, most = np.asarray(image), 65535
        if image.mode == "I" and not 0 <= samples.min() <= samples.max() <= most:
            raise DataError(f"{name}: has samples beyond 16 bits; scale them to 0..65535 first")
    else:
        raise _not_here(image, name)
    return Image.fromarray(to_8_bits(samples, most))


def to_8_bits(samples: np.ndarray, most: int) -> np.ndarray:
    """round(255 * samples / most) as uint8, for unsigned samples 0..most < 2**24; halves are rounded up."""
    rounded_samples = np.empty(samples.shape, np.uint8)
    for row in range(0, len(samples), _ROWS):  # not four bytes a sample for the whole picture
        wide = samples[row : row + _ROWS].astype(np.uint32)
        rounded_samples[row : row + _ROWS] = np.minimum((wide * 510 + most) // (2 * most), 255)
    return rounded_samples


def _png(image: Image.Image, name: str) -> np.ndarray:
    import imagecodecs

    if "transparency" in image.info:
        raise DataError(
            f"{name}: 16 bits with one transparent colour; write it with an alpha channel"
        )
    return np.asarray(imagecodecs.png_decode(_file_of(image)))


def _tiff(image: Image.Image, name: str) -> np.ndarray:
    import imagecodecs

    tags = image.tag_v2  # type: ignore[attr-defined]
    bits, kind = tags.get(_TIFF_BITS, (8,)), tags.get(_TIFF_PHOTOMETRIC)
    channels = 3 if kind == _RGB else 1
    alpha = tags.get(_TIFF_ALPHA, ())
    plain = (
        set(bits) == {16}
        and set(tags.get(_TIFF_SAMPLE_FORMAT, (1,))) == {1}  # unsigned
        and kind in (_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB)
        and tags.get(_TIFF_TILE_WIDTH, 0) * tags.get(_TIFF_TILE_LENGTH, 0) <= MAX_PIXELS
        and (len(bits), alpha) in ((channels, ()), (channels + 1, (2,)))  # 2: not premultiplied
    )
    if not plain:
        raise _not_here(image, name)
    samples = np.asarray(imagecodecs.tiff_decode(_file_of(image), index=0))
    if samples.ndim == 3 and samples.shape[0] == len(bits) != samples.shape[2]:
        samples = np.moveaxis(samples, 0, 2)  # stored plane by plane
    if kind == _WHITE_IS_ZERO:
        samples = 65535 - samples
    return samples


def _ppm(image: Image.Image) -> tuple[np.ndarray, int]:
    tile = _tile(image)
    most = tile[3][-1] if tile[0] == "ppm" else 65535
    channels = 3 if image.mode == "RGB" else 1
    count = image.width * image.height * channels
    samples = np.frombuffer(_file_of(image), ">u2", count, tile[2])
    shape = (image.height, image.width, channels)[: 3 if channels == 3 else 2]
    return samples.reshape(shape), most


def _av1_bits(head: bytes) -> int:
    """Bits of an AVIF file's samples, as its settings have them; 0 where they are not found; 10 stands for 12 too."""
    at = head.find(_AV1_SETTINGS) + _AV1_FLAGS
    if at < _AV1_FLAGS or at >= len(head):
        return 0
    return 10 if head[at] & _AV1_DEEP else 8


def _j2k_bits(head: bytes) -> int:
    """The most bits of any component, as the codestream's SIZ segment has them; 0 where it is not found."""
    start = head.find(_J2K_START)
    if start < 0 or len(head) < start + _J2K_COMPONENTS + 2:
        return 0
    at = start + _J2K_COMPONENTS
    count = int.from_bytes(head[at : at + 2], "big")
    depths = head[at + 2 : at + 2 + 3 * count : 3]
    return max((depth & 0x7F) + 1 for depth in depths) if depths else 0


def _file_of(image: Image.Image, length: int = -1) -> bytes:
    """The first bytes of the file of a picture, or all."""
    file = image.fp  # type: ignore[attr-defined]
    at = file.tell()
    file.seek(0)
    data = file.read(length)
    file.seek(at)
    return data


def _tile(image: Image.Image) -> tuple[str, tuple[int, ...], int, Any]:
    """Pillow's (decoder, extents, offset, arguments) of a picture not decoded yet."""
    tiles = getattr(image, "tile", [])
    return tiles[0] if tiles else ("", (), 0, "")


def _not_here(image: Image.Image, name: str) -> DataError:
    return DataError(
        f"{name}: {image.format or image.mode} samples of this kind cannot be rounded to 8 bits here; convert it "
        "to a 16-bit PNG first"
    )
