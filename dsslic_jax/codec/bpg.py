"""The embedded BPG coder: genuine BPG files, written and read with PyAV (x265, FFmpeg).

    picture --pad to 32--> RGB to YCbCr 4:4:4 --pad to 8--> x265 --> BPG file
    BPG file --> HEVC decoder --> crop --> YCbCr to RGB, bit for bit what bpgdec shows

Every BPG decoder opens the files. Nothing in BPG protects its payload: a flipped bit mostly decodes
silently to other pixels, so the container keeps a CRC of each layer.
"""

from __future__ import annotations

import numpy as np

from dsslic_jax.codec.bpg_file import (
    CHROMA_FORMAT_IDC,
    COLOUR_RGB,
    COLOUR_YCBCR,
    FORMAT_444,
    FORMAT_GRAY,
    BpgHeader,
    demux,
    mux,
    parse_header,
)
from dsslic_jax.codec.hevc import MAX_QP, decode_planes, encode_planes
from dsslic_jax.codec.hevc_headers import MIN_BLOCK
from dsslic_jax.codec.padding import pad_edge
from dsslic_jax.codec.ycbcr import rgb_to_ycbcr, ycbcr_to_rgb
from dsslic_jax.errors import CoderFailed, ConfigError

MIN_SIDE = 32  # pixels; native bpgenc with x265 crashes on smaller pictures
_X265_MIN_SIDE = 16
# bpgenc leaves x265's default ipratio of 1.4, which codes an I picture 3 steps finer than asked;
# the embedded encoder switches that off and subtracts the 3 itself.
_IPRATIO_QP_OFFSET = 3


def bpgenc_quantiser(quality: int) -> int:
    """The `-q` of bpgenc for a quality of 0 (coarsest, q 51) to 100 (finest, q 0): linear, rounded.

    Raises ConfigError outside 0..100.
    """
    if not 0 <= quality <= 100:
        raise ConfigError(f"the residual's quality must be in 0..100, not {quality}")
    return int((MAX_QP * (100 - quality) + 50) // 100)


def x265_quantiser(quality: int) -> int:
    """The constant x265 qp that matches `bpgenc_quantiser(quality)`."""
    return max(0, bpgenc_quantiser(quality) - _IPRATIO_QP_OFFSET)


def pad_to_min_side(picture: np.ndarray) -> np.ndarray:
    """[H,W,3] with both sides at least MIN_SIDE; the embedded and the external coder both do it."""
    height, width = picture.shape[:2]
    return pad_edge(picture, (max(height, MIN_SIDE), max(width, MIN_SIDE)))


def stored_size(shape: tuple[int, ...]) -> tuple[int, int]:
    """(height, width) that the BPG file of a picture of `shape` states: see `pad_to_min_side`."""
    return max(shape[0], MIN_SIDE), max(shape[1], MIN_SIDE)


def check_stored_size(data: bytes, shape: tuple[int, ...]) -> None:
    """Raises CoderFailed unless `data` is a BPG file of a picture of `shape`; allocates nothing."""
    if len(shape) != 3 or shape[2] != 3:
        raise CoderFailed(f"BPG carries pictures of shape [H,W,3], not {shape}")
    header, _ = parse_header(data)
    if (header.height, header.width) != stored_size(shape):
        raise CoderFailed(
            f"the BPG layer is {header.width}x{header.height} pixels where "
            f"{stored_size(shape)[1]}x{stored_size(shape)[0]} were expected"
        )


def encode_planes_to_bpg(planes: list[np.ndarray], header: BpgHeader, qp: int) -> bytes:
    """Codes 8-bit planes (uint8 [h,w]; 4:2:0 chroma planes ceil-halved) at x265 quantiser 0..51.

    Sides of at least 16 pixels. Raises CoderFailed for smaller ones or if x265 fails.
    """
    if min(header.width, header.height) < _X265_MIN_SIDE:
        raise CoderFailed(f"x265 takes no picture of {header.width}x{header.height} pixels")
    chroma_format = CHROMA_FORMAT_IDC[header.pixel_format]
    block = [MIN_BLOCK] + [MIN_BLOCK // 2 if chroma_format == 1 else MIN_BLOCK] * 2
    coded_rows, coded_columns = -(-header.height // MIN_BLOCK), -(-header.width // MIN_BLOCK)
    padded = [
        pad_edge(plane, (coded_rows * side, coded_columns * side))
        for plane, side in zip(planes, block, strict=False)
    ]
    return mux(header, encode_planes(padded, chroma_format, qp))


def encode_picture(picture: np.ndarray, qp: int, colour_space: int = COLOUR_YCBCR) -> bytes:
    """A BPG 4:4:4 file of uint8 [H,W,3] RGB (sides of 16 and more) at x265 quantiser 0..51.

    `colour_space`: COLOUR_YCBCR, or COLOUR_RGB as `bpgenc -c rgb` does.
    """
    height, width = picture.shape[:2]
    if colour_space == COLOUR_RGB:
        planes = [picture[..., channel] for channel in (1, 2, 0)]
    else:
        planes = rgb_to_ycbcr(picture)
    return encode_planes_to_bpg(planes, BpgHeader(width, height, FORMAT_444, colour_space), qp)


def decode_picture(data: bytes) -> np.ndarray:
    """Decodes a gray or 4:4:4 BPG file to uint8 [H,W,3] RGB; check its size first.

    Raises CoderFailed for damaged files, as far as damage shows, and for 4:2:0.
    """
    header, hevc, coded = demux(data)
    if header.pixel_format not in (FORMAT_444, FORMAT_GRAY):
        raise CoderFailed("the embedded decoder reads gray and 4:4:4 BPG, and this layer is 4:2:0")
    planes = decode_planes(hevc, CHROMA_FORMAT_IDC[header.pixel_format], coded)
    planes = [plane[: header.height, : header.width] for plane in planes]
    if header.pixel_format == FORMAT_GRAY:
        return np.repeat(planes[0][..., None], 3, axis=-1)
    if header.colour_space == COLOUR_RGB:
        return np.stack([planes[2], planes[0], planes[1]], axis=-1)
    return ycbcr_to_rgb(planes)


class EmbeddedBpg:
    """Lossy coder of the residual, name "bpg", that needs only pip packages."""

    name = "bpg"

    def encode(self, picture: np.ndarray, quality: int) -> bytes:
        """Codes uint8 [H,W,3] RGB at quality 0..100; sides below 32 are padded to 32 first.

        Raises CoderFailed if x265 fails and CoderUnavailable without PyAV.
        """
        return encode_picture(pad_to_min_side(picture), x265_quantiser(quality))

    def decode(self, data: bytes, shape: tuple[int, ...]) -> np.ndarray:
        """Decodes a BPG file, ours or bpgenc's, to uint8 of exactly `shape` = (H, W, 3).

        Raises CoderFailed for another stored size (before any decoding) and for damage that
        shows. A flipped bit usually does not show: the container's CRC finds it.
        """
        check_stored_size(data, shape)
        return decode_picture(data)[: shape[0], : shape[1]]
