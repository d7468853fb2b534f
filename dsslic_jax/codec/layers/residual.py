"""A residual layer: what the picture so far lacks, as pictures for a lossy coder, and back.

    opening, see residual_opening.py | range | weights, if flagged | tiles, if flagged | BPG file(s)
    range of "min_max": low, high i16: codes 0 … 2^bits - 1 stand for low … high grey levels, evenly (poster)
    range of "centred": step u16 / 4096: code 2^(bits - 1) stands for 0, each further one for a step; clipped
    tiles: log2 of their side u8, length of each BPG file but the last varint; row by row

Little-endian. The BPG files themselves tell bit depth, colour space and chroma format.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np

from dsslic_jax.codec.coders.bpg.embedded import MAX_QP
from dsslic_jax.codec.coders.registry import LayerDecoder, LossyCoder
from dsslic_jax.codec.layers import object_weights
from dsslic_jax.codec.layers.residual_opening import Opening, read_opening
from dsslic_jax.codec.networks.enhancement import Enhancer
from dsslic_jax.codec.tiles import Tile, grown, tiles
from dsslic_jax.codec.varint import read_varint, write_varint
from dsslic_jax.errors import StreamError

TILED_FROM_PIXELS = (
    1 << 23
)  # larger pictures are coded in tiles: bounded memory, and on several cores
LOG2_TILE = 11
_RANGE = struct.Struct("<hh")
_STEP = struct.Struct("<H")
_STEP_UNIT = 4096
_QP_UNIT = 32  # the quantiser's fraction is kept in this many parts
_THREADS = 2
_ROWS = 512
Job = TypeVar("Job")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Scale:
    """How residual grey levels and codes relate: level = low + step * code."""

    low: float
    step: float

    def to_codes(self, residual: np.ndarray, bits: int) -> np.ndarray:
        """float32 [H, W, 3] grey levels -> uint8 or uint16 codes, clipped to the range."""
        codes = np.round((residual - np.float32(self.low)) * np.float32(1 / self.step))
        return np.clip(codes, 0, (1 << bits) - 1).astype(np.uint8 if bits == 8 else np.uint16)

    def to_levels(self, codes: np.ndarray) -> np.ndarray:
        """The inverse, float32."""
        return np.float32(self.low) + codes.astype(np.float32) * np.float32(self.step)


@dataclass(frozen=True)
class ResidualSettings:
    """How an encoder codes a residual layer."""

    quality: float  # 0 (coarsest) to 100 (finest)
    mapping: str = "min_max"
    bits: int = 8  # 8 or 10
    colour: str = "ycbcr444"  # "ycbcr444", "ycbcr420" or "rgb444"
    weights: dict[int, float] = field(default_factory=dict)  # by class id
    prediction_gain: float = 1.0  # of a first layer: 0 … 1 in sixteenths, see `prediction`

    @property
    def strength(self) -> int:
        """How coarse the quality is, for an enhancement network: four times its quantiser, 1 to 204."""
        return max(round(4 * MAX_QP * (1 - self.quality / 100)), 1)

    def quantiser(self, stretch: float = 1.0) -> tuple[int, float]:
        """bpgenc's whole -q and the gain (at most 1) on the residual that together make the quality.

        Quality 100 … 0 is quantiser 0 … 51; six steps of it double the error, so a residual whose codes stand for
        `stretch` times the grey levels that the quality is meant for takes 6 log2(stretch) fewer. A quantiser between
        two whole ones is the lower one on a residual made smaller.
        """
        exact = MAX_QP * (1 - self.quality / 100) - 6 * math.log2(stretch)
        exact = min(max(round(exact * _QP_UNIT) / _QP_UNIT, 0), MAX_QP)
        return math.floor(exact), 2 ** ((math.floor(exact) - exact) / 6)


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
    labels: np.ndarray | None,
    settings: ResidualSettings,
    coder: LossyCoder,
    quality_span: int,
) -> bytes:
    """The bytes of a residual layer.

    Args:
      picture: x, uint8 [H, W, 3].
      so_far: what the layers before give, uint8 [H, W, 3].
      labels: s, uint8 [H, W] as decoded; needed for weights only.
      quality_span: the `span` that the quality of "min_max" is meant for: that of the first layer, so that one
        quality means one error in every layer and with any weights.

    Raises:
      CoderFailed, CoderUnavailable: the coder's.
    """
    height, width = picture.shape[:2]
    large = height * width > TILED_FROM_PIXELS
    pieces = tiles(height, width, 1 << LOG2_TILE if large else max(height, width))
    weights = object_weights.pack_weights(settings.weights) if settings.weights else b""
    gains = object_weights.unpack_gains(weights, 0)[0] if weights else None

    def residual_of(tile: Tile) -> np.ndarray:
        base = prediction(so_far[tile], settings.prediction_gain)
        levels = picture[tile].astype(np.float32) - base
        return levels if gains is None else levels * _mask(labels, gains, tile)

    if settings.mapping == "min_max":
        low, high = _extremes(map(residual_of, pieces))
        high = max(high, low + 1)
        qp, gain = settings.quantiser((high - low) / quality_span)
        packed = _RANGE.pack(low, low + math.ceil((high - low) / gain))
    else:
        step = 1.0
        if settings.bits == 10:
            # Four codes a grey level are natural; where they would clip a level, two reach all that there are.
            low, high = _extremes(map(residual_of, pieces))
            step = 0.25 if -128 <= low and high <= 127 else 0.5
        qp, gain = settings.quantiser(step * (1 << settings.bits - 8))
        packed = _STEP.pack(round(step / gain * _STEP_UNIT))
    scale = _scale(settings.mapping, packed, settings.bits)

    def coded(piece: Tile) -> bytes:
        codes = scale.to_codes(residual_of(piece), settings.bits)
        return coder.encode(codes, qp, settings.colour, settings.bits)

    files = _in_parallel(coded, pieces)
    opening = Opening(settings.mapping, bool(weights), large, settings.prediction_gain)
    head = opening.pack() + packed + weights
    if large:
        head += bytes([LOG2_TILE]) + b"".join(write_varint(len(file)) for file in files[:-1])
    return head + b"".join(files)


def decode(
    payload: bytes,
    so_far: np.ndarray,
    labels: np.ndarray | None,
    decoder: LayerDecoder,
    first: bool = True,
    enhancer: Enhancer | None = None,
) -> np.ndarray:
    """The picture with this layer added, clip(round(so_far + r̂)), and enhanced where the layer says so.

    Args:
      payload: the bytes of the layer.
      so_far: what the layers before give, uint8 [H, W, 3].
      labels: s, uint8 [H, W] as decoded; None without.
      decoder: of the BPG files.
      first: whether it is r1, which alone may take its residual from another `prediction` than `so_far` itself.
      enhancer: the model's, if it has one.

    Raises StreamError for a layer that cannot be, CoderFailed and CoderUnavailable as the decoder does.
    """
    height, width = so_far.shape[:2]
    opening, start = read_opening(payload)
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
        codes = decoder.decode(file, so_far[tile].shape)
        bits = 8 if codes.dtype == np.uint8 else 10
        levels = _scale(opening.mapping, packed, bits).to_levels(codes)
        if gains is not None:
            levels /= _mask(labels, gains, tile)
        base = prediction(so_far[tile], opening.prediction_gain)
        picture[tile] = np.clip(np.round(base + levels), 0, 255).astype(np.uint8)

    _in_parallel(add, list(zip(pieces, files, strict=True)))
    if enhancer is not None and opening.strength is not None:
        return enhancer(picture, labels, opening.strength)
    return picture


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
    if position >= len(payload) or not 8 <= payload[position] <= 14:
        raise StreamError("a residual layer declares impossible tiles")
    pieces = tiles(height, width, 1 << payload[position])
    position += 1
    lengths = []
    for _ in pieces[:-1]:
        length, position = read_varint(payload, position, "a residual layer")
        lengths.append(length)
    files = []
    for length in lengths:
        files.append(payload[position : position + length])
        position += length
    return pieces, [*files, payload[position:]]


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
