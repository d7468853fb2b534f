"""The BPG file: magic, picture header, HEVC header, HEVC data (BPG specification 0.9.8).

    'BPG' 0xfb | format, depth | colour space, flags | width | height | data length |
    header length, HEVC header | PPS | 00 00 01 IDR slice ...

One still picture of 8 or 10 bits without alpha. Numbers are `ue7`: see varint.py.
"""

from dataclasses import dataclass

from dsslic_jax.codec.coders.bpg import hevc_headers as hevc_format
from dsslic_jax.codec.coders.bpg.hevc_headers import CodedPicture, nal_type
from dsslic_jax.codec.varint import read_varint, write_varint
from dsslic_jax.errors import CoderFailed, StreamError

MAGIC = b"BPG\xfb"
FORMAT_GRAY, FORMAT_420_JPEG, FORMAT_444, FORMAT_420_MPEG2 = 0, 1, 3, 4
COLOUR_YCBCR, COLOUR_RGB = 0, 1  # full-range BT.601; or planes G, B, R
CHROMA_FORMAT_IDC = {FORMAT_GRAY: 0, FORMAT_420_JPEG: 1, FORMAT_444: 3, FORMAT_420_MPEG2: 1}
_KINDS = {
    *((pixel_format, COLOUR_YCBCR) for pixel_format in CHROMA_FORMAT_IDC),
    (FORMAT_444, COLOUR_RGB),
}


@dataclass(frozen=True)
class BpgHeader:
    """What a BPG file says before any HEVC: size in pixels, sample layout and meaning."""

    width: int
    height: int
    pixel_format: int = FORMAT_444
    colour_space: int = COLOUR_YCBCR
    bit_depth: int = 8

    def coded(self, block: int) -> CodedPicture:
        """What HEVC codes: the picture grown to whole smallest coding blocks of `block` pixels."""
        return CodedPicture(
            -(-self.width // block) * block,
            -(-self.height // block) * block,
            CHROMA_FORMAT_IDC[self.pixel_format],
            self.bit_depth,
        )


def read_ue7(data: bytes, position: int) -> tuple[int, int]:
    """The number at `position` and the position after it; CoderFailed unless it is whole and sound."""
    try:
        return read_varint(data, position, "the BPG layer's header")
    except StreamError as error:
        raise CoderFailed(str(error)) from error


def parse_header(data: bytes) -> tuple[BpgHeader, int]:
    """A BPG file's picture header and the position after it, looked at in place.

    Raises CoderFailed for a file that is not BPG, is of a kind not supported here (alpha, animation, limited range,
    4:2:2, other depths than 8 and 10 bits), or whose stated length is not the length of what follows.
    """
    if data[:4] != MAGIC:
        raise CoderFailed("the layer is not a BPG file")
    if len(data) < 6:
        raise CoderFailed("the BPG layer is cut short inside its header")
    pixel_format, alpha1, bit_depth = data[4] >> 5, data[4] >> 4 & 1, 8 + (data[4] & 0xF)
    colour_space, flags = data[5] >> 4, data[5] & 0xF
    has_extension, unsupported_flags = flags >> 3, flags & 0b111
    if alpha1 or unsupported_flags:
        raise CoderFailed("the BPG layer is not a still, opaque, full-range picture")
    if bit_depth not in hevc_format.BIT_DEPTHS:
        raise CoderFailed(f"the BPG layer has {bit_depth} bits per sample: only 8 and 10 are read")
    if (pixel_format, colour_space) not in _KINDS:
        raise CoderFailed(
            f"the BPG layer's pixel format {pixel_format} with colour space {colour_space} "
            "is not supported: write it with bpgenc -f 444 -c ycbcr"
        )
    width, position = read_ue7(data, 6)
    height, position = read_ue7(data, position)
    stated_length, position = read_ue7(data, position)
    if has_extension:
        extension_length, position = read_ue7(data, position)
        position += extension_length
    if position >= len(data) or stated_length not in (0, len(data) - position):
        states = f"states {stated_length} bytes of picture data"
        holds = f"holds {max(0, len(data) - position)}: it was cut short or has a tail"
        raise CoderFailed(f"the BPG layer {states} but {holds}")
    return BpgHeader(width, height, pixel_format, colour_space, bit_depth), position


def split_nal_units(stream: bytes) -> list[bytes]:
    """The NAL units of an Annex B byte stream, start codes and padding zeros taken off."""
    pieces = stream.split(b"\x00\x00\x01")[1:]
    return [piece.rstrip(b"\x00") for piece in pieces]


def mux(header: BpgHeader, hevc: bytes) -> bytes:
    """Wraps one IDR picture, an Annex B stream as x265 writes it, in a BPG file.

    The coded size must be `header`'s size rounded up to whole coding blocks. Raises CoderFailed
    for a stream that BPG cannot carry or that is of another size, format or depth.
    """
    units = split_nal_units(hevc)
    sps = [unit for unit in units if nal_type(unit) == hevc_format.NAL_SPS]
    pps = [unit for unit in units if nal_type(unit) == hevc_format.NAL_PPS]
    slices = [unit for unit in units if nal_type(unit) in hevc_format.NAL_IDR_TYPES]
    if len(sps) != 1 or len(pps) != 1 or not slices:
        raise CoderFailed("x265 did not write exactly one SPS, one PPS and one IDR picture")
    tools, coded = hevc_format.parse_sps(sps[0])
    if coded != header.coded(tools.min_coding_block):
        raise CoderFailed(f"x265 coded {coded}, which is not what it was asked for")
    hevc_header = hevc_format.write_bpg_header(tools)
    body = write_varint(len(hevc_header)) + hevc_header
    body += pps[0] + b"".join(b"\x00\x00\x01" + unit for unit in slices)
    kind = bytes([header.pixel_format << 5 | (header.bit_depth - 8), header.colour_space << 4])
    numbers = (header.width, header.height, len(body))
    return MAGIC + kind + b"".join(map(write_varint, numbers)) + body


def demux(data: bytes) -> tuple[BpgHeader, bytes, CodedPicture]:
    """Takes a BPG file apart: its header, an Annex B stream for any HEVC decoder, and what that stream codes.

    Raises CoderFailed as `parse_header` does, and for an HEVC header that HEVC does not allow.
    """
    header, position = parse_header(data)
    length, position = read_ue7(data, position)
    hevc_header, picture = data[position : position + length], data[position + length :]
    if len(hevc_header) < length or not picture:
        raise CoderFailed("the BPG layer is cut short inside its HEVC header")
    tools = hevc_format.parse_bpg_header(hevc_header)
    picture_units = _picture_units(picture)
    coded = header.coded(tools.min_coding_block)
    return header, hevc_format.rebuild_parameter_sets(tools, coded) + picture_units, coded


def _picture_units(picture: bytes) -> bytes:
    """The PPS and IDR slices of a BPG file's HEVC data, as an Annex B stream.

    Messages (SEI) are dropped. Any other unit is refused, above all a second SPS: it could make the
    decoder allocate a picture of a size that nobody has checked.
    """
    kept = b""
    for unit in split_nal_units(b"\x00\x00\x01" + picture):
        kind = nal_type(unit)
        if kind == hevc_format.NAL_PPS or kind in hevc_format.NAL_IDR_TYPES:
            kept += hevc_format.START_CODE + unit
        elif kind not in hevc_format.NAL_SEI_TYPES:
            raise CoderFailed(f"the BPG layer's HEVC data holds a unit of type {kind}")
    return kept
