"""Reading one picture or label map, for training and evaluation, from a file nobody vouches for."""

import io
import threading
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image

from dsslic_jax.classes.table import ClassTable
from dsslic_jax.errors import DataError, DsslicError
from dsslic_jax.pictures.deep_samples import is_deep, png_samples
from dsslic_jax.pictures.metadata import COLOURS, LEFT_OUT, orientation_of, turn
from dsslic_jax.pictures.png_chunks import colour_chunks, without_unreadable
from dsslic_jax.system.files import MAX_PIXELS

_FORMATS = ("JPEG", "PNG")
_FILTERS = threading.Lock()


class UnreadablePicture(DataError):
    """A file cannot be decoded as a picture: the one error `on_bad_file="skip"` passes over."""


def read_picture(
    file: Path | io.BytesIO, name: str | None = None, *, upright: bool = False
) -> np.ndarray:
    """Decodes a JPEG or PNG picture for training or evaluation.

    Grey, palette and CMYK pictures are converted to RGB. Error messages call it `name`, by default its path.

    Args:
      upright: turn it as EXIF wants it seen. Not of pictures with label maps, which are drawn on the stored raster.

    Returns:
      uint8 [H, W, 3].

    Raises:
      UnreadablePicture: missing, not a JPEG or PNG, or damaged.
      DataError: more than MAX_PIXELS pixels, more than 8 bits per sample, or transparent.
    """
    name = name or str(file)
    with opened(file, name, _FORMATS) as image:
        if is_deep(image):  # Pillow would clip or halve its samples without a word
            raise DataError(f"{name}: has more than 8 bits per sample; convert it to 8 bits first")
        load(image)
        flat = without_alpha(image)
        if flat is None:
            raise DataError(f"{name}: is transparent; lay it on a colour first")
        pixels = np.asarray(flat.convert("RGB"))
        return turn(pixels, orientation_of(image)) if upright else pixels


def without_alpha(image: Image.Image, alpha: str = "refuse") -> Image.Image | None:
    """A decoded picture without transparency, which is opaque everywhere or becomes so; None where refused.

    `alpha` is "refuse", "drop" or a colour to lay it on. Mode L or RGB, or the picture's own where it has none.
    """
    if not image.has_transparency_data:
        return image
    grey = image.mode in ("1", "L", "LA", "La")
    image = image.convert("LA" if grey else "RGBA")
    mask = image.getchannel("A")
    opaque = mask.getextrema() == (255, 255)
    if not opaque and alpha == "refuse":
        return None
    flat = image.convert("L" if grey else "RGB")
    if opaque or alpha == "drop":
        return flat
    ground = Image.new(flat.mode, flat.size, alpha)
    ground.paste(flat, mask=mask)
    return ground


def read_label_map(
    file: Path | io.BytesIO, table: ClassTable, name: str | None = None
) -> np.ndarray:
    """Decodes a label map, an 8-bit grey PNG, or a palette PNG, whose indices (not colours) are the ids.

    Returns:
      uint8 [H, W], class ids of `table`.

    Raises:
      UnreadablePicture: as `read_picture` does.
      DataError: too large, not a single-channel 8-bit PNG, or an id outside the table.
    """
    name = name or str(file)
    with opened(file, name, _FORMATS) as image:
        if image.format != "PNG":
            raise DataError(f"{name}: a label map must be a PNG, not {image.format}")
        # Pillow stretches 1, 2 and 4-bit grey to 0..255, which would change the ids.
        if image.mode != "P" and png_samples(image) != "L":
            raise DataError(
                f"{name}: a label map must be an 8-bit single-channel PNG (grey or palette), "
                f"not {png_samples(image)}"
            )
        load(image)
        ids = np.asarray(image)
    return table.to_class_ids(ids, name)


@contextmanager
def opened(
    file: Path | BinaryIO | Image.Image, name: str, formats: tuple[str, ...]
) -> Iterator[Image.Image]:
    """Opens a picture of one of Pillow's `formats`, its size within the limit and its pixels not decoded yet.

    Pictures of Pillow's own pass through. What Pillow raises inside the block comes out as UnreadablePicture: missing,
    of another format, or damaged. Raises DataError for more than MAX_PIXELS pixels.
    """
    try:
        if isinstance(file, Image.Image):
            _refuse_too_many_pixels(file, name)
            yield file
            return
        with ExitStack() as files:
            handle = files.enter_context(file.open("rb")) if isinstance(file, Path) else file
            colours, (readable, left_out) = colour_chunks(handle), without_unreadable(handle)
            with _large_pictures_allowed():
                image = Image.open(readable, formats=formats)
            with image:
                image.info |= {COLOURS: colours, LEFT_OUT: left_out}
                _refuse_too_many_pixels(image, name)
                yield image
    except (DsslicError, MemoryError):
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise DataError(f"{name}: {error}") from error
    except Exception as error:  # Pillow raises a dozen unrelated types on damaged files.
        wanted = " or ".join(formats) if len(formats) == 2 else "a picture"
        raise UnreadablePicture(f"{name}: cannot be read as {wanted} ({error})") from error


def load(image: Image.Image) -> None:
    """Decodes an opened picture."""
    if Image.MAX_IMAGE_PIXELS is None or image.width * image.height <= Image.MAX_IMAGE_PIXELS:
        image.load()
        return
    with _large_pictures_allowed():
        image.load()


@contextmanager
def _large_pictures_allowed() -> Iterator[None]:
    """Keeps Pillow from warning of pictures within our own limit; one thread at a time, as filters are everybody's."""
    with _FILTERS, warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        yield


def _refuse_too_many_pixels(image: Image.Image, name: str) -> None:
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise DataError(
            f"{name}: {width}x{height} pixels are more than the limit of {MAX_PIXELS}; "
            "scale the picture down first"
        )
