"""Resizing, cropping and mirroring a picture together with its label map.

Pictures are resampled with Lanczos (antialiased), label maps with nearest neighbour, so that no id
appears that was not there. A picture smaller than the crop is enlarged until it covers it: padding
would teach the networks borders that no picture has. Coded pictures are never resampled, which would blur away what a
codec did to them, and cropped at even places only, as networks that enhance them may work at half their size.
"""

from collections.abc import Callable, Sequence
from typing import Any, cast

import numpy as np
from PIL import Image

from dsslic_jax.classes.table import class_table
from dsslic_jax.data.elements import Element
from dsslic_jax.data.settings import DataSettings
from dsslic_jax.errors import DataError
from dsslic_jax.system.files import MAX_PIXELS


def augmented(element: Element, data: DataSettings, rng: np.random.Generator) -> Element:
    """A random view for training: scaled, cropped, mirrored and its labels hidden as `rng` decides."""
    element = resized(element, _target_size(element, data, rng.uniform(*data.scale)))
    if data.crop is not None:
        places_y, places_x, apart = _places(element, data.crop)
        top, left = apart * int(rng.integers(places_y)), apart * int(rng.integers(places_x))
        element = cropped(element, top, left, data.crop)
    if data.flip and rng.random() < 0.5:
        element = mirrored(element)
    if data.unlabelled and rng.random() < data.unlabelled:
        hidden = np.full_like(element["labels"], class_table(data.classes).unlabelled_id)
        element = cast("Element", {**element, "labels": hidden})
    return element


def centred(element: Element, data: DataSettings) -> Element:
    """The same view every time, for measuring: resized, then the middle of the picture."""
    element = resized(element, _target_size(element, data, 1.0))
    if data.crop is None:
        return element
    places_y, places_x, apart = _places(element, data.crop)
    return cropped(element, (places_y - 1) // 2 * apart, (places_x - 1) // 2 * apart, data.crop)


def _target_size(element: Element, data: DataSettings, factor: float) -> tuple[int, int]:
    """(height, width) to resample to; never smaller than the crop."""
    height, width = map(float, element["labels"].shape)
    if isinstance(data.resize, tuple):
        height, width = data.resize
    elif data.resize is not None:
        ratio = data.resize / min(height, width)
        height, width = height * ratio, width * ratio
    if data.crop is not None:
        factor = max(factor, data.crop[0] / height, data.crop[1] / width)
    return max(1, round(height * factor)), max(1, round(width * factor))


def resized(element: Element, size: tuple[int, int]) -> Element:
    """Resamples to `size` = (height, width) in pixels; unchanged if it has that size already.

    Raises DataError for more than MAX_PIXELS pixels, as when a sliver is enlarged, or a coded picture.
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
    """Pictures of one size as a batch: image uint8 [B, H, W, 3] and labels uint8 [B, H, W].

    Of coded pairs also decoded uint8 [B, H, W, 3] and strength uint8 [B]. Raises DataError where the sizes differ.
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
