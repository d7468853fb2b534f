"""What a layer coder is: its record in the registry, what it must do, and what it is told of the picture.

No coder protects its bytes: a flipped bit can decode silently to another picture. The container keeps a CRC of every
layer and checks it before a coder sees the bytes.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import numpy as np

from dsslic_jax.codec.coders.programs.running import Program
from dsslic_jax.codec.tiles import Tile
from dsslic_jax.errors import CoderFailed
from dsslic_jax.settings.fields import Settings

if TYPE_CHECKING:
    import jax

    from dsslic_jax.bundle.directory import Bundle

LAYERS = "scr"  # kinds of layers, by their number in the stream
Made = TypeVar("Made")


@dataclass(frozen=True)
class Context:
    """What encoder and decoder both have when a coder is opened or codes: the layers before, exactly as decoded.

    Attributes:
      model: that of the stream; None for layer s, which decodes without one.
      device: where networks run; None for JAX's default.
      programs: paths of external programs by name; what is not named is looked for on PATH.
      labels: s, uint8 [H, W], for layers c and r; None where it is not sent, and for r where it is not made from c.
      compact: ĉ, uint8 [ceil(H/alpha), ceil(W/alpha), 3], for layer r.
      alpha: pixels of the picture for each one of ĉ, a side.
      make_coarse: makes x', uint8 [H, W, 3], for layer r; see `coarse`.
    """

    model: Bundle | None = None
    device: jax.Device | None = None
    programs: Mapping[str, str] = field(default_factory=dict)
    labels: np.ndarray | None = None
    compact: np.ndarray | None = None
    alpha: int = 1
    make_coarse: Callable[[], np.ndarray] | None = None

    @property
    def coarse(self) -> np.ndarray | None:
        """x', uint8 [H, W, 3], made when it is first asked for; None for layers s and c."""
        return None if self.make_coarse is None else self.make_coarse()

    def cut(self, tile: Tile) -> Context:
        """The same for one tile of the picture, whose corner is a multiple of alpha."""
        small = tuple(slice(s.start // self.alpha, -(-s.stop // self.alpha)) for s in tile)
        make = self.make_coarse
        return replace(
            self,
            labels=None if self.labels is None else self.labels[tile],
            compact=None if self.compact is None else self.compact[small],
            make_coarse=None if make is None else lambda: make()[tile],
        )


def once(make: Callable[[], Made]) -> Callable[[], Made]:
    """`make`, called at the first call only, whichever thread's that is."""
    made: list[Made] = []
    turn = threading.Lock()

    def get() -> Made:
        with turn:
            if not made:
                made.append(make())
        return made[0]

    return get


class LayerDecoder(Protocol):
    """Reads a layer back. Methods raise CoderFailed or CoderUnavailable for whatever goes wrong."""

    def decode(self, data: bytes, shape: tuple[int, ...], context: Context) -> np.ndarray:
        """Array of exactly `shape`, which is checked before anything of that size is made.

        uint8; a lossy coder's codes of more than 8 bits are uint16.
        """


class LosslessCoder(LayerDecoder, Protocol):
    """Coder of label maps and compact images: decode gives back exactly what was encoded."""

    def encode(self, picture: np.ndarray, context: Context) -> bytes:
        """Codes uint8 [H, W] or [H, W, 3]."""


class LossyCoder(LayerDecoder, Protocol):
    """Coder of residuals, as pictures [H, W, 3] of codes around the middle.

    Attributes:
      bits: of the codes that `encode` takes, 0 … 2^bits - 1; uint8 for 8, uint16 for more.
      error_power: of the bytes, with whose inverse the squared error falls along a mean curve of this coder.
    """

    bits: int
    error_power: float

    def setting(self, quality: float, stretch: float = 1.0) -> tuple[Any, float]:
        """What `encode` is to be given for a quality, and the gain (1/2 to 1) that the residual is to have first.

        The gain makes up for a quality between two of the coder's own settings.

        Args:
          quality: 0 (coarsest) to 100 (finest); one quality means one error in grey levels.
          stretch: codes stand for so many times the grey levels that the quality is meant for.
        """

    def strength(self, quality: float) -> int:
        """How coarse a quality is, 1 to 255, for an enhancement network; a BPG coder's is four times its quantiser."""

    def encode(self, codes: np.ndarray, setting: Any, context: Context) -> bytes:
        """Codes [H, W, 3]; `setting` is of the method of that name."""

    def coded_bits(self, data: bytes) -> int:
        """Bits of the codes in what `encode` wrote, which may be another's than this coder's own `bits`."""


@dataclass(frozen=True)
class Coder:
    """A layer coder as the registry knows it.

    Attributes:
      name: by which users choose it (--coder) and messages call it.
      number: in the stream, 1 to 31.
      stream_name: what `dsslic info` calls the number; coders that share one read each other's layers.
      layers: those it may code, of LAYERS; for "s" and "c" it is a LosslessCoder, for "r" a LossyCoder.
      about: what it is, in a few words, for docs/format.md.
      needs: what must be installed, and from where.
      open: a Context without layers, and the coder's options (None to decode) -> the coder, ready. Imports what is
        heavy. Raises CoderUnavailable. An opened coder is kept, and several threads use it at a time.
      version: a Context without layers -> the encoder with its version, for results; "" if it is this project's own.
      sets: by the name of a set (--codecs), the layers that it codes there; several may code c: the least bytes win.
      programs: that encoding runs.
      options: settings of its own (numbers and text), which stand among those of coding by their names; None for none.
      most_samples: of c, above which it is not tried beside others; None: no limit.
    """

    name: str
    number: int
    stream_name: str
    layers: str
    about: str
    needs: str
    open: Callable[[Context, Any], Any]
    version: Callable[[Context], str] = lambda _: ""
    sets: Mapping[str, str] = field(default_factory=dict)
    programs: tuple[Program, ...] = ()
    options: type[Settings] | None = None
    most_samples: int | None = None


def encode_exactly(
    coder: LosslessCoder, picture: np.ndarray, context: Context, layer: str
) -> bytes:
    """The bytes of a picture, read back and compared: external programs can fail without saying so."""
    coded = coder.encode(picture, context)
    if not np.array_equal(coder.decode(coded, picture.shape, context), picture):
        problem = f"the coder of layer {layer} did not give back what it was given"
        raise CoderFailed(f"{problem}: name another with --coder {layer}=NAME")
    return coded
