"""A second decoder of the label coder's streams: plain Python after docs/label-coder.md, sharing no code."""

import math

import numpy as np

EQUAL, FLAT, HALF, OTHER, LABEL = range(5)
TEMPLATE = [(-1, 0), (-1, -1), (-1, 1), (0, -2), (-2, 0), (-1, 2), (-1, -2), (-2, -1), (-2, 1)]
TEMPLATE += [(0, -3), (-2, 2), (-1, 3), (-2, -2), (-2, -3), (-1, -3), (-2, 3)]
START = {EQUAL: (6, 3), FLAT: (5, 16), HALF: (4, 5), OTHER: (8, 9), LABEL: (3, 21)}
SQUASH = {t: round(65536 / (1 + math.exp(-t / 256))) for t in range(-2047, 2048)}


def stretch(q: int) -> int:
    return next((t for t in range(-2047, 2048) if SQUASH[t] >= 16 * q + 8), 2047)


STRETCH = [stretch(q) for q in range(0, 4096)]


def hashed(*numbers: int) -> int:
    h = numbers[0]
    for number in numbers[1:]:
        h = (h + number + 1) * 0x2545F491 % 2**32
    return h


def coarse(n: int) -> int:
    return n if abs(n) <= 4 else int(math.copysign(2 + min(abs(n), 127).bit_length(), n))


def length(n: int) -> int:
    return min(max(n, 0), 127).bit_length()


def learnt(p: int, count: int, bit: int, bits: int) -> int:
    return p + ((bit * (2**bits - 1) - p) * (655360 // (10 * count + 13)) >> 16)


class Decisions:
    """The arithmetic decoder and everything that learns."""

    def __init__(self, data: bytes, pixels: int) -> None:
        self.data, self.position = data, 5
        self.code = int.from_bytes(data[:5].ljust(5, b"\0"), "big")
        self.transposed = self.code >= 2**39
        self.low = 2**39 if self.transposed else 0
        self.high = self.low + 2**39 - 1
        self.shift = 32 - min(16, pixels.bit_length())
        self.slots: dict[tuple[int, int], list[int]] = {}
        self.outcomes: dict[tuple[int, int, int, int], list[int]] = {}
        self.weights: dict[tuple[int, int], list[int]] = {}

    def bit(self, p: int) -> int:
        split = self.low + ((self.high - self.low) * p >> 16)
        bit = int(self.code <= split)
        self.low, self.high = (self.low, split) if bit else (split + 1, self.high)
        while self.low >> 32 == self.high >> 32:
            byte = self.data[self.position] if self.position < len(self.data) else 0
            self.position += 1
            self.low = self.low % 2**32 * 256
            self.high = self.high % 2**32 * 256 + 255
            self.code = self.code % 2**32 * 256 + byte
        return bit

    def decide(self, kind: int, place: int, label: int, contexts: list[int]) -> int:
        slots = [
            self.slots.setdefault((i, h >> self.shift), [2**17, 0, 0, 0])
            for i, h in enumerate(contexts)
        ]
        outcomes = []
        for i, (_, _, ones, zeros) in enumerate(slots):
            start = (6 * ones + 1) * (2**22 - 1) // (6 * (ones + zeros) + 2)
            outcomes.append(self.outcomes.setdefault((kind, i, ones, zeros), [start, 4]))
        inputs = []
        for slot, outcome in zip(slots, outcomes, strict=True):
            inputs += [STRETCH[slot[0] >> 6], STRETCH[outcome[0] >> 10]]
        inputs.append(256)
        met = sum(1 for slot in slots if slot[2] or slot[3])
        start_weights = [1024 * w for w in START[kind]] * len(contexts) + [0]
        sets = [
            self.weights.setdefault((kind, number), list(start_weights))
            for number in (met, 16 + place, 32 + label % 64)
        ]
        logits = []
        for weights in sets:
            total = sum(x * w for x, w in zip(inputs, weights, strict=True)) >> 16
            logits.append(max(-2047, min(2047, total)))
        bit = self.bit(SQUASH[sum(logits) // 3])
        for weights, logit in zip(sets, logits, strict=True):
            error = 65536 * bit - SQUASH[logit]
            for j, x in enumerate(inputs):
                moved = weights[j] + ((x * error * 4 + 2**17) >> 18)
                weights[j] = max(-(2**20), min(2**20, moved))
        for slot, outcome in zip(slots, outcomes, strict=True):
            slot[0], slot[1] = learnt(slot[0], slot[1], bit, 18), min(slot[1] + 1, 63)
            outcome[0], outcome[1] = (
                learnt(outcome[0], outcome[1], bit, 22),
                min(outcome[1] + 1, 255),
            )
            own, other = (2, 3) if bit else (3, 2)
            slot[own] = min(slot[own] + 1, 15)
            slot[other] = (slot[other] + 2) >> 1 if slot[other] > 2 else slot[other]
        return bit


class Decoder:
    """One map, decoded pixel by pixel."""

    def __init__(self, data: bytes, shape: tuple[int, int]) -> None:
        self.maximum = data[0]
        self.decisions = Decisions(data[1:], shape[0] * shape[1])
        self.height, self.width = shape[::-1] if self.decisions.transposed else shape
        self.rows: dict[int, list[int]] = {y: [0] * (self.width + 6) for y in (-2, -1)}
        self.noted: dict[tuple[int, int], tuple[int, ...]] = {}

    def label(self, y: int, x: int) -> int:
        return self.rows[y][x + 3]

    def next_change(self, y: int, x: int) -> int:
        if y < 0:
            return self.width
        changes = (c for c in range(x + 1, self.width) if self.label(y, c) != self.label(y, c - 1))
        return next(changes, self.width)

    def equal_west(self, y: int, x: int, first: int, last: int) -> list[int]:
        """[T_first = W] … [T_last = W]."""
        west = self.label(y, x - 1)
        return [int(self.label(y + dy, x + dx) == west) for dy, dx in TEMPLATE[first - 1 : last]]

    def map(self) -> np.ndarray:
        if self.maximum == 0:
            return np.zeros((self.height, self.width), np.uint8)
        for y in range(self.height):
            self.rows[y] = [self.rows[y - 1][3]] * 3 + [0] * (self.width + 3)
            self.row(y)
            self.rows[y][-3:] = [self.rows[y][-4]] * 3
        labels = np.array([self.rows[y][3:-3] for y in range(self.height)], np.uint8)
        return labels.T if self.decisions.transposed else labels

    def row(self, y: int) -> None:
        straight, run, bend, x = -1, 3, 0, 0
        while x < self.width:
            west = self.label(y, x - 1)
            if self.label(y - 1, x) == west:
                straight = x
            edge = self.next_change(y - 1, x) if straight == x else straight + 1
            found = straight >= 0 and edge < self.width
            traced, s1, s2, s3, s4 = self.steps(y - 1, edge) if found else (0, 0, 0, 0, 0)
            offset = x - edge if found else -99
            lines = (2 * offset - s1 - s2, 4 * offset - s1 - s2 - s3 - s4)
            m = 0
            if run >= 3 and self.label(y - 1, x - 2) == self.label(y - 2, x - 2) == west:
                m = min(self.next_change(y - 1, x - 2), self.next_change(y - 2, x - 2)) - x - 3
                m = min([m, 16] + [s1 - offset - 3] * traced)
            if m > 0:
                k = self.flat(m, west, offset, 1 + length(s1 - offset) if traced else 0, run)
            else:
                k = self.equal(y, x, (offset, s1, traced), lines, coarse(bend) if run < 12 else 11)
            self.rows[y][x + 3 : x + 3 + k] = [west] * k
            x, run = x + k, run + k
            if m > 0:
                straight = x if k < m else x - 1
            if k == max(m, 1):
                continue
            self.rows[y][x + 3] = self.other(y, x, int(m > 0))
            bend = x - edge if found else -99
            self.noted[y, x] = (1, bend, s1, s2, s3) if found else (0, 0, 0, 0, 0)
            run, x = 0, x + 1

    def steps(self, y: int, x: int) -> tuple[int, ...]:
        while y >= 0 and (y, x) not in self.noted:
            y -= 2
        return self.noted.get((y, x), (0, 0, 0, 0, 0))

    def flat(self, m: int, west: int, offset: int, expected: int, run: int) -> int:
        ahead = length(-offset)
        contexts = [(FLAT, m, ahead, expected), (FLAT, m, west), (FLAT, m, ahead, length(run))]
        hashes = [hashed(*context) for context in contexts]
        if self.decisions.decide(FLAT, length(m), west, hashes):
            return m
        low, high = 0, m
        while high - low > 1:
            middle = (low + high) // 2
            if self.decisions.decide(HALF, 0, 0, [hashed(HALF, high - low)]):
                low = middle
            else:
                high = middle
        return low

    def equal(
        self, y: int, x: int, trail: tuple[int, int, int], lines: tuple[int, int], bend: int
    ) -> int:
        offset, step, traced = trail
        around = [self.label(y + dy, x + dx) for dy, dx in ((0, -1), (-1, 0), (-1, -1), (-1, 1))]
        west, north, north_west, north_east = around
        place = (EQUAL, max(-13, min(20, offset)), coarse(step), traced, bend)
        line = (EQUAL, coarse(lines[0]), coarse(lines[1]), traced)
        near = (EQUAL, *self.equal_west(y, x, 1, 9))
        contexts = [
            (EQUAL, west, north, north_east),
            (EQUAL, west, north, north_east, north_west, self.label(y - 1, x + 2)),
            place,
            (*place, north),
            line,
            (*line, west, north),
            (*line, hashed(*near)),
            (*near, west, north),
            (*near, *self.equal_west(y, x, 10, 16)),
        ]
        equals = (north == west) + 2 * (north_west == west) + 4 * (north_east == west)
        equals += 8 * (north_east == north)
        return self.decisions.decide(EQUAL, equals, west, [hashed(*each) for each in contexts])

    def other(self, y: int, x: int, flat: int) -> int:
        west, north = self.label(y, x - 1), self.label(y - 1, x)
        if self.maximum == 1:
            return 1 - west
        change = self.next_change(y - 1, x)
        likely = north if north != west else self.label(y - 1, change)
        if likely != west:
            place = 2 * flat + (north == west)
            start = (OTHER, place, min(change - x, 9))
            contexts = [
                (*start, *self.equal_west(y, x, 2, 6)),
                (*start, *self.equal_west(y, x, 2, 11)),
                (*start, west, likely),
                (OTHER, flat, west, likely),
            ]
            hashes = [hashed(*each) for each in contexts]
            if self.decisions.decide(OTHER, place, west, hashes):
                return likely
        possible = [n for n in range(self.maximum + 1) if n not in (west, likely)]
        node = 1
        for b in range(7, -1, -1):
            bits = {n >> b & 1 for n in possible}
            bit = min(bits, default=0)
            if len(bits) == 2:
                contexts = [(LABEL, node), (LABEL, node, west), (LABEL, node, west, likely)]
                bit = self.decisions.decide(LABEL, b, west, [hashed(*each) for each in contexts])
            possible = [n for n in possible if n >> b & 1 == bit]
            node = 2 * node + bit
        return node - 256


def decode(data: bytes, shape: tuple[int, int]) -> np.ndarray:
    """uint8 [H, W] of a sound stream; nothing is checked."""
    return Decoder(data, shape).map()
