"""One HEVC intra picture through PyAV: libx265 encodes planes of 8 or 10 bits, FFmpeg decodes them.

PyAV's wheels carry libx265 (GPL); nothing else is needed. Encoding is deterministic: one thread, fixed parameters. Any
number of threads may call either function at once.
"""

import re
import threading
from typing import Any

import numpy as np

from dsslic_jax.codec.coders.bpg.hevc_headers import CodedPicture
from dsslic_jax.errors import CoderFailed, CoderUnavailable

# Chosen on rate-distortion curves: level with `bpgenc -m 8`, see the codec's documentation. One IDR
# picture at a constant quantiser; amp and rect as the BPG format implies.
_X265_PARAMS = (
    "keyint=1:min-keyint=1:info=0:log-level=none:scenecut=0:bframes=0:amp=1:rect=1:"
    "tu-intra-depth=3:tu-inter-depth=3:qp={qp}:ipratio=1:aq-mode=0:pools=1:frame-threads=1"
)
_PIXEL_FORMATS = {0: "gray", 1: "yuv420p", 3: "yuv444p"}  # by chroma_format_idc
_SUFFIXES = {8: "", 10: "10le"}  # of those names, by bit depth
_DTYPES: dict[int, np.dtype] = {8: np.dtype("u1"), 10: np.dtype("<u2")}
MAX_QP = 51
_OPENING = threading.Lock()  # the first encoder opened fills x265's tables of functions


def _import_av() -> Any:
    try:
        import av
    except ImportError as error:
        raise CoderUnavailable(
            "the embedded BPG coder needs PyAV: pip install av (its wheels carry libx265)"
        ) from error
    av.logging.set_level(av.logging.PANIC)  # errors are raised, not printed
    return av


def _pixel_format(coded: CodedPicture) -> str:
    return _PIXEL_FORMATS[coded.chroma_format] + _SUFFIXES[coded.bit_depth]


def encode_planes(planes: list[np.ndarray], coded: CodedPicture, qp: int) -> bytes:
    """Codes planes with x265.

    `planes`: [h, w] each, uint8 or, for 10 bits, uint16; one (gray) or three, as `coded` says, whose
    sides are multiples of 8 and at least 16 (x265 refuses less). `qp`: 0..51.
    Returns an Annex B stream with its parameter sets. Raises CoderFailed if x265 does.
    """
    av = _import_av()
    dtype, pixel_format = _DTYPES[coded.bit_depth], _pixel_format(coded)
    frame = av.VideoFrame(coded.width, coded.height, pixel_format)
    for plane, samples in zip(frame.planes, planes, strict=True):
        padded = np.zeros((plane.height, plane.line_size // dtype.itemsize), dtype)
        padded[:, : plane.width] = samples
        plane.update(padded)
    encoder = av.CodecContext.create("libx265", "w")
    encoder.width, encoder.height, encoder.pix_fmt = coded.width, coded.height, pixel_format
    encoder.framerate = 25  # demanded; a still picture has none
    encoder.thread_count = 1
    encoder.options = {"preset": "slow", "tune": "psnr", "x265-params": _X265_PARAMS.format(qp=qp)}
    size = f"{coded.width}x{coded.height}"
    try:
        with _OPENING:
            encoder.open()
        packets = [*encoder.encode(frame), *encoder.encode(None)]
    except (av.FFmpegError, ValueError) as error:
        raise CoderFailed(f"x265 could not code a {size} picture: {error}") from error
    stream = b"".join(bytes(packet) for packet in packets)
    if not stream:
        raise CoderFailed(f"x265 wrote nothing for a {size} picture")
    return stream


def decode_planes(stream: bytes, coded: CodedPicture) -> list[np.ndarray]:
    """Decodes an Annex B stream of one picture, which is to be what `coded` says.

    Returns the planes [h, w], uint8 or, for 10 bits, uint16. Raises CoderFailed if FFmpeg reports an
    error or the stream does not hold exactly one picture of that size, format and depth.
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
    if found != (coded.width, coded.height, _pixel_format(coded)):
        raise CoderFailed(f"the BPG layer's HEVC data holds an unexpected picture: {found}")
    dtype, planes = _DTYPES[coded.bit_depth], []
    for plane in frame.planes:
        rows = np.frombuffer(plane, dtype).reshape(-1, plane.line_size // dtype.itemsize)
        planes.append(rows[: plane.height, : plane.width].copy())
    return planes


def x265_version() -> str:
    """The x265 that codes BPG here, as it names itself in streams that are allowed to."""
    av = _import_av()
    encoder = av.CodecContext.create("libx265", "w")
    encoder.width, encoder.height, encoder.pix_fmt = 64, 64, "yuv420p"
    encoder.framerate = 25
    encoder.options = {"x265-params": "log-level=none:pools=1:frame-threads=1"}
    packets = [*encoder.encode(av.VideoFrame(64, 64, "yuv420p")), *encoder.encode(None)]
    named = re.search(rb"x265 \(build \d+\) - ([^: ]+)", b"".join(map(bytes, packets)))
    version = named[1].decode() if named else "of unknown version"
    return f"x265 {version}, tune psnr (PyAV {av.__version__})"
