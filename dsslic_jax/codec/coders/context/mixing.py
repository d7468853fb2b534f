"""How the label coder decides: binary decisions, predicted from contexts that learn, and coded arithmetically.

docs/label-coder.md is the exact description; changing any number here makes another format. Integers only, so that
streams decode alike on every machine. Whatever a stream can reach is masked or clamped to its array, since numba checks
no index.

These functions and those of kernels.py are run as they are, on memoryviews, whose items are Python's numbers, or
compiled, on arrays: see compiled.py, which has their types.
"""
# mypy: allow-untyped-defs

import math
from typing import NamedTuple

import numpy as np

MARGIN = 3  # columns on both sides of the map in `Model.labels`
ROWS_ABOVE = 2
LOW, HIGH, CODE, POSITION, DECODING, SHIFT = range(6)  # registers: positions in `Model.work`
HASHES = 8  # position of a decision's hashes
REGISTER_BITS = 40  # of LOW, HIGH and CODE
EQUAL, FLAT, HALF, OTHER, LABEL = range(5)  # kinds of decisions

_MASK = (1 << REGISTER_BITS) - 1
_INPUTS, _WORK = 24, 48
_CONTEXTS = 9  # of the kind that has most
_MAX_LOG2_SLOTS = 16
_MAX_LOGIT = 2047  # in 256ths: probabilities from 22 to 65514 of 65536
_BIAS = 256
_RATE = 4
_INITIAL_WEIGHTS = ((6, 3), (5, 16), (4, 5), (8, 9), (3, 21))  # of a context's two inputs, 64ths
_MAX_WEIGHT = 1 << 20
_PLACES, _LABELS, _SETS = 16, 32, 96  # weights by place and label begin here; how many sets


class Model(NamedTuple):
    """Everything that coding one map needs and changes."""

    work: np.ndarray  # int64: registers as above, then a decision's hashes (later slots), inputs
    slots: np.ndarray  # uint32 [contexts, slots]: 18-bit probability, 6-bit count, 8-bit history
    outcomes: np.ndarray  # int32 [kinds, contexts, histories]: 22-bit probability, 8-bit count
    weights: np.ndarray  # int32 [kinds, sets, inputs], 65536ths
    stream: np.ndarray  # uint8: the coded bytes
    labels: np.ndarray  # uint8 [ROWS_ABOVE + height, width + 2 MARGIN]: the map, zeros around it
    changes: np.ndarray  # int64 [2, columns]: where the label next changes, of even and odd rows
    trails: np.ndarray  # int64 [2, 5, columns]: of edges: whether traced, their last four steps


def new_model(labels: np.ndarray, stream: np.ndarray) -> Model:
    """The state before the first pixel. `labels` and `stream` as above, filled or to be filled."""
    pixels = (labels.shape[0] - ROWS_ABOVE) * (labels.shape[1] - 2 * MARGIN)
    log2_slots = min(_MAX_LOG2_SLOTS, pixels.bit_length())
    work = np.zeros(_WORK, np.int64)
    work[HIGH], work[SHIFT] = _MASK, 32 - log2_slots
    kinds = len(_INITIAL_WEIGHTS)
    zeros, ones = np.arange(256) & 15, np.arange(256) >> 4
    outcomes = np.empty((kinds, _CONTEXTS, 256), np.int32)
    outcomes[:] = (6 * ones + 1) * ((1 << 22) - 1) // (6 * (zeros + ones) + 2) << 8 | 4
    weights = np.zeros((kinds, _SETS, 2 * _CONTEXTS + 1), np.int32)
    for kind, (of_slot, of_outcome) in enumerate(_INITIAL_WEIGHTS):
        weights[kind, :, 1::2] = of_slot << 10
        weights[kind, :, 2::2] = of_outcome << 10
    return Model(
        work=work,
        slots=np.full((_CONTEXTS, 1 << log2_slots), 1 << 31, np.uint32),
        outcomes=outcomes,
        weights=weights,
        stream=stream,
        labels=labels,
        changes=np.full((2, labels.shape[1]), labels.shape[1] - MARGIN, np.int64),
        trails=np.zeros((2, 5, labels.shape[1]), np.int64),
    )


def logit_tables() -> tuple[np.ndarray, np.ndarray]:
    """16-bit probability of each logit -2047 … 2047, and logit of each 12-bit probability."""
    one = 1 << 96
    step = sum(one // (256**k * math.factorial(k)) for k in range(12))  # exp(1 / 256)
    squash = np.empty(2 * _MAX_LOGIT + 1, np.int64)
    odds = one
    for logit in range(_MAX_LOGIT + 1):
        squash[_MAX_LOGIT + logit] = ((odds << 17) // (one + odds) + 1) >> 1
        squash[_MAX_LOGIT - logit] = 65536 - squash[_MAX_LOGIT + logit]
        odds = odds * step >> 96
    stretch = np.searchsorted(squash, np.arange(8, 65536, 16)) - _MAX_LOGIT
    return squash, np.minimum(stretch, _MAX_LOGIT)


_SQUASH, _STRETCH = (table.data for table in logit_tables())
_RECIPROCAL = np.array([655360 // (10 * count + 13) for count in range(256)]).data


def wide(value):
    """The same number; compiled, one of 64 bits with a sign, which arithmetic is exact in."""
    return value


def extend(hashed, value):
    """32 bits for what was hashed so far and one more number; the highest of them are the slot."""
    return (hashed + value + 1) * 0x2545F491 & 0xFFFFFFFF


def _clamp(value, limit):
    return min(max(value, -limit), limit)


def _code_bit(work, stream, bit, probability):
    """Codes `bit`, or decodes one; `probability` of a one in 65536ths. Zeros follow the stream."""
    split = work[LOW] + ((work[HIGH] - work[LOW]) * probability >> 16)
    if work[DECODING]:
        bit = 1 if work[CODE] <= split else 0
    if bit:
        work[HIGH] = split
    else:
        work[LOW] = split + 1
    while (work[LOW] ^ work[HIGH]) >> (REGISTER_BITS - 8) == 0:
        position = work[POSITION]
        if work[DECODING]:
            byte = wide(stream[position]) if position < stream.shape[0] else 0
            work[CODE] = (work[CODE] << 8 & _MASK) | byte
        elif position < stream.shape[0]:  # the caller sees by POSITION that it gave too little room
            stream[position] = work[LOW] >> (REGISTER_BITS - 8)
        work[POSITION] = position + 1
        work[LOW] = work[LOW] << 8 & _MASK
        work[HIGH] = (work[HIGH] << 8 & _MASK) | 255
    return bit


def _adjust(work, weights, kind, chosen, inputs, error):
    """Moves one set of weights towards what would have predicted better."""
    for i in range(inputs):
        moved = weights[kind, chosen, i] + ((work[_INPUTS + i] * error * _RATE + (1 << 17)) >> 18)
        weights[kind, chosen, i] = _clamp(moved, _MAX_WEIGHT)


def _with_bit(history, bit):
    """A history, ones in its high and zeros in its low four bits, after a bit: it fades what it contradicts."""
    same, contrary = (history >> 4, history & 15) if bit else (history & 15, history >> 4)
    same = min(same + 1, 15)
    if contrary > 2:
        contrary = (contrary + 2) >> 1
    return same << 4 | contrary if bit else contrary << 4 | same


def _remember(work, slots, outcomes, kind, contexts, bit):
    """Counts `bit` in the slot of every context, and for the history that each of them had."""
    for i in range(contexts):
        slot = work[HASHES + i]
        state = wide(slots[i, slot])
        history, count, probability = state & 255, state >> 8 & 63, state >> 14
        probability += ((bit << 18) - bit - probability) * _RECIPROCAL[count] >> 16
        slots[i, slot] = probability << 14 | min(count + 1, 63) << 8 | _with_bit(history, bit)
        state = wide(outcomes[kind, i, history])
        count, probability = state & 255, state >> 8
        probability += ((bit << 22) - bit - probability) * _RECIPROCAL[count] >> 16
        outcomes[kind, i, history] = probability << 8 | min(count + 1, 255)


def decide(model, bit, kind, contexts, place, label):
    """Codes `bit`, or decodes one, by the contexts whose hashes stand in `work`, and learns from it.

    Three sets of weights each give a logit: by how many contexts were met before, `place` (0..15) and `label`.
    """
    work, slots, outcomes, weights = model.work, model.slots, model.outcomes, model.weights
    met = 0
    work[_INPUTS] = _BIAS
    for i in range(contexts):
        slot = work[HASHES + i] >> work[SHIFT]
        work[HASHES + i] = slot
        state = wide(slots[i, slot])
        met += 1 if state & 255 else 0
        work[_INPUTS + 1 + 2 * i] = _STRETCH[state >> 20]
        work[_INPUTS + 2 + 2 * i] = _STRETCH[outcomes[kind, i, state & 255] >> 18]
    inputs = 1 + 2 * contexts
    set0, set1, set2 = met, _PLACES + place, _LABELS + label % (_SETS - _LABELS)
    logit0 = logit1 = logit2 = 0
    for i in range(inputs):
        logit0 += work[_INPUTS + i] * weights[kind, set0, i]
        logit1 += work[_INPUTS + i] * weights[kind, set1, i]
        logit2 += work[_INPUTS + i] * weights[kind, set2, i]
    logit0 = _clamp(logit0 >> 16, _MAX_LOGIT)
    logit1 = _clamp(logit1 >> 16, _MAX_LOGIT)
    logit2 = _clamp(logit2 >> 16, _MAX_LOGIT)
    probability = _SQUASH[(logit0 + logit1 + logit2) // 3 + _MAX_LOGIT]
    bit = _code_bit(work, model.stream, bit, probability)
    _adjust(work, weights, kind, set0, inputs, (bit << 16) - _SQUASH[logit0 + _MAX_LOGIT])
    _adjust(work, weights, kind, set1, inputs, (bit << 16) - _SQUASH[logit1 + _MAX_LOGIT])
    _adjust(work, weights, kind, set2, inputs, (bit << 16) - _SQUASH[logit2 + _MAX_LOGIT])
    _remember(work, slots, outcomes, kind, contexts, bit)
    return bit
