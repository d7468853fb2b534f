"""HEVC parameter sets as BPG keeps them: what a picture's decoder must know, in about ten bytes.

A BPG file leaves out the VPS and most of the SPS. `parse_sps` and `write_bpg_header` make the short header from an
encoder's SPS; `parse_bpg_header` and `rebuild_parameter_sets` make a VPS and an SPS that any HEVC decoder accepts.
Sources: ITU-T H.265 sections 7.3.2 (syntax) and 7.4.1 (emulation prevention); the BPG specification 0.9.8.
"""

from dataclasses import dataclass
from typing import Any

from dsslic_jax.codec.coders.bpg.hevc_bits import (
    BitReader,
    BitWriter,
    add_emulation_prevention,
    remove_emulation_prevention,
)
from dsslic_jax.errors import CoderFailed

START_CODE = b"\x00\x00\x00\x01"
NAL_IDR_TYPES = (19, 20)  # IDR_W_RADL and IDR_N_LP
NAL_VPS, NAL_SPS, NAL_PPS = 32, 33, 34
NAL_SEI_TYPES = (39, 40)
MIN_BLOCK = 8  # smallest coding block HEVC knows, in pixels
BIT_DEPTHS = (8, 10)  # bits in a sample that this project codes
_RANGE_EXTENSION_FLAGS = 9


@dataclass(frozen=True)
class CodedPicture:
    """The planes that HEVC codes: sides in pixels, multiples of the smallest coding block."""

    width: int
    height: int
    chroma_format: int  # chroma_format_idc: 0 gray, 1 4:2:0, 3 4:4:4
    bit_depth: int = 8  # of every plane


@dataclass(frozen=True)
class CodingTools:
    """The SPS fields that matter to decoding one IDR picture, named as in H.265 7.3.2.2."""

    log2_min_coding_block: int
    log2_diff_max_coding_block: int
    log2_min_transform: int
    log2_diff_max_transform: int
    max_transform_depth_intra: int
    sample_adaptive_offset: int
    pcm: tuple[int, int, int, int, int] | None
    strong_intra_smoothing: int
    range_extension: int | None  # nine flags as one number

    @property
    def min_coding_block(self) -> int:
        """Coded width and height are multiples of this many pixels."""
        return 1 << self.log2_min_coding_block

    def check(self) -> None:
        """Raises CoderFailed for block sizes outside H.265's limits (7.4.3.2.1)."""
        max_coding_block = self.log2_min_coding_block + self.log2_diff_max_coding_block
        max_transform = self.log2_min_transform + self.log2_diff_max_transform
        sound = (
            3 <= self.log2_min_coding_block
            and 4 <= max_coding_block <= 6
            and 2 <= self.log2_min_transform < self.log2_min_coding_block
            and max_transform <= min(5, max_coding_block)
            and self.max_transform_depth_intra <= max_coding_block - self.log2_min_transform
        )
        if not sound:
            raise CoderFailed("the BPG layer's HEVC header asks for block sizes HEVC does not have")


def nal_type(nal: bytes) -> int:
    """The type of a NAL unit that begins with its two header bytes; CoderFailed without them."""
    if len(nal) < 2:
        raise CoderFailed("the BPG layer's HEVC data holds an empty unit")
    return (nal[0] >> 1) & 0x3F


def _skip_vui(reader: BitReader) -> None:
    """Reads past the video usability information (H.265 E.2.1), which does not touch samples."""
    if reader.bits(1) and reader.bits(8) == 255:  # sample aspect ratio, the extended one
        reader.bits(32)
    if reader.bits(1):  # overscan
        reader.bits(1)
    if reader.bits(1):  # video signal type
        reader.bits(4)
        if reader.bits(1):
            reader.bits(24)
    if reader.bits(1):  # chroma location
        reader.ues(2)
    reader.bits(3)
    if reader.bits(1):  # default display window
        reader.ues(4)
    if reader.bits(1):  # timing
        reader.bits(64)
        if reader.bits(1):
            reader.ue()
        if reader.bits(1):
            raise CoderFailed("x265 wrote HRD parameters, which BPG cannot carry")
    if reader.bits(1):  # bitstream restriction
        reader.bits(3)
        reader.ues(5)


def parse_sps(nal: bytes) -> tuple[CodingTools, CodedPicture]:
    """Reads an encoder's SPS NAL unit (two header bytes included, no start code).

    Raises CoderFailed for what BPG cannot carry: scaling lists, luma and chroma of different
    depths, reference picture sets.
    """
    reader = BitReader(remove_emulation_prevention(nal[2:]))
    reader.bits(4)
    if reader.bits(3):
        raise CoderFailed("x265 wrote temporal sub-layers, which BPG cannot carry")
    reader.bits(1)
    reader.bits(96)  # profile_tier_level without sub-layers
    reader.ue()
    chroma_format = reader.ue()
    if chroma_format == 3 and reader.bits(1):
        raise CoderFailed("x265 wrote separate colour planes, which BPG cannot carry")
    width, height = reader.ues(2)
    if reader.bits(1):  # conformance window: the BPG header's size does its work
        reader.ues(4)
    luma_depth, chroma_depth = (8 + above for above in reader.ues(2))
    if luma_depth != chroma_depth:
        raise CoderFailed("x265 wrote luma and chroma of different depths, which BPG cannot carry")
    reader.ue()
    reader.bits(1)
    reader.ues(3)
    blocks = reader.ues(4)
    reader.ue()  # max_transform_hierarchy_depth_inter
    depth_intra = reader.ue()
    if reader.bits(1):
        raise CoderFailed("x265 wrote scaling lists, which BPG cannot carry")
    reader.bits(1)  # amp
    sao = reader.bits(1)
    pcm = _read_pcm(reader)
    if reader.ue() or reader.bits(1):
        raise CoderFailed("x265 wrote reference picture sets, which BPG cannot carry")
    reader.bits(1)  # temporal motion vectors
    strong = reader.bits(1)
    if reader.bits(1):
        _skip_vui(reader)
    tools = _tools(blocks, depth_intra, sao, pcm, strong, _read_extension(reader))
    return tools, CodedPicture(width, height, chroma_format, luma_depth)


def _tools(blocks: list[int], *others: Any) -> CodingTools:
    """The checked tools of four numbers for block sizes, as headers have them, and the further fields."""
    tools = CodingTools(blocks[0] + 3, blocks[1], blocks[2] + 2, blocks[3], *others)
    tools.check()
    return tools


def _read_pcm(reader: BitReader) -> tuple[int, int, int, int, int] | None:
    if not reader.bits(1):
        return None
    return reader.bits(4), reader.bits(4), reader.ue(), reader.ue(), reader.bits(1)


def _read_extension(reader: BitReader) -> int | None:
    if not reader.bits(1):
        return None
    which = reader.bits(8)
    if which & 0x7F:
        raise CoderFailed("the BPG layer uses HEVC extensions other than the range extension")
    return reader.bits(_RANGE_EXTENSION_FLAGS) if which else None


def _write_pcm(writer: BitWriter, pcm: tuple[int, int, int, int, int] | None) -> None:
    writer.bits(int(pcm is not None), 1)
    if pcm is not None:
        writer.fields((pcm[0], 4), (pcm[1], 4))
        writer.ue(pcm[2], pcm[3])
        writer.bits(pcm[4], 1)


def _write_extension(writer: BitWriter, extension: int | None) -> None:
    writer.bits(int(extension is not None), 1)
    if extension is not None:
        writer.bits(0x80, 8)
        writer.bits(extension, _RANGE_EXTENSION_FLAGS)


def _write_blocks(writer: BitWriter, tools: CodingTools) -> None:
    writer.ue(tools.log2_min_coding_block - 3, tools.log2_diff_max_coding_block)
    writer.ue(tools.log2_min_transform - 2, tools.log2_diff_max_transform)


def write_bpg_header(tools: CodingTools) -> bytes:
    """The modified SPS of a BPG file, without its length."""
    writer = BitWriter()
    _write_blocks(writer, tools)
    writer.ue(tools.max_transform_depth_intra)
    writer.bits(tools.sample_adaptive_offset, 1)
    _write_pcm(writer, tools.pcm)
    writer.bits(tools.strong_intra_smoothing, 1)
    _write_extension(writer, tools.range_extension)
    return writer.padded(stop_bit=False)


def parse_bpg_header(header: bytes) -> CodingTools:
    """The inverse of `write_bpg_header`; raises CoderFailed for headers HEVC does not allow."""
    reader = BitReader(header)
    blocks, depth_intra, sao = reader.ues(4), reader.ue(), reader.bits(1)
    pcm, strong = _read_pcm(reader), reader.bits(1)
    return _tools(blocks, depth_intra, sao, pcm, strong, _read_extension(reader))


def _write_profile(writer: BitWriter) -> None:
    """profile_tier_level: range extensions profile, level 6.2, a superset of what BPG uses."""
    writer.fields((0, 3), (4, 5), (1 << (31 - 4), 32))
    writer.fields((0b1001, 4), (0, 44), (186, 8))  # progressive, frames only


def _vps() -> bytes:
    writer = BitWriter()
    writer.fields((0, 4), (0b11, 2), (0, 9), (1, 1), (0xFFFF, 16))
    _write_profile(writer)
    writer.bits(1, 1)
    writer.ue(0, 0, 0)
    writer.bits(0, 6)
    writer.ue(0)
    writer.bits(0, 2)
    return writer.padded(stop_bit=True)


def _sps(tools: CodingTools, coded: CodedPicture) -> bytes:
    writer = BitWriter()
    writer.bits(1, 8)  # VPS 0, one sub-layer, temporal nesting
    _write_profile(writer)
    writer.ue(0)
    writer.ue(coded.chroma_format)
    if coded.chroma_format == 3:
        writer.bits(0, 1)
    writer.ue(coded.width, coded.height)
    writer.bits(0, 1)
    writer.ue(coded.bit_depth - 8, coded.bit_depth - 8)
    writer.ue(4)  # eight bits of picture order count, as bpgenc has it
    writer.bits(1, 1)
    writer.ue(0, 0, 0)
    _write_blocks(writer, tools)
    writer.ue(tools.max_transform_depth_intra)  # inter depth: unused
    writer.ue(tools.max_transform_depth_intra)
    writer.bits(0b01, 2)  # no scaling lists; asymmetric partitions
    writer.bits(tools.sample_adaptive_offset, 1)
    _write_pcm(writer, tools.pcm)
    writer.ue(0)
    writer.bits(0b01, 2)  # no long-term references; temporal motion vectors
    writer.bits(tools.strong_intra_smoothing, 1)
    writer.bits(0, 1)
    _write_extension(writer, tools.range_extension)
    return writer.padded(stop_bit=True)


def rebuild_parameter_sets(tools: CodingTools, coded: CodedPicture) -> bytes:
    """VPS and SPS with start codes for a picture coded with `tools`."""
    vps = bytes([NAL_VPS << 1, 1]) + add_emulation_prevention(_vps())
    sps = bytes([NAL_SPS << 1, 1]) + add_emulation_prevention(_sps(tools, coded))
    return START_CODE + vps + START_CODE + sps
