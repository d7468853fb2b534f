"""Resizing, cropping and mirroring a picture together with its label map.

Pictures are resampled with Lanczos (antialiased), label maps with nearest neighbour, so that no id
appears that was not there. A picture smaller than the crop is enlarged until it covers it: padding
would teach the networks borders that no picture has. Coded pictures are never resampled, which would blur away what a
codec did to them, and cropped at even places only, as networks that enhance them may work at half their size.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from ml_collections import ConfigDict
from PIL import Image

from dsslic_jax.classes.table import class_table
from dsslic_jax.data.elements import Element
from dsslic_jax.errors import ConfigError, DataError
from dsslic_jax.system.files import MAX_PIXELS


@dataclass(frozen=True)
class Framing:
    """How a picture is brought to the size of a batch; the keys of `config.data`.

    Attributes:
      resize: None, the length of the shorter side in pixels, or (height, width).
      scale: range of the random factor on top of `resize`, training only.
      crop: (height, width) in pixels, or None for whole pictures.
      flip: mirror left-right half of the time, training only.
      unlabelled: share of the pictures whose labels are all made `unlabelled_id`, training only.
      unlabelled_id: the class that networks are given where there are no labels.
    """

    resize: int | tuple[int, int] | None
    scale: tuple[float, float]
    crop: tuple[int, int] | None
    flip: bool
    unlabelled: float = 0.0
    unlabelled_id: int = 0

    @classmethod
    def from_config(cls, data_config: ConfigDict) -> Framing:
        """Reads and checks the keys; raises ConfigError."""
        low, high = data_config.scale
        if not 0 < low <= high:
            raise ConfigError(f"data.scale must be 0 < low <= high, not ({low}, {high})")
        if not 0 <= data_config.unlabelled <= 1:
            raise ConfigError(f"data.unlabelled is a share, 0 to 1, not {data_config.unlabelled}")
        resize, crop = data_config.resize, data_config.crop
        if data_config.kind == "coded" and (resize is not None or (low, high) != (1, 1)):
            raise ConfigError(
                'data.kind "coded" takes pictures as they were coded: leave data.resize and data.scale alone'
            )
        if isinstance(resize, int) and resize < 1:
            raise ConfigError(f"data.resize must be a positive number of pixels, not {resize}")
        return cls(
            resize=resize if resize is None or isinstance(resize, int) else _size("resize", resize),
            scale=(low, high),
            crop=None if crop is None else _size("crop", crop),
            flip=data_config.flip,
            unlabelled=data_config.unlabelled,
            unlabelled_id=class_table(data_config.classes).unlabelled_id,
        )

    def augmented(self, element: Element, rng: np.random.Generator) -> Element:
        """A random view for training: scaled, cropped and mirrored as `rng` decides."""
        factor = rng.uniform(*self.scale)
        element = resized(element, self._target_size(element, factor))
        if self.crop is not None:
            places_y, places_x, apart = _places(element, self.crop)
            top, left = apart * int(rng.integers(places_y)), apart * int(rng.integers(places_x))
            element = cropped(element, top, left, self.crop)
        if self.flip and rng.random() < 0.5:
            element = mirrored(element)
        if self.unlabelled and rng.random() < self.unlabelled:
            hidden = np.full_like(element["labels"], self.unlabelled_id)
            element = cast("Element", {**element, "labels": hidden})
        return element

    def centred(self, element: Element) -> Element:
        """The same view every time, for measuring: resized, then the middle of the picture."""
        element = resized(element, self._target_size(element, 1.0))
        if self.crop is None:
            return element
        places_y, places_x, apart = _places(element, self.crop)
        return cropped(element, (places_y - 1) // 2 * apart, (places_x - 1) // 2 * apart, self.crop)

    def _target_size(self, element: Element, factor: float) -> tuple[int, int]:
        """(height, width) to resample to; never smaller than the crop."""
        height, width = element["labels"].shape
        if self.resize is None:
            target_height, target_width = float(height), float(width)
        elif isinstance(self.resize, int):
            ratio = self.resize / min(height, width)
            target_height, target_width = height * ratio, width * ratio
        else:
            target_height, target_width = self.resize
        if self.crop is not None:
            needed = max(self.crop[0] / target_height, self.crop[1] / target_width)
            factor = max(factor, needed)
        return max(1, round(target_height * factor)), max(1, round(target_width * factor))


def resized(element: Element, size: tuple[int, int]) -> Element:
    """Resamples to `size` = (height, width) in pixels; unchanged if it has that size already.

    Raises:
      DataError: `size` has more than MAX_PIXELS pixels, as when a sliver is enlarged; or a coded picture would have
        to be resampled.
    """
    height, width = element["labels"].shape
    if (height, width) == size:
        return element
    if "decoded" in element:
        raise DataError(
            f"{element['name']}: {width}x{height} pixels are too few for data.crop, and coded pictures are not "
            "enlarged; remove the picture or take a smaller crop"
        )
    if size[0] * size[1] > MAX_PIXELS:
        raise DataError(
            f"{element['name']}: {width}x{height} pixels would become {size[1]}x{size[0]} to fit "
            "data.resize, data.scale and data.crop; remove the picture or change these"
        )
    width_height = (size[1], size[0])
    image = Image.fromarray(element["image"]).resize(width_height, Image.Resampling.LANCZOS)
    labels = Image.fromarray(element["labels"]).resize(width_height, Image.Resampling.NEAREST)
    return Element(image=np.asarray(image), labels=np.asarray(labels), name=element["name"])


def cropped(element: Element, top: int, left: int, size: tuple[int, int]) -> Element:
    """Cuts out `size` = (height, width) pixels from row `top` and column `left`."""
    rows, columns = slice(top, top + size[0]), slice(left, left + size[1])
    return _changed(element, lambda raster: raster[rows, columns])


def mirrored(element: Element) -> Element:
    """Exchanges left and right."""
    return _changed(element, lambda raster: raster[:, ::-1])


def _changed(element: Element, change: Callable[[np.ndarray], np.ndarray]) -> Element:
    """The element with the same change made to the picture and to all that lies on its pixels."""
    values = cast("dict[str, Any]", element)
    rasters = {key: change(values[key]) for key in ("image", "labels", "decoded") if key in values}
    return cast("Element", {**values, **rasters})


def stacked(elements: Sequence[Element]) -> dict[str, np.ndarray]:
    """Stacks pictures of one size into a batch.

    Returns:
      image uint8 [B, H, W, 3] and labels uint8 [B, H, W]; of coded pairs also decoded uint8 [B, H, W, 3] and strength
      uint8 [B].

    Raises:
      DataError: the sizes differ.
    """
    first = elements[0]
    for element in elements:
        if element["image"].shape != first["image"].shape:
            raise DataError(
                f"{first['name']} {first['image'].shape[:2]} and {element['name']} "
                f"{element['image'].shape[:2]} cannot share a batch: set data.crop"
            )
    values = [cast("dict[str, Any]", element) for element in elements]
    return {key: np.stack([v[key] for v in values]) for key in values[0] if key != "name"}


def _places(element: Element, crop: tuple[int, int]) -> tuple[int, int, int]:
    """At how many rows and columns a crop can begin, and how many pixels these are apart."""
    height, width = element["labels"].shape
    apart = 2 if "decoded" in element else 1
    return (height - crop[0]) // apart + 1, (width - crop[1]) // apart + 1, apart


def _size(key: str, sides: Sequence[int]) -> tuple[int, int]:
    if len(sides) != 2 or not all(isinstance(side, int) and side > 0 for side in sides):
        raise ConfigError(f"data.{key} must be (height, width) in whole pixels, not {tuple(sides)}")
    return sides[0], sides[1]
