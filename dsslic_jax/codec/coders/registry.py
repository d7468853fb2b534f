"""The layer coders: what each must do, and which ones a profile of programs gives.

| set      | label map s         | compact image c | residual r |
|----------|---------------------|-----------------|------------|
| embedded | context coder, ours | JPEG XL, or the context coder where it takes less | BPG written and read with PyAV |
| external | FLIF -N             | FLIF            | bpgenc and bpgdec |

"embedded" needs pip packages only. "external" runs the programs of the paper. Both BPG coders take
YCbCr 4:4:4, YCbCr 4:2:0 and RGB at 8 and 10 bits, and read each other's files to the same pixels.
A stream names its coders, so it decodes under either set as long as what it names is installed.

No coder here protects its bytes: a flipped bit can decode silently to another picture. The
container keeps a CRC of every layer and checks it before a coder sees the bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from dsslic_jax.codec.coders.bpg.embedded import EmbeddedBpg
from dsslic_jax.codec.coders.context.coder import LabelCoder
from dsslic_jax.codec.coders.jxl import Jxl
from dsslic_jax.codec.coders.programs.coders import ExternalBpg, ExternalFlif
from dsslic_jax.errors import ConfigError, StreamError


class LayerDecoder(Protocol):
    """Reads a layer back. Methods raise CoderFailed or CoderUnavailable for whatever goes wrong."""

    @property
    def name(self) -> str:
        """What stream headers call the coder: "context", "flif", "jxl" or "bpg"."""

    def decode(self, data: bytes, shape: tuple[int, ...]) -> np.ndarray:
        """Array of exactly `shape`, which is checked before anything of that size is made.

        uint8; of a residual of 10 bits, uint16 in 0..1023.
        """


class LosslessCoder(LayerDecoder, Protocol):
    """Coder of label maps and compact images: decode gives back exactly what was encoded."""

    def encode(self, picture: np.ndarray) -> bytes:
        """Codes uint8 [H,W] or [H,W,3]."""


class LossyCoder(LayerDecoder, Protocol):
    """Coder of the residual picture."""

    def encode(self, picture: np.ndarray, qp: int, colour: str, bit_depth: int) -> bytes:
        """Codes [H,W,3] RGB, uint8 or (bit_depth 10) uint16 in 0..1023.

        `qp`: 0 (finest) to 51. `colour`: "ycbcr444", "ycbcr420" or "rgb444".
        """


@dataclass(frozen=True)
class CoderSet:
    """Coders for each layer, in stream order; of those for c the one that takes least is used."""

    labels: LosslessCoder
    compact: tuple[LosslessCoder, ...]
    residual: LossyCoder


def coder_set(codecs: str, programs: Mapping[str, str] | None = None) -> CoderSet:
    """The coders to encode with.

    `codecs`: "embedded" or "external". `programs` maps "flif", "bpgenc", "bpgdec" to paths; what
    it does not name is looked for on PATH. Raises ConfigError for another `codecs`,
    CoderUnavailable at once, before any work, when a program is missing.
    """
    _check_codecs(codecs)
    if codecs == "embedded":
        context = LabelCoder()
        return CoderSet(labels=context, compact=(Jxl(), context), residual=EmbeddedBpg())
    flif = ExternalFlif(programs)
    bpg = ExternalBpg(programs)
    bpg.check_encoder()
    return CoderSet(labels=flif, compact=(flif,), residual=bpg)


def decoder_for(name: str, codecs: str, programs: Mapping[str, str] | None = None) -> LayerDecoder:
    """The decoder for a coder's name found in a stream; `codecs` and `programs` as in `coder_set`.

    "flif" needs the program under either set and "jxl" imagecodecs. "bpg" is read by PyAV when
    "embedded" and by bpgdec when "external". Raises StreamError for a name that is no coder's,
    CoderUnavailable saying what to install.
    """
    _check_codecs(codecs)
    if name == "context":
        return LabelCoder()
    if name == "jxl":
        return Jxl()
    if name == "flif":
        return ExternalFlif(programs)
    if name == "bpg":
        return EmbeddedBpg() if codecs == "embedded" else ExternalBpg(programs)
    raise StreamError(f"the stream names a coder {name!r}; known are context, flif, jxl and bpg")


def _check_codecs(codecs: str) -> None:
    if codecs not in ("embedded", "external"):
        raise ConfigError(f"codecs must be 'embedded' or 'external', not {codecs!r}")
