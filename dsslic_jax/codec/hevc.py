"""One HEVC intra picture through PyAV: libx265 encodes 8-bit planes, FFmpeg decodes them.

PyAV's wheels carry libx265 (GPL); nothing else is needed. Encoding is deterministic: one thread,
fixed parameters. A flipped bit in the stream usually decodes without complaint to other pixels,
so whoever stores a stream keeps a checksum of it: the container's CRC does.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dsslic_jax.errors import CoderFailed, CoderUnavailable

# Chosen on rate-distortion curves: level with `bpgenc -m 8`, see the codec's documentation. One IDR
# picture at a constant quantiser; amp and rect as the BPG format implies.
_X265_PARAMS = (
    "keyint=1:min-keyint=1:info=0:log-level=none:scenecut=0:bframes=0:amp=1:rect=1:"
    "tu-intra-depth=3:tu-inter-depth=3:qp={qp}:ipratio=1:aq-mode=0:pools=1:frame-threads=1"
)
_PIXEL_FORMATS = {0: "gray", 1: "yuv420p", 3: "yuv444p"}  # by chroma_format_idc
MAX_QP = 51


def _import_av() -> Any:
    try:
        import av
    except ImportError as error:
        raise CoderUnavailable(
            "the embedded BPG coder needs PyAV: pip install av (its wheels carry libx265)"
        ) from error
    av.logging.set_level(av.logging.PANIC)  # errors are raised, not printed
    return av


def encode_planes(planes: list[np.ndarray], chroma_format: int, qp: int) -> bytes:
    """Codes 8-bit planes with x265.

    `planes`: uint8 [h, w] each, one (gray) or three; the first one's sides are multiples of 8 and
    at least 16 (x265 refuses less). `chroma_format`: 0 gray, 1 4:2:0, 3 4:4:4. `qp`: 0..51.
    Returns an Annex B stream with its parameter sets. Raises CoderFailed if x265 does.
    """
    av = _import_av()
    height, width = planes[0].shape
    pixel_format = _PIXEL_FORMATS[chroma_format]
    frame = av.VideoFrame(width, height, pixel_format)
    for plane, samples in zip(frame.planes, planes, strict=True):
        padded = np.zeros((plane.height, plane.line_size), np.uint8)
        padded[:, : plane.width] = samples
        plane.update(padded)
    encoder = av.CodecContext.create("libx265", "w")
    encoder.width, encoder.height, encoder.pix_fmt = width, height, pixel_format
    encoder.framerate = 25  # demanded; a still picture has none
    encoder.thread_count = 1
    encoder.options = {
        "preset": "slow",
        "tune": "psnr",
        "x265-params": _X265_PARAMS.format(qp=qp),
    }
    try:
        packets = [*encoder.encode(frame), *encoder.encode(None)]
    except (av.FFmpegError, ValueError) as error:
        raise CoderFailed(f"x265 could not code a {width}x{height} picture: {error}") from error
    stream = b"".join(bytes(packet) for packet in packets)
    if not stream:
        raise CoderFailed(f"x265 wrote nothing for a {width}x{height} picture")
    return stream


def decode_planes(
    stream: bytes, chroma_format: int, coded_size: tuple[int, int]
) -> list[np.ndarray]:
    """Decodes an Annex B stream of one picture of (width, height) `coded_size`.

    Returns the planes, uint8 [h, w] each. Raises CoderFailed if FFmpeg reports an error or the
    stream does not hold exactly one picture of that size and format.
    """
    av = _import_av()
    decoder = av.CodecContext.create("hevc", "r")
    decoder.thread_count = 1
    decoder.options = {"err_detect": "explode"}
    try:
        frames = [*decoder.decode(av.Packet(stream)), *decoder.decode(None)]
    except (av.FFmpegError, ValueError) as error:
        raise CoderFailed(f"the BPG layer's HEVC data cannot be decoded: {error}") from error
    if len(frames) != 1:
        raise CoderFailed(f"the BPG layer's HEVC data holds {len(frames)} pictures instead of one")
    frame = frames[0]
    found = (frame.width, frame.height, frame.format.name)
    if found != (*coded_size, _PIXEL_FORMATS[chroma_format]):
        raise CoderFailed(f"the BPG layer's HEVC data holds an unexpected picture: {found}")
    planes = []
    for plane in frame.planes:
        rows = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)
        planes.append(rows[: plane.height, : plane.width].copy())
    return planes
