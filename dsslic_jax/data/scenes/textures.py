"""Textures of the generated scenes, and the arithmetic that keeps them the same everywhere.

Only operations that IEEE 754 rounds exactly are used (+, -, *, /, sqrt, floor), and random numbers
are taken as raw bits: sin, exp and the samplers of numpy may differ in the last bit between
platforms and versions. All textures are float32 [H, W], about -1..1.

Most take their phase from `depth`, the distance in pixels from the region's own boundary. The label
map therefore tells where bricks, furrows and ripples lie, which an upsampled 1/8 picture does not.
"""

import numpy as np


class Draws:
    """A stream of uniform numbers that follows from a few non-negative integers alone."""

    def __init__(self, *entropy: int) -> None:
        self._bits = np.random.PCG64(np.random.SeedSequence(entropy))

    def uniform(self, low: float, high: float) -> float:
        """One number in [low, high)."""
        return low + (high - low) * float(self.array(1)[0])

    def integer(self, count: int) -> int:
        """One integer in [0, count)."""
        return int(self.uniform(0, count))

    def array(self, *shape: int) -> np.ndarray:
        """float32 of `shape` in [0, 1)."""
        raw = np.asarray(self._bits.random_raw(int(np.prod(shape))))
        return ((raw >> 40).astype(np.float32) * 2.0**-24).reshape(shape)


def wave(turns: np.ndarray) -> np.ndarray:
    """A sine made of two parabolas: period 1, range -1..1, zero and rising at whole turns."""
    phase = turns - np.floor(turns)
    upper = phase < 0.5
    arch = np.where(upper, phase, phase - 0.5)
    arch = 16 * arch * (0.5 - arch)
    return np.where(upper, arch, -arch)


def noise(
    draws: Draws, height: int, width: int, cell_height: float, cell_width: float
) -> np.ndarray:
    """Smooth random bumps about `cell_height` x `cell_width` pixels large, -1..1."""
    row, row_part = _cells(height, cell_height)
    column, column_part = _cells(width, cell_width)
    lattice = 2 * draws.array(int(row[-1]) + 2, int(column[-1]) + 2) - 1
    rows = lattice[row] * (1 - row_part)[:, None] + lattice[row + 1] * row_part[:, None]
    return rows[:, column] * (1 - column_part) + rows[:, column + 1] * column_part


def _cells(size: int, cell: float) -> tuple[np.ndarray, np.ndarray]:
    position = np.arange(size, dtype=np.float32) / np.float32(cell)
    whole = np.floor(position)
    return whole.astype(np.int64), position - whole


def bricks(draws: Draws, depth_y: np.ndarray, depth_x: np.ndarray) -> np.ndarray:
    """Courses of 6 pixels and bricks of 12, alternate ones shifted by half; bright mortar."""
    course = np.floor(depth_y / 6)
    odd = course - 2 * np.floor(course / 2)
    along = depth_x + 6 * odd
    brick = np.floor(along / 12)
    mortar = (depth_y - 6 * course < 1) | (along - 12 * brick < 1)
    shades = draws.array(8, 8)
    tone = shades[course.astype(np.int64) % 8, brick.astype(np.int64) % 8]
    return np.where(mortar, 1, 0.5 * tone - 0.55)


def tiles(depth_y: np.ndarray, depth_x: np.ndarray) -> np.ndarray:
    """Rows of 5-pixel roof tiles, counted from the eaves, each row with a dark lower edge."""
    row = np.floor(depth_y / 5)
    odd = row - 2 * np.floor(row / 2)
    edge = depth_y - 5 * row < 1
    joint = wave((depth_x + 3 * odd) / 6) > 0.85
    return np.where(edge | joint, -1, 0.15 * (depth_y - 5 * row))


def strata(depth: np.ndarray, roughness: np.ndarray) -> np.ndarray:
    """Layers of rock that follow the ridge, 7 pixels each."""
    return 0.75 * wave(depth / 7) + 0.25 * roughness


def blades(depth: np.ndarray, fine: np.ndarray) -> np.ndarray:
    """Mown grass: bands 9 pixels wide along the edge of the meadow, with upright fine structure."""
    return 0.65 * wave(depth / 9) + 0.35 * fine


def furrows(depth: np.ndarray) -> np.ndarray:
    """Rows of a field that widen towards the viewer."""
    return wave(np.sqrt(depth + 4) * 1.1)


def ripples(depth: np.ndarray, drift: np.ndarray) -> np.ndarray:
    """Waves parallel to the shore, 6 pixels apart, bent a little by `drift`, with sharp crests."""
    height = wave(depth / 6 + 0.12 * drift)
    return height * np.abs(height)
