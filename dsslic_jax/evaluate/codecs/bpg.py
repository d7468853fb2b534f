"""BPG: the coder of the residual layer, here given the picture itself."""

from __future__ import annotations

import re

import numpy as np

from dsslic_jax.codec.coders.bpg.embedded import EmbeddedBpg
from dsslic_jax.evaluate.codecs.codec import QUANTISER, FileCodec

_QUANTISERS = (46, 42, 38, 34, 30, 26, 22, 18, 14)


def bpg(name: str, colour: str) -> FileCodec:
    """BPG of 8 bits; `colour` is "ycbcr444", "ycbcr420" or "rgb444". Raises CoderUnavailable without PyAV."""
    coder = EmbeddedBpg()

    def encode(picture: np.ndarray, quantiser: float) -> bytes:
        return coder.encode(picture, int(quantiser), colour, 8)

    return FileCodec(name, ".bpg", QUANTISER, _QUANTISERS, x265_version(), encode, coder.decode)


def x265_version() -> str:
    """The x265 that codes BPG here, as it names itself in streams that are allowed to."""
    EmbeddedBpg().encode(
        np.zeros((1, 1, 3), np.uint8), 51, "ycbcr444", 8
    )  # tells if PyAV is missing
    import av

    encoder = av.CodecContext.create("libx265", "w")
    encoder.width, encoder.height, encoder.pix_fmt = 64, 64, "yuv420p"
    encoder.framerate = 25  # type: ignore[assignment]
    encoder.options = {"x265-params": "log-level=none:pools=1:frame-threads=1"}
    packets = [*encoder.encode(av.VideoFrame(64, 64, "yuv420p")), *encoder.encode(None)]
    named = re.search(rb"x265 \(build \d+\) - ([^: ]+)", b"".join(map(bytes, packets)))
    version = named[1].decode() if named else "of unknown version"
    return f"x265 {version}, tune psnr (PyAV {av.__version__})"
