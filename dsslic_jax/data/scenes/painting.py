"""Embedded scenes, for use without a data set: each painted from a seed, from back to front, with its exact label map.

What the codec must learn is in the scenes on purpose: region boundaries are hard edges at full
resolution, and each class has its own texture, finer than one pixel of the compact image and mostly
in phase with the boundary, so that labels predict detail that upsampling loses.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dsslic_jax.classes.table import class_table
from dsslic_jax.data.elements import Element
from dsslic_jax.data.scenes import textures
from dsslic_jax.data.scenes.textures import Draws, wave
from dsslic_jax.errors import DataError

# Mean colour, and how far a texture of -1..1 moves each of red, green and blue.
_COLOURS: dict[str, tuple[tuple[int, int, int], tuple[int, int, int]]] = {
    "void": ((128, 122, 128), (40, 40, 40)),
    "sky": ((126, 176, 226), (60, 42, 18)),
    "sun": ((250, 214, 96), (6, 30, 60)),
    "mountain": ((124, 112, 112), (30, 30, 34)),
    "grass": ((92, 150, 62), (26, 28, 18)),
    "field": ((190, 160, 84), (38, 36, 26)),
    "water": ((52, 98, 152), (44, 48, 46)),
    "wall": ((172, 98, 78), (44, 50, 50)),
    "roof": ((98, 56, 62), (34, 28, 28)),
    "window": ((70, 92, 116), (60, 64, 60)),
    "tree": ((42, 88, 46), (26, 34, 22)),
}
_SHADE = 12  # how far the mean colour of one region may lie from its class's, per channel
_GRAIN = 3  # fine noise over the whole picture, +-, which no label can predict

# Part of the random seed, so that splits share no scene.
_SPLITS = {"train": 0, "val": 1, "test": 2}


class SceneSource:
    """Random access to generated scenes: an element follows from (seed, split, index) alone.

    The same numbers give the same pixels on every platform (see `textures`).
    """

    def __init__(self, seed: int, split: str, count: int, height: int, width: int) -> None:
        """Prepares `count` scenes of `height` x `width` pixels. Raises DataError where there is no such split."""
        if split not in _SPLITS:
            raise DataError(f"scenes have no split {split!r}; known: {', '.join(_SPLITS)}")
        self.name = f"scenes/{split}"
        self._seed, self._split, self._count = seed, split, count
        self._height, self._width = height, width

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int) -> Element:
        if not 0 <= index < self._count:
            raise IndexError(f"{self.name} has no element {index}")
        draws = Draws(self._seed, _SPLITS[self._split], int(index))
        image, labels = paint_scene(draws, self._height, self._width)
        return Element(image=image, labels=labels, name=f"scene_{self._split}_{index:06d}")


def paint_scene(draws: Draws, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Paints one scene: image uint8 [H, W, 3] and labels uint8 [H, W] of the table "scenes"."""
    canvas = _Canvas.blank(draws, height, width)
    horizon = round(height * draws.uniform(0.35, 0.6))
    _paint_sky(canvas, horizon)
    if draws.uniform(0, 1) < 0.8:
        _paint_mountains(canvas, horizon)
    _paint_meadow(canvas, horizon)
    _paint_foreground(canvas, round(horizon + (height - horizon) * draws.uniform(0.3, 0.6)))
    for _ in range(draws.integer(3)):
        _paint_house(canvas, horizon)
    for _ in range(1 + draws.integer(4)):
        _paint_tree(canvas, horizon)
    if draws.uniform(0, 1) < 0.3:
        _paint_unlabelled_stone(canvas, horizon)
    grain = _GRAIN * (2 * draws.array(height, width) - 1)
    image = np.rint(np.clip(canvas.colours + grain[:, :, None], 0, 255)).astype(np.uint8)
    return image, canvas.labels


@dataclass
class _Canvas:
    """The picture being painted, or a rectangle of it that shares its memory."""

    draws: Draws
    unit: float  # 1/100 of the picture's shorter side, in pixels: what objects are measured in
    colours: np.ndarray  # float32 [H, W, 3], 0..255
    labels: np.ndarray  # uint8 [H, W]
    y: np.ndarray  # float32 [H, 1], row numbers of the whole picture
    x: np.ndarray  # float32 [1, W]

    @classmethod
    def blank(cls, draws: Draws, height: int, width: int) -> _Canvas:
        return cls(
            draws=draws,
            unit=min(height, width) / 100,
            colours=np.zeros((height, width, 3), np.float32),
            labels=np.zeros((height, width), np.uint8),
            y=np.arange(height, dtype=np.float32)[:, None],
            x=np.arange(width, dtype=np.float32)[None, :],
        )

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) in pixels."""
        return self.labels.shape[0], self.labels.shape[1]

    def part(self, top: int, bottom: int, left: int, right: int) -> _Canvas:
        """The rectangle [top, bottom) x [left, right), cut at the border; it may be empty."""
        rows, columns = slice(max(top, 0), max(bottom, 0)), slice(max(left, 0), max(right, 0))
        colours, labels = self.colours[rows, columns], self.labels[rows, columns]
        return _Canvas(self.draws, self.unit, colours, labels, self.y[rows], self.x[:, columns])

    def noise(self, cell_height: float, cell_width: float) -> np.ndarray:
        return textures.noise(self.draws, *self.size, cell_height, cell_width)

    def paint(self, name: str, inside: np.ndarray, texture: np.ndarray) -> None:
        """Paints class `name` where `inside` [H, W] holds, in this region's own shade."""
        mean, swing = (np.asarray(colour, np.float32) for colour in _COLOURS[name])
        shade = mean + _SHADE * (2 * self.draws.array(3) - 1)
        inside = np.broadcast_to(inside, self.size)
        shown = np.broadcast_to(texture, self.size)[inside]
        self.colours[inside] = shade + shown[:, None] * swing
        self.labels[inside] = class_table("scenes").names.index(name)


def _curve(canvas: _Canvas, level: float, swing: float) -> np.ndarray:
    """A smooth line across the picture: its y for every x, [1, W], within `level` +- `swing`."""
    draws = canvas.draws
    x = canvas.x / canvas.unit
    slow = wave(x / draws.uniform(60, 140) + draws.uniform(0, 1))
    fast = wave(x / draws.uniform(25, 50) + draws.uniform(0, 1))
    return level + swing * (0.7 * slow + 0.3 * fast)


def _paint_sky(canvas: _Canvas, horizon: int) -> None:
    draws, unit = canvas.draws, canvas.unit
    clouds = canvas.noise(14 * unit, 36 * unit) + 0.4 * canvas.noise(6 * unit, 14 * unit)
    haze = canvas.y / horizon - 0.9
    canvas.paint("sky", canvas.y >= 0, 0.8 * haze + 1.2 * np.clip(clouds, 0, 0.8))
    if draws.uniform(0, 1) < 0.7:
        radius = draws.uniform(6, 12) * unit
        centre_y, centre_x = draws.uniform(0.2, 0.7) * horizon, draws.uniform(0, 100) * unit
        depth = radius - _distance(canvas, centre_y, centre_x)
        canvas.paint("sun", depth > 0, wave(depth / 6))


def _paint_mountains(canvas: _Canvas, horizon: int) -> None:
    facet = canvas.draws.uniform(12, 24) * canvas.unit
    # One row of noise is a line of straight pieces: a ridge.
    ridge = textures.noise(canvas.draws, 1, canvas.size[1], 1, facet)
    depth = canvas.y - (horizon - 12 * canvas.unit + 11 * canvas.unit * ridge)
    rock = textures.strata(depth, canvas.noise(3, 5))
    snow = (depth < 5) & (depth < (0.5 * horizon - canvas.y) * 0.4 + 8)
    canvas.paint("mountain", depth > 0, np.where(snow, 3.5, rock))


def _paint_meadow(canvas: _Canvas, horizon: int) -> None:
    depth = canvas.y - _curve(canvas, horizon, 5 * canvas.unit)
    canvas.paint("grass", depth > 0, textures.blades(depth, canvas.noise(4, 1.5)))


def _paint_foreground(canvas: _Canvas, level: int) -> None:
    depth = canvas.y - _curve(canvas, level, 6 * canvas.unit)
    inside, depth = depth > 0, np.maximum(depth, 0)
    if canvas.draws.uniform(0, 1) < 0.5:
        canvas.paint("water", inside, textures.ripples(depth, canvas.noise(5, 16)))
    else:
        canvas.paint("field", inside, textures.furrows(depth))


def _paint_house(canvas: _Canvas, horizon: int) -> None:
    draws, unit = canvas.draws, canvas.unit
    height, width = round(draws.uniform(15, 24) * unit), round(draws.uniform(20, 36) * unit)
    eaves, overhang = round(draws.uniform(9, 15) * unit), max(2, round(2 * unit))
    left = round(draws.uniform(0, 80) * unit * canvas.size[1] / min(canvas.size))
    top = horizon + round(draws.uniform(2, 12) * unit) - height // 2
    wall = canvas.part(top, top + height, left, left + width)
    depth_y, depth_x = wall.y - top, wall.x - left
    wall.paint("wall", depth_y >= 0, textures.bricks(draws, depth_y, depth_x))

    roof = canvas.part(top - eaves, top, left - overhang, left + width + overhang)
    above = top - 1 - roof.y
    half_width = (width / 2 + overhang) * (1 - above / eaves * draws.uniform(0.5, 1))
    from_centre = np.abs(roof.x - (left + width / 2 - 0.5))
    roof.paint("roof", from_centre <= half_width, textures.tiles(above, from_centre))

    window_height, window_width = max(6, round(8 * unit)), max(5, round(6 * unit))
    for centre in range(window_width, width - window_width, 2 * window_width):
        _paint_window(canvas, top + height // 4, left + centre, window_height, window_width)


def _paint_window(canvas: _Canvas, top: int, left: int, height: int, width: int) -> None:
    """A pale frame one pixel wide with a cross bar around dark glass that is lighter at the top."""
    pane = canvas.part(top, top + height, left, left + width)
    depth_y, depth_x = pane.y - top, pane.x - left
    frame = (depth_y < 1) | (depth_y >= height - 1) | (depth_x < 1) | (depth_x >= width - 1)
    bars = frame | (depth_y == height // 2) | (depth_x == width // 2)
    pane.paint("window", depth_y >= 0, np.where(bars, 2.2, -0.6 * depth_y / height))


def _paint_tree(canvas: _Canvas, horizon: int) -> None:
    draws, unit = canvas.draws, canvas.unit
    radius = draws.uniform(6, 13) * unit
    foot = horizon + round(draws.uniform(8, 34) * unit)
    centre_x = round(draws.uniform(0, 100) * unit * canvas.size[1] / min(canvas.size))
    centre_y = foot - round(1.5 * radius)
    half_trunk = max(1, round(unit))
    trunk = canvas.part(centre_y, foot, centre_x - half_trunk, centre_x + half_trunk + 1)
    trunk.paint("tree", trunk.y >= 0, -1 + 0.5 * wave((trunk.x - centre_x) / 3))

    reach = round(1.3 * radius)
    crown = canvas.part(centre_y - reach, centre_y + reach, centre_x - reach, centre_x + reach)
    bumps = 0.2 * radius * crown.noise(5 * unit, 5 * unit)
    depth = radius + bumps - _distance(crown, centre_y, centre_x)
    light = (centre_y - crown.y + centre_x - crown.x) / (2 * radius)
    leaves = 0.5 * wave(depth / 5) + 0.4 * crown.noise(2.5, 2.5) + 0.6 * light
    crown.paint("tree", depth > 0, np.where(depth < 1.5, -1.0, leaves))


def _paint_unlabelled_stone(canvas: _Canvas, horizon: int) -> None:
    """Something no class describes: real label maps have void pixels too."""
    draws, unit = canvas.draws, canvas.unit
    radius = draws.uniform(3, 7) * unit
    centre_y, centre_x = horizon + draws.uniform(10, 45) * unit, draws.uniform(0, 100) * unit
    depth = radius - _distance(canvas, centre_y, centre_x)
    canvas.paint("void", depth > 0, canvas.noise(4, 4))


def _distance(canvas: _Canvas, centre_y: float, centre_x: float) -> np.ndarray:
    """Distance of every pixel from a point, in pixels: float32 [H, W]."""
    down, right = canvas.y - centre_y, canvas.x - centre_x
    return np.sqrt(down * down + right * right)
