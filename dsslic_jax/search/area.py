"""Areas as a search writes them, in percent or pixels, and the rectangle it may look into. All arithmetic is exact."""

import math
import re
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from dsslic_jax.errors import ConfigError

_NUMBER = r"(\d{1,9}(?:\.\d{1,9})?)"
AREA = re.compile(rf"\s*{_NUMBER}\s*(%|px)(?=$|[\s()])", re.ASCII)
_PERCENT = re.compile(rf"\s*{_NUMBER}\s*%?\s*", re.ASCII)


@dataclass(frozen=True)
class Area:
    """A share of all pixels in percent, or a number of pixels."""

    amount: Fraction
    unit: str  # "%" or "px"

    def pixels(self, total: int) -> Fraction:
        """The area in pixels, `total` being all of them."""
        return self.amount * total / 100 if self.unit == "%" else self.amount


ONE_PIXEL = Area(Fraction(1), "px")


def area_of(match: re.Match[str]) -> Area | None:
    """The area that AREA matched; None for more than 100 %."""
    area = Area(Fraction(match[1]), match[2])
    return None if area.unit == "%" and area.amount > 100 else area


def parse_minimum(text: str) -> Area:
    """The least area of --min-area, such as "2%" or "500px". Raises ConfigError."""
    match = AREA.fullmatch(text.rstrip())
    area = area_of(match) if match else None
    if area is None or not area.amount:
        raise ConfigError(f"--min-area {text}: write a share such as 2% or pixels such as 500px")
    return area


@dataclass(frozen=True)
class Region:
    """A rectangle in percent of the picture's width and height: every pixel that it touches."""

    left: Fraction
    top: Fraction
    right: Fraction
    bottom: Fraction

    def pixels(self, width: int, height: int) -> int:
        """How many pixels it holds of a picture of this size, one at the least."""
        rows, columns = self._slices(width, height)
        return (rows.stop - rows.start) * (columns.stop - columns.start)

    def crop(self, labels: np.ndarray) -> np.ndarray:
        """The part of a map [H, W] inside."""
        height, width = labels.shape
        return labels[self._slices(width, height)]

    def _slices(self, width: int, height: int) -> tuple[slice, slice]:
        rows = slice(math.floor(height * self.top / 100), math.ceil(height * self.bottom / 100))
        columns = slice(math.floor(width * self.left / 100), math.ceil(width * self.right / 100))
        return rows, columns


def parse_region(text: str) -> Region:
    """The rectangle of --region, "left,top,right,bottom" in percent. Raises ConfigError."""
    sides = [_PERCENT.fullmatch(side) for side in text.split(",")]
    numbers = [Fraction(side[1]) for side in sides if side]
    if len(sides) == len(numbers) == 4:
        region = Region(*numbers)
        if region.left < region.right <= 100 and region.top < region.bottom <= 100:
            return region
    raise ConfigError(
        f"--region {text}: write left,top,right,bottom in percent, such as 0,50%,100%,100% for the lower half"
    )
