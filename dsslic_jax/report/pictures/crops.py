"""Windows of decoded pictures, cut so that all of them together fit into a page."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dsslic_jax.errors import ConfigError
from dsslic_jax.report.pictures.images import url_characters, webp

_LEAST_BITS_PER_PIXEL = 0.8  # of what `webp` makes of photographs that were coded before
_MIN_PIXELS = 48 * 48
_HEADROOM = 0.98


@dataclass(frozen=True)
class Window:
    """A rectangle of a picture, in pixels."""

    left: int
    top: int
    width: int
    height: int

    def cut(self, pixels: np.ndarray) -> np.ndarray:
        """That part of [H, W, 3]."""
        return pixels[self.top : self.top + self.height, self.left : self.left + self.width]


@dataclass(frozen=True)
class Kept:
    """What is kept of a picture's decoded files until it is known how much of it the page has room for."""

    window: Window  # that part of the picture
    errors: np.ndarray  # [h, w], an error of each block of the window
    block: int  # pixels a side of a block
    parts: Sequence[np.ndarray]  # uint8 [window.height, window.width, 3], one of each file

    @classmethod
    def of(cls, parts: Sequence[np.ndarray], errors: np.ndarray, block: int, pixels: float) -> Kept:
        """Keeps of whole pictures [H, W, 3] the window of `pixels` pixels with the most error."""
        height, width = parts[0].shape[:2]
        window = window_of_most_error(errors, block, width, height, pixels)
        rows, columns = window.top // block, window.left // block
        inside = errors[rows:, columns:][: -(-window.height // block), : -(-window.width // block)]
        return cls(window, inside, block, [window.cut(part).copy() for part in parts])

    def coded(self, pixels: float) -> tuple[Window, list[bytes]]:
        """The part of `pixels` pixels with the most error, and it of each file as WebP."""
        inner = window_of_most_error(
            self.errors, self.block, self.window.width, self.window.height, pixels
        )
        in_picture = Window(
            self.window.left + inner.left, self.window.top + inner.top, inner.width, inner.height
        )
        return in_picture, [webp(inner.cut(part)) for part in self.parts]


def most_pixels(budget: int, count: int) -> int:
    """How many pixels each of `count` windows can have at the very most in `budget` characters of URLs."""
    return max(_MIN_PIXELS, int(6 * budget / _LEAST_BITS_PER_PIXEL / max(count, 1)))


def window_of_most_error(
    errors: np.ndarray, block: int, width: int, height: int, pixels: float
) -> Window:
    """The window of about `pixels` pixels and the picture's proportions that holds the most squared error.

    `errors` are root mean squares of each block of `block` x `block` pixels; `pixels` is at least 1, and the window the
    whole picture from width * height upwards.
    """
    share = min(1.0, math.sqrt(pixels / (width * height)))
    inner_width, inner_height = max(1, round(width * share)), max(1, round(height * share))
    rows = min(max(1, round(inner_height / block)), errors.shape[0])
    columns = min(max(1, round(inner_width / block)), errors.shape[1])
    sums = np.pad(np.square(errors), ((1, 0), (1, 0))).cumsum(0).cumsum(1)
    inside = sums[rows:, columns:] - sums[:-rows, columns:]
    inside = inside - sums[rows:, :-columns] + sums[:-rows, :-columns]
    top, left = np.unravel_index(int(inside.argmax()), inside.shape)
    return Window(
        min(int(left) * block, width - inner_width),
        min(int(top) * block, height - inner_height),
        inner_width,
        inner_height,
    )


def fit(pictures: Sequence[Kept], budget: int) -> list[tuple[Window, list[bytes]]]:
    """For each picture the window that is shown, and it of each file as WebP.

    As large as `budget` allows, in characters of all URLs. Raises ConfigError where even 48 x 48 do not fit.
    """
    pixels = max((kept.window.width * kept.window.height for kept in pictures), default=0)
    while True:
        coded = [kept.coded(pixels) for kept in pictures]
        total = sum(url_characters(len(data)) for _, parts in coded for data in parts)
        if total <= budget:
            return coded
        if pixels <= _MIN_PIXELS:
            raise ConfigError(
                "the pictures do not fit into the page: allow more with --max-mb, or put them beside it with --assets"
            )
        share = min(0.95, _HEADROOM * budget / total)
        pixels = max(_MIN_PIXELS, int(pixels * share))
