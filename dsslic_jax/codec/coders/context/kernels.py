"""What the label coder predicts from: the order of its decisions along a map, and the contexts of each.

As of mixing.py, changing any number here makes another format. Encoder and decoder are the same code: where `decide`
decodes, the labels not yet known are zeros and only what it returns counts. Every pixel takes a bounded number of
decisions, whatever the stream.
"""
# mypy: allow-untyped-defs

import numpy as np

from dsslic_jax.codec.coders.context.mixing import (
    DECODING,
    EQUAL,
    FLAT,
    HALF,
    HASHES,
    LABEL,
    MARGIN,
    OTHER,
    ROWS_ABOVE,
    decide,
    extend,
    wide,
)

_MAX_FLAT = 16  # pixels that one decision covers
_REACH = 3  # how far to the right labels above are equal where a pixel counts as flat
_FAR = -99  # offset from an edge that is not there
_NEIGHBOURS = (  # (dy, dx), the nearest first, without W
    *((-1, 0), (-1, -1), (-1, 1), (0, -2), (-2, 0), (-1, 2), (-1, -2), (-2, -1), (-2, 1)),
    *((0, -3), (-2, 2), (-1, 3), (-2, -2), (-2, -3), (-1, -3), (-2, 3)),
)
_TEMPLATE = np.array(_NEIGHBOURS).data


def _bit_length(value):
    """Of a number from 0 to 127; those beyond count as these."""
    length = 0
    while value > 0 and length < 7:
        value >>= 1
        length += 1
    return length


def _coarse(value):
    """Numbers up to 4 as they are, larger ones by their power of two."""
    size = abs(value)
    if size > 4:
        size = _bit_length(size) + 2
    return size if value > 0 else -size


def _shape(labels, y, x, first, last, hashed):
    """Hashes which neighbours of the template, from `first` to before `last`, equal W."""
    for k in range(first, last):
        neighbour = labels[y + _TEMPLATE[k, 0], x + _TEMPLATE[k, 1]]
        hashed = extend(hashed, 1 if neighbour == labels[y, x - 1] else 0)
    return hashed


def _trail(trails, y, x, edge):
    """How pixel (y, x) lies to an edge of the row above, and how that edge came down the rows before.

    Offset x - edge; the edge's last step; twice and four times the offset less its last two and four steps, which are 0
    where the edge keeps its mean direction; whether it was traced at all.
    """
    if edge < MARGIN or edge >= trails.shape[2] - MARGIN:
        return _FAR, 0, 2 * _FAR, 4 * _FAR, 0
    above, offset = y - 1 & 1, x - edge
    step = trails[above, 1, edge]
    two = 2 * offset - step - trails[above, 2, edge]
    four = 2 * offset + two - trails[above, 3, edge] - trails[above, 4, edge]
    return offset, step, two, four, trails[above, 0, edge]


def _trace(trails, y, x, edge):
    """Notes that `edge` of the row above came down to (y, x); gives its step, or _FAR where there is none."""
    if edge < MARGIN or edge >= trails.shape[2] - MARGIN:
        for k in range(5):
            trails[y & 1, k, x] = 0
        return _FAR
    trails[y & 1, 0, x] = 1
    trails[y & 1, 1, x] = x - edge
    for k in range(2, 5):
        trails[y & 1, k, x] = trails[y - 1 & 1, k - 1, edge]
    return x - edge


def _flat_length(model, y, x, trail, run):
    """How many pixels from (y, x) on look flat: one label all around, and no edge to be expected."""
    labels, changes = model.labels, model.changes
    west = labels[y, x - 1]
    if run < MARGIN or labels[y - 1, x - 2] != west or labels[y - 2, x - 2] != west:
        return 0
    length = min(min(changes[0, x - 2], changes[1, x - 2]) - x - _REACH, _MAX_FLAT)
    offset, step, _, _, traced = trail
    return min(length, step - offset - _REACH) if traced else length


def _code_flat(model, y, x, length, trail, run):
    """How many of the next `length` pixels, which look flat, equal W: mostly all, in one decision.

    `trail`: see `_trail`; `run`: pixels that equalled W before.
    """
    work, labels = model.work, model.labels
    west = labels[y, x - 1]
    equal = 0
    if not work[DECODING]:
        while equal < length and labels[y, x + equal] == west:
            equal += 1
    offset, step, _, _, traced = trail
    hashed = extend(extend(FLAT, length), _bit_length(-offset))
    work[HASHES] = extend(hashed, 1 + _bit_length(step - offset) if traced else 0)
    work[HASHES + 1] = extend(extend(FLAT, length), west)
    work[HASHES + 2] = extend(hashed, _bit_length(run))
    if decide(model, equal == length, FLAT, 3, _bit_length(length), west):
        return length
    low, high = 0, length
    while high - low > 1:
        middle = (low + high) >> 1
        work[HASHES] = extend(HALF, high - low)
        if decide(model, equal >= middle, HALF, 1, 0, 0):
            low = middle
        else:
            high = middle
    return low


def _code_equal(model, y, x, trail, run, bend):
    """Whether a pixel that does not look flat equals W.

    `trail`: see `_trail`; `run`: pixels that equalled W before; `bend`: step with which the label last changed.
    """
    work, labels = model.work, model.labels
    west, north = wide(labels[y, x - 1]), wide(labels[y - 1, x])
    north_west, north_east = wide(labels[y - 1, x - 1]), wide(labels[y - 1, x + 1])
    offset, step, two, four, traced = trail
    near = _shape(labels, y, x, 0, 9, EQUAL)
    names = extend(extend(extend(EQUAL, west), north), north_east)
    place = extend(extend(EQUAL, min(max(offset, -13), 20)), _coarse(step))
    place = extend(extend(place, traced), _coarse(bend) if run < 12 else 11)
    line = extend(extend(extend(EQUAL, _coarse(two)), _coarse(four)), traced)
    work[HASHES] = names
    work[HASHES + 1] = extend(extend(names, north_west), labels[y - 1, x + 2])
    work[HASHES + 2] = place
    work[HASHES + 3] = extend(place, north)
    work[HASHES + 4] = line
    work[HASHES + 5] = extend(extend(line, west), north)
    work[HASHES + 6] = extend(line, near)
    work[HASHES + 7] = extend(extend(near, west), north)
    work[HASHES + 8] = _shape(labels, y, x, 9, 16, near)
    equals = (north == west) | (north_west == west) << 1
    equals |= (north_east == west) << 2 | (north_east == north) << 3
    return decide(model, labels[y, x] == west, EQUAL, 9, equals, west)


def _code_other(model, y, x, flat, change, maximum):
    """The label, at most `maximum`, of a pixel that does not equal W. `change`: next edge in the row above."""
    work, labels = model.work, model.labels
    west, north = wide(labels[y, x - 1]), wide(labels[y - 1, x])
    if maximum == 1:
        return 1 - west
    label = wide(labels[y, x])
    likely = north if north != west else wide(labels[y - 1, change])
    if likely != west:
        place = flat << 1 | (north == west)
        hashed = extend(extend(OTHER, place), min(change - x, 9))
        work[HASHES] = _shape(labels, y, x, 1, 6, hashed)
        work[HASHES + 1] = _shape(labels, y, x, 6, 11, work[HASHES])
        work[HASHES + 2] = extend(extend(hashed, west), likely)
        work[HASHES + 3] = extend(extend(extend(OTHER, flat), west), likely)
        if decide(model, label == likely, OTHER, 4, place, west):
            return likely
    low, node = 0, 1
    for b in range(7, -1, -1):  # the label is one of low … low + 2^(b + 1) - 1: of the upper half?
        lower = min(1 << b, maximum + 1 - low)
        upper = min(1 << b, maximum + 1 - low - (1 << b))
        lower -= (west >> b == low >> b) + (likely != west and likely >> b == low >> b)
        upper -= (west >> b == low >> b | 1) + (likely != west and likely >> b == low >> b | 1)
        bit = 1 if upper > 0 else 0
        if lower > 0 and upper > 0:
            work[HASHES] = extend(LABEL, node)
            work[HASHES + 1] = extend(work[HASHES], west)
            work[HASHES + 2] = extend(work[HASHES + 1], likely)
            bit = decide(model, label >> b & 1, LABEL, 3, b, west)
        node = node << 1 | bit
        low |= bit << b
    return low


def _code_row(model, y, maximum):
    """The labels of one row, up to `maximum`, and the trails of its edges. Its margins are set."""
    labels, changes, trails = model.labels, model.changes, model.trails
    above, end = y - 1 & 1, labels.shape[1] - MARGIN
    straight, run, bend, x = -1, MARGIN, 0, MARGIN  # straight: where N last equalled W
    while x < end:
        west = labels[y, x - 1]
        straight = x if labels[y - 1, x] == west else straight
        edge = changes[above, x] if straight == x else straight + 1
        trail = _trail(trails, y, x, edge)
        flat = _flat_length(model, y, x, trail, run)
        equal = 0
        if flat > 0:
            equal = _code_flat(model, y, x, flat, trail, run)
        elif _code_equal(model, y, x, trail, run, bend):
            equal = 1
        for _ in range(equal):
            labels[y, x] = west
            x += 1
        run += equal
        if flat > 0:
            straight = x if equal < flat else x - 1
        if equal == max(flat, 1):
            continue
        labels[y, x] = _code_other(model, y, x, flat > 0, changes[above, x], maximum)
        bend = _trace(trails, y, x, edge)
        run, x = 0, x + 1


def code_map(model, maximum):
    """Codes the map in `model.labels`, of labels up to `maximum`, or decodes it there."""
    if maximum == 0:
        return  # the map is the zeros that it starts as
    labels, changes = model.labels, model.changes
    end = labels.shape[1] - MARGIN
    for y in range(ROWS_ABOVE, labels.shape[0]):
        for x in range(MARGIN):
            labels[y, x] = labels[y - 1, MARGIN]
        _code_row(model, y, maximum)
        for x in range(end, end + MARGIN):
            labels[y, x] = labels[y, end - 1]
        change = end
        for x in range(end - 1, 0, -1):
            changes[y & 1, x] = change
            if labels[y, x] != labels[y, x - 1]:
                change = x
