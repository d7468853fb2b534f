"""BPG as the coder of residual layers: what a quality means to it, its options, its two implementations.

Both code YCbCr 4:4:4, YCbCr 4:2:0 and RGB at 8 and 10 bits, and read each other's files to the same pixels.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from dsslic_jax.codec.coders.bpg.embedded import COLOURS, EmbeddedBpg
from dsslic_jax.codec.coders.bpg.file import parse_header
from dsslic_jax.codec.coders.bpg.hevc import MAX_QP, x265_version
from dsslic_jax.codec.coders.bpg.hevc_headers import BIT_DEPTHS
from dsslic_jax.codec.coders.bpg.libbpg import BPGDEC, BPGENC, ExternalBpg
from dsslic_jax.codec.coders.coder import Coder, Context
from dsslic_jax.codec.coders.programs.running import program_version
from dsslic_jax.settings.fields import Settings, setting

_QP_UNIT = 32  # the quantiser's fraction is kept in this many parts


@dataclass(frozen=True)
class BpgOptions(Settings):
    """How BPG codes residuals."""

    residual_bits: int = setting(8, "bits of the residual's codes in BPG", choices=BIT_DEPTHS)
    residual_colour: str = setting("ycbcr444", "how BPG codes colours", choices=tuple(COLOURS))


class BpgCoder:
    """A LossyCoder; its own setting is bpgenc's whole -q, 0 (finest) to 51."""

    # BPG on photographs gains about 4.93 dB in PSNR for each e-fold of its bytes (mean over its curve), and 4.343 dB
    # are an e-fold of the squared error.
    error_power = 4.93 / 4.343

    def __init__(self, files: EmbeddedBpg | ExternalBpg, options: BpgOptions | None = None) -> None:
        """`files`: writes and reads BPG; `options`: not looked at to decode."""
        self._files = files
        self._options = options or BpgOptions()
        self.bits = self._options.residual_bits

    def setting(self, quality: float, stretch: float = 1.0) -> tuple[int, float]:
        """Quality 100 … 0 is quantiser 0 … 51; six steps of it double the error.

        So a residual whose codes stand for `stretch` times the grey levels that the quality is meant for takes
        6 log2(stretch) fewer. A quantiser between two whole ones is the lower one on a residual made smaller.
        """
        exact = MAX_QP * (1 - quality / 100) - 6 * math.log2(stretch)
        exact = min(max(round(exact * _QP_UNIT) / _QP_UNIT, 0), MAX_QP)
        return math.floor(exact), 2 ** ((math.floor(exact) - exact) / 6)

    def strength(self, quality: float) -> int:
        """Four times the quantiser that the quality means, 1 to 204."""
        return max(round(4 * MAX_QP * (1 - quality / 100)), 1)

    def encode(self, codes: np.ndarray, setting: int, context: Context | None = None) -> bytes:
        """A BPG file of [H, W, 3], uint8, or uint16 in 0..1023 for 10 bits."""
        return self._files.encode(codes, setting, self._options.residual_colour, self.bits)

    def decode(
        self, data: bytes, shape: tuple[int, ...], context: Context | None = None
    ) -> np.ndarray:
        """The codes of a BPG file, uint8, or uint16 in 0..1023 where the file has 10 bits."""
        return self._files.decode(data, shape)

    def coded_bits(self, data: bytes) -> int:
        """The bit depth that a BPG file states. Raises CoderFailed."""
        return parse_header(data)[0].bit_depth


_SHARED: dict[str, Any] = {
    "number": 16,
    "stream_name": "bpg",
    "layers": "r",
    "about": "BPG",
    "options": BpgOptions,
}
EMBEDDED = Coder(
    name="bpg",
    needs="PyAV (with x265 and FFmpeg)",
    open=lambda _, options: BpgCoder(EmbeddedBpg(), options),
    version=lambda _: x265_version(),
    sets={"embedded": "r"},
    **_SHARED,
)
EXTERNAL = Coder(
    name="libbpg",
    needs="the programs bpgenc and bpgdec (libbpg 0.9.8)",
    open=lambda context, options: BpgCoder(ExternalBpg(context.programs), options),
    version=lambda context: ", ".join(
        program_version(program, context.programs) for program in (BPGENC, BPGDEC)
    ),
    sets={"external": "r"},
    programs=(BPGENC, BPGDEC),
    **_SHARED,
)
