"""A residual layer: what the picture so far lacks, as pictures for a lossy coder, and back.

    opening | range | weights, if flagged | tiles, if flagged | coded picture(s)

docs/format.md has the bytes. The opening says what is done to get from the codes to a picture; the coded pictures
themselves tell how many bits their codes have.
"""

import math
import struct
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import TypeVar

import numpy as np

from dsslic_jax.codec.coders.coder import Context, LossyCoder
from dsslic_jax.codec.layers import object_weights
from dsslic_jax.codec.networks.predictor import Enhancer
from dsslic_jax.codec.tiles import Tile, grown, tiles
from dsslic_jax.codec.varint import read_varint, write_varint
from dsslic_jax.errors import StreamError

TILED_FROM_PIXELS = 1 << 23  # larger pictures are coded in tiles: bounded memory, several cores
LOG2_TILE = MOST_LOG2_TILE = 11
_RANGE = struct.Struct("<hh")
_STEP = struct.Struct("<H")
_STEP_UNIT = 4096
_THREADS = 2
_ROWS = 512
Job = TypeVar("Job")
Result = TypeVar("Result")
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
    weighted, tiled = bool(flags & _WEIGHTED), bool(flags & _TILED)
    return Opening(MAPPINGS[flags & 0xF], weighted, tiled, gain / _GAIN_UNIT, strength), position


def with_strength(payload: bytes, strength: int) -> bytes:
    """A residual layer whose picture is enhanced afterwards."""
    opening, position = read_opening(payload)
    return replace(opening, strength=strength).pack() + payload[position:]


@dataclass(frozen=True)
class Scale:
    """How residual grey levels and codes relate: level = low + step * code."""

    low: float
    step: float

    def to_codes(self, residual: np.ndarray, bits: int) -> np.ndarray:
        """float32 [H, W, 3] grey levels -> uint8 or uint16 codes, clipped to the range."""
        codes = np.round((residual - np.float32(self.low)) * np.float32(1 / self.step))
        return np.clip(codes, 0, (1 << bits) - 1).astype(np.uint8 if bits <= 8 else np.uint16)

    def to_levels(self, codes: np.ndarray) -> np.ndarray:
        """The inverse, float32."""
        return np.float32(self.low) + codes.astype(np.float32) * np.float32(self.step)


@dataclass(frozen=True)
class ResidualSettings:
    """How an encoder codes a residual layer."""

    quality: float  # 0 (coarsest) to 100 (finest)
    mapping: str = "min_max"
    weights: dict[int, float] = field(default_factory=dict)  # by class id
    prediction_gain: float = 1.0  # of a first layer: 0 … 1 in sixteenths, see `prediction`


def prediction(so_far: np.ndarray, gain: float) -> np.ndarray:
    """What a residual is taken from: 128 + gain (so_far - 128), halves rounded up; uint8 as `so_far` is."""
    if gain == 1:
        return so_far
    levels = np.floor(gain * (np.arange(256) - 128) + 0.5)  # exact: gains are sixteenths
    return (128 + levels).astype(np.uint8)[so_far]


def span(picture: np.ndarray, so_far: np.ndarray, prediction_gain: float = 1.0) -> int:
    """Grey levels from the least to the largest residual, at least 1."""
    low, high = 0, 0
    for rows in range(0, len(picture), _ROWS):
        base = prediction(so_far[rows : rows + _ROWS], prediction_gain)
        levels = picture[rows : rows + _ROWS].astype(np.int16) - base
        low, high = min(low, int(levels.min())), max(high, int(levels.max()))
    return max(high - low, 1)


def encode(
    picture: np.ndarray,
    so_far: np.ndarray,
    context: Context,
    settings: ResidualSettings,
    coder: LossyCoder,
    quality_span: int,
) -> bytes:
    """The bytes of a residual layer of x, uint8 [H, W, 3], after those that give `so_far`, of the same shape.

    Weights need the labels of `context`. `quality_span` is the `span` that the quality of "min_max" is meant for: that
    of the first layer, so that one quality means one error in every layer and with any weights. Raises CoderFailed and
    CoderUnavailable as the coder does.
    """
    height, width = picture.shape[:2]
    large = height * width > TILED_FROM_PIXELS
    pieces = tiles(height, width, 1 << LOG2_TILE if large else max(height, width))
    weights = object_weights.pack_weights(settings.weights) if settings.weights else b""
    gains = object_weights.unpack_gains(weights, 0)[0] if weights else None

    def residual_of(tile: Tile) -> np.ndarray:
        base = prediction(so_far[tile], settings.prediction_gain)
        levels = picture[tile].astype(np.float32) - base
        return levels if gains is None else levels * _mask(context.labels, gains, tile)

    if settings.mapping == "min_max":
        low, high = _extremes(map(residual_of, pieces))
        high = max(high, low + 1)
        own, gain = coder.setting(settings.quality, (high - low) / quality_span)
        packed = _RANGE.pack(low, low + math.ceil((high - low) / gain))
    else:
        step = 2.0 ** (8 - coder.bits)
        if coder.bits > 8:
            # So many codes a grey level are natural; where they would clip a level, half reach all that there are.
            low, high = _extremes(map(residual_of, pieces))
            step *= 1 if -128 <= low and high <= 127 else 2
        own, gain = coder.setting(settings.quality, step * 2.0 ** (coder.bits - 8))
        packed = _STEP.pack(round(step / gain * _STEP_UNIT))
    scale = _scale(settings.mapping, packed, coder.bits)

    def coded(piece: Tile) -> bytes:
        codes = scale.to_codes(residual_of(piece), coder.bits)
        return coder.encode(codes, own, context.cut(piece) if large else context)

    files = _in_parallel(coded, pieces)
    opening = Opening(settings.mapping, bool(weights), large, settings.prediction_gain)
    tiling = [bytes([LOG2_TILE]), *(write_varint(len(file)) for file in files[:-1])]
    return b"".join([opening.pack(), packed, weights, *(tiling if large else []), *files])


def decode(
    payload: bytes,
    so_far: np.ndarray,
    context: Context,
    decoder: LossyCoder,
    first: bool = True,
    enhancer: Enhancer | None = None,
) -> np.ndarray:
    """The picture with this layer added, clip(round(so_far + r̂)), and enhanced where the layer says so.

    `so_far`, uint8 [H, W, 3], is what the layers before give; weights and the enhancer need the labels of `context`.
    The `first` layer alone may take its residual from another `prediction` than `so_far` itself. Raises StreamError for
    a layer that cannot be, CoderFailed and CoderUnavailable as the decoder does.
    """
    height, width = so_far.shape[:2]
    opening, start = read_opening(payload)
    check_tiling(opening, height, width)
    labels = context.labels
    _check_context(opening, first, labels, enhancer)
    position = start + _range_of(opening.mapping).size
    packed = payload[start:position]
    gains = None
    if opening.weighted:
        gains, position = object_weights.unpack_gains(payload, position)
    if opening.tiled:
        pieces, files = _tiled_files(payload, position, height, width)
    else:
        pieces, files = tiles(height, width, max(height, width)), [payload[position:]]
    picture = np.empty_like(so_far)

    def add(job: tuple[Tile, bytes]) -> None:
        tile, file = job
        told = context.cut(tile) if opening.tiled else context
        codes = decoder.decode(file, so_far[tile].shape, told)
        levels = _scale(opening.mapping, packed, decoder.coded_bits(file)).to_levels(codes)
        if gains is not None:
            levels /= _mask(labels, gains, tile)
        base = prediction(so_far[tile], opening.prediction_gain)
        picture[tile] = np.clip(np.round(base + levels), 0, 255).astype(np.uint8)

    _in_parallel(add, list(zip(pieces, files, strict=True)))
    if enhancer is not None and opening.strength is not None:
        return enhancer(picture, labels, opening.strength)
    return picture


def check_tiling(opening: Opening, height: int, width: int) -> None:
    """Raises StreamError for a large picture's layer in one piece: decoders of such a file take gigabytes."""
    if height * width > TILED_FROM_PIXELS and not opening.tiled:
        raise StreamError(
            f"the residual of {width}x{height} pixels is in one piece: above {TILED_FROM_PIXELS} it is in tiles"
        )


def _check_context(
    opening: Opening, first: bool, labels: np.ndarray | None, enhancer: Enhancer | None
) -> None:
    """Raises StreamError for a layer that asks for what its stream or model does not have."""
    if opening.weighted and labels is None:
        raise StreamError("a residual layer is weighted by labels, and the stream has none")
    if opening.prediction_gain != 1 and not first:
        raise StreamError("a residual layer after the first declares a prediction gain")
    if opening.strength is not None and enhancer is None:
        raise StreamError(
            "the picture is to be enhanced by a network that this model does not have: give a model directory with it"
        )


def _extremes(residuals: Iterable[np.ndarray]) -> tuple[int, int]:
    """The whole levels that enclose all of a residual."""
    pairs = [(math.floor(levels.min()), math.ceil(levels.max())) for levels in residuals]
    return min(low for low, _ in pairs), max(high for _, high in pairs)


def _range_of(mapping: str) -> struct.Struct:
    return _RANGE if mapping == "min_max" else _STEP


def _scale(mapping: str, packed: bytes, bits: int) -> Scale:
    """What the layer's range bytes mean for codes of so many bits. Raises StreamError for none or an empty range."""
    try:
        if mapping == "min_max":
            low, high = _RANGE.unpack(packed)
            if low >= high:
                raise StreamError(f"a residual layer declares a range of {low} to {high}")
            return Scale(low, (high - low) / ((1 << bits) - 1))
        (units,) = _STEP.unpack(packed)
    except struct.error as error:
        raise StreamError("a residual layer is too short to hold its range") from error
    if not units:
        raise StreamError("a residual layer declares a step of zero")
    step = units / _STEP_UNIT
    return Scale(-step * (1 << bits - 1), step)


def _tiled_files(
    payload: bytes, position: int, height: int, width: int
) -> tuple[list[Tile], list[bytes]]:
    if position >= len(payload) or not 8 <= payload[position] <= MOST_LOG2_TILE:
        raise StreamError("a residual layer declares impossible tiles")
    pieces = tiles(height, width, 1 << payload[position])
    position += 1
    ends = [0]
    for _ in pieces[:-1]:
        length, position = read_varint(payload, position, "a residual layer")
        ends.append(ends[-1] + length)
    rest = payload[position:]
    return pieces, [rest[i:j] for i, j in zip(ends, [*ends[1:], len(rest)], strict=True)]


def _mask(labels: np.ndarray | None, log2_gains: np.ndarray, tile: Tile) -> np.ndarray:
    assert labels is not None
    outer, inner = grown(tile, object_weights.MARGIN, *labels.shape)
    return object_weights.gain_mask(labels[outer], log2_gains)[inner]


def _in_parallel(work: Callable[[Job], Result], jobs: list[Job]) -> list[Result]:
    """Coders let go of the interpreter while they work: threads are enough."""
    if len(jobs) == 1:
        return [work(jobs[0])]
    with ThreadPoolExecutor(_THREADS) as pool:
        return list(pool.map(work, jobs))
