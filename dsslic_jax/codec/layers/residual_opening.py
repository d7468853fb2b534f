"""How a residual layer opens: its mapping, and what else is done to get from it to a picture.

mapping u8 (low four bits), flags | prediction gain u8, if flagged | strength u8, if flagged
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from dsslic_jax.errors import StreamError

MAPPINGS = ("min_max", "centred")  # by their number in the stream
_WEIGHTED, _TILED, _ENHANCED, _PREDICTION_GAIN = 16, 32, 64, 128
_GAIN_UNIT = 16  # a prediction gain is a whole number of this many parts


@dataclass(frozen=True)
class Opening:
    """What the first bytes of a residual layer say.

    Attributes:
      mapping: one of MAPPINGS.
      weighted: weights by class follow the range.
      tiled: a table of tiles follows, and several BPG files.
      prediction_gain: of r1, 0 … 1 in sixteenths, see `residual.prediction`.
      strength: 1 to 255, that of the enhancement network, which has the last word on the layer's picture; None without.
    """

    mapping: str
    weighted: bool = False
    tiled: bool = False
    prediction_gain: float = 1.0
    strength: int | None = None

    def pack(self) -> bytes:
        """The bytes."""
        flags = _WEIGHTED * self.weighted | _TILED * self.tiled
        rest = b""
        if self.prediction_gain != 1:
            flags |= _PREDICTION_GAIN
            rest += bytes([round(self.prediction_gain * _GAIN_UNIT)])
        if self.strength is not None:
            flags |= _ENHANCED
            rest += bytes([self.strength])
        return bytes([MAPPINGS.index(self.mapping) | flags]) + rest


def read_opening(payload: bytes) -> tuple[Opening, int]:
    """The opening of a residual layer, and the position after it. Raises StreamError for what cannot be."""
    if not payload or payload[0] & 0xF >= len(MAPPINGS):
        raise StreamError("a residual layer has a mapping this program does not know")
    flags, position = payload[0], 1
    gain, strength = _GAIN_UNIT, None
    if len(payload) < position + bool(flags & _PREDICTION_GAIN) + bool(flags & _ENHANCED):
        raise StreamError("a residual layer is cut short inside its opening")
    if flags & _PREDICTION_GAIN:
        gain, position = payload[position], position + 1
        if gain >= _GAIN_UNIT:
            raise StreamError(f"a residual layer declares a prediction gain of {gain}/{_GAIN_UNIT}")
    if flags & _ENHANCED:
        strength, position = payload[position], position + 1
        if not strength:
            raise StreamError("a residual layer declares an enhancement of no strength")
    opening = Opening(
        mapping=MAPPINGS[flags & 0xF],
        weighted=bool(flags & _WEIGHTED),
        tiled=bool(flags & _TILED),
        prediction_gain=gain / _GAIN_UNIT,
        strength=strength,
    )
    return opening, position


def with_strength(payload: bytes, strength: int) -> bytes:
    """A residual layer whose picture is enhanced afterwards."""
    opening, position = read_opening(payload)
    return replace(opening, strength=strength).pack() + payload[position:]
