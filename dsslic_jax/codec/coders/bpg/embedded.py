"""The embedded BPG coder: genuine BPG files, written and read with PyAV (x265, FFmpeg).

    picture --pad to 32--> RGB to YCbCr --4:2:0: halve chroma--> --pad to 8--> x265 --> BPG file
    BPG file --> HEVC decoder --> crop --4:2:0: double chroma--> YCbCr to RGB

8 or 10 bits per sample. Every BPG decoder opens the files, and the pixels decoded here are those that bpgdec shows, bit
for bit (see `show`).
"""

import numpy as np

from dsslic_jax.codec.coders.bpg import file as bpg
from dsslic_jax.codec.coders.bpg.file import BpgHeader, demux, mux, parse_header
from dsslic_jax.codec.coders.bpg.hevc import MAX_QP, decode_planes, encode_planes
from dsslic_jax.codec.coders.bpg.hevc_headers import BIT_DEPTHS, MIN_BLOCK
from dsslic_jax.codec.coders.bpg.planes import (
    double,
    halve,
    narrow,
    rgb_to_ycbcr,
    stretch,
    ycbcr_to_rgb,
)
from dsslic_jax.codec.tiles import pad_edge
from dsslic_jax.errors import CoderFailed, ConfigError

COLOURS = {
    "ycbcr444": (bpg.FORMAT_444, bpg.COLOUR_YCBCR),
    "ycbcr420": (bpg.FORMAT_420_JPEG, bpg.COLOUR_YCBCR),
    "rgb444": (bpg.FORMAT_444, bpg.COLOUR_RGB),
}
MIN_SIDE = 32  # pixels; native bpgenc with x265 crashes on smaller pictures
_X265_MIN_SIDE = 16
# bpgenc leaves x265's default ipratio of 1.4, which codes an I picture 3 steps finer than asked;
# the embedded encoder switches that off and subtracts the 3 itself.
_IPRATIO_QP_OFFSET = 3


def x265_quantiser(qp: int) -> int:
    """The constant x265 quantiser that matches bpgenc's `-q qp`."""
    return max(0, qp - _IPRATIO_QP_OFFSET)


def check_request(picture: np.ndarray, qp: int, colour: str, bit_depth: int) -> None:
    """Raises ConfigError for settings that the coders' `encode` does not take, CoderFailed for another picture."""
    if not 0 <= qp <= MAX_QP:
        raise ConfigError(f"the quantiser of BPG must be in 0..{MAX_QP}, not {qp}")
    if colour not in COLOURS:
        raise ConfigError(f"BPG's colour must be one of {', '.join(COLOURS)}, not {colour!r}")
    if bit_depth not in BIT_DEPTHS:
        raise ConfigError(f"BPG is coded at 8 or 10 bits per sample, not {bit_depth}")
    dtype = np.uint8 if bit_depth == 8 else np.uint16
    if picture.dtype != dtype or picture.ndim != 3 or picture.shape[2] != 3:
        raise CoderFailed(
            f"BPG of {bit_depth} bits codes {np.dtype(dtype)} [H,W,3], not {picture.dtype} "
            f"{list(picture.shape)}"
        )
    if bit_depth == 10 and picture.max() >= 1 << bit_depth:
        raise CoderFailed(f"BPG of 10 bits codes samples of 0..1023, not {picture.max()}")


def stored_size(shape: tuple[int, ...]) -> tuple[int, int]:
    """(height, width) that pictures of `shape` are padded to: both sides are at least MIN_SIDE."""
    return max(shape[0], MIN_SIDE), max(shape[1], MIN_SIDE)


def check_stored_size(data: bytes, shape: tuple[int, ...]) -> BpgHeader:
    """The header of `data`, a BPG file of a picture of `shape`, or CoderFailed; allocates nothing."""
    if len(shape) != 3 or shape[2] != 3:
        raise CoderFailed(f"BPG carries pictures of shape [H,W,3], not {shape}")
    header, _ = parse_header(data)
    height, width = stored_size(shape)
    if (header.height, header.width) != (height, width):
        raise CoderFailed(
            f"the BPG layer is {header.width}x{header.height} pixels where {width}x{height} were expected"
        )
    return header


def encode_planes_to_bpg(planes: list[np.ndarray], header: BpgHeader, qp: int) -> bytes:
    """Codes planes (uint8 or 10-bit uint16 [h,w]; 4:2:0 chroma ceil-halved) at bpgenc's `-q qp`.

    Sides of at least 16 pixels. Raises CoderFailed for smaller ones or if x265 fails.
    """
    if min(header.width, header.height) < _X265_MIN_SIDE:
        raise CoderFailed(f"x265 takes no picture of {header.width}x{header.height} pixels")
    coded = header.coded(MIN_BLOCK)
    chroma_step = 2 if coded.chroma_format == 1 else 1
    padded = []
    for plane, step in zip(planes, (1, chroma_step, chroma_step), strict=False):
        padded.append(pad_edge(plane, (coded.height // step, coded.width // step)))
    return mux(header, encode_planes(padded, coded, x265_quantiser(qp)))


def encode_picture(picture: np.ndarray, qp: int, colour: str, bit_depth: int) -> bytes:
    """A BPG file of [H,W,3] RGB, sides of 16 and more; settings as `EmbeddedBpg.encode`'s."""
    pixel_format, colour_space = COLOURS[colour]
    if colour_space == bpg.COLOUR_RGB:
        planes = [picture[..., channel] for channel in (1, 2, 0)]
    else:
        planes = rgb_to_ycbcr(picture, bit_depth)
    if pixel_format == bpg.FORMAT_420_JPEG:
        planes[1:] = [halve(plane) for plane in planes[1:]]
    height, width = picture.shape[:2]
    header = BpgHeader(width, height, pixel_format, colour_space, bit_depth)
    return encode_planes_to_bpg(planes, header, qp)


def show(data: bytes, bits: int) -> np.ndarray:
    """What `bpgdec -b bits` writes for a BPG file: [H,W,3] RGB, uint8 for 8 bits, uint16 for 16.

    Equal to libbpg at 8 bits shown, for files of either depth (tests/codec/test_libbpg.py). 16 bits are the same
    arithmetic with a wider white; libbpg's build for tests has no such output. Check the file's size first. Raises
    CoderFailed for damaged files, as far as damage shows, and for kinds of BPG that `parse_header` refuses.
    """
    header, hevc, coded = demux(data)
    planes = decode_planes(hevc, coded)
    height, width, depth = header.height, header.width, header.bit_depth
    if header.pixel_format in (bpg.FORMAT_420_JPEG, bpg.FORMAT_420_MPEG2):
        left_sited = header.pixel_format == bpg.FORMAT_420_MPEG2
        small = [plane[: -(-height // 2), : -(-width // 2)] for plane in planes[1:]]
        planes[1:] = [double(s, (height, width), depth, left_sited=left_sited) for s in small]
    planes = [plane[:height, :width] for plane in planes]
    if header.pixel_format == bpg.FORMAT_GRAY:
        return stretch(np.stack([planes[0]] * 3, axis=-1), depth, bits)
    if header.colour_space == bpg.COLOUR_RGB:
        return stretch(np.stack([planes[2], planes[0], planes[1]], -1), depth, bits)
    return ycbcr_to_rgb(planes, depth, bits)


def decode_picture(data: bytes) -> np.ndarray:
    """Decodes a BPG file to [H,W,3] RGB: uint8, or uint16 in 0..1023 where the file has 10 bits.

    Raises CoderFailed as `show` does; check the file's size first.
    """
    header, _ = parse_header(data)
    return show(data, 8) if header.bit_depth == 8 else narrow(show(data, 16))


class EmbeddedBpg:
    """BPG files by pip packages alone."""

    def encode(self, picture: np.ndarray, qp: int, colour: str, bit_depth: int) -> bytes:
        """Codes [H,W,3] RGB, uint8, or uint16 in 0..1023 for a `bit_depth` of 10; sides below 32 are padded to 32.

        `qp` is 0 (finest) to 51, bpgenc's -q; `colour` one of COLOURS; `bit_depth` 8 or 10. Raises ConfigError for
        other settings, CoderFailed for another picture and if x265 fails, CoderUnavailable without PyAV.
        """
        check_request(picture, qp, colour, bit_depth)
        padded = pad_edge(picture, stored_size(picture.shape))
        return encode_picture(padded, qp, colour, bit_depth)

    def decode(self, data: bytes, shape: tuple[int, ...]) -> np.ndarray:
        """Decodes a BPG file, ours or bpgenc's, as `decode_picture` does, to exactly `shape` = (H, W, 3).

        Raises CoderFailed for another stored size (before any decoding) and for damage that shows.
        """
        check_stored_size(data, shape)
        return decode_picture(data)[: shape[0], : shape[1]]
