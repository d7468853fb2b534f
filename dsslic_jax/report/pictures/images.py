"""Pictures as a page holds them: data URLs inside it, or files of a folder beside it."""

import base64
import io
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

import numpy as np
from PIL import Image

from dsslic_jax.errors import DataError
from dsslic_jax.system.files import write_atomically

LOSSY_QUALITY = 85  # of WebP, where a page is to stay small
WEBP_MAX_SIDE = 16383


class InsidePage:
    """Pictures as data URLs.

    Attributes:
        characters: of all URLs so far.
    """

    def __init__(self) -> None:
        self.characters = 0

    def put(self, data: bytes, media_type: str) -> str:
        """The data themselves as a URL, four characters for three bytes."""
        url = f"data:{media_type};base64,{base64.b64encode(data).decode()}"
        self.characters += len(url)
        return url


class BesidePage:
    """Pictures as numbered files of a folder beside the page."""

    def __init__(self, folder: Path) -> None:
        """`folder` lies in the page's own folder; it must not exist or be empty, so that no file is written over."""
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise DataError(f"{folder}: already there; remove it, or name another page with --out")
        self._folder = folder
        self._count = 0

    def put(self, data: bytes, media_type: str) -> str:
        """Writes the next file; its URL is relative to the page."""
        self._count += 1
        name = f"{self._count:05d}.{media_type.partition('/')[2]}"
        write_atomically(self._folder / name, data)
        return f"{quote(self._folder.name)}/{name}"


def url_characters(data_bytes: int) -> int:
    """About how much `InsidePage` makes of a picture's bytes."""
    return 4 * -(-data_bytes // 3) + len("data:image/webp;base64,")


def webp(pixels: np.ndarray, lossless: bool = False) -> bytes:
    """uint8 [H, W, 3] as WebP: exact, or at LOSSY_QUALITY. Raises DataError for a side above WEBP_MAX_SIDE."""
    if max(pixels.shape[:2]) > WEBP_MAX_SIDE:
        raise DataError(
            f"a picture of {pixels.shape[1]}x{pixels.shape[0]} is too large for a page: "
            f"{WEBP_MAX_SIDE} pixels a side is WebP's limit"
        )
    file = io.BytesIO()
    # `exact` has no part in pictures without transparency; method 4 is libwebp's own choice between speed and size.
    quality = 40 if lossless else LOSSY_QUALITY
    Image.fromarray(pixels).save(file, "WEBP", lossless=lossless, quality=quality, method=4)
    return file.getvalue()


def palette_png(indices: np.ndarray, palette: Sequence[tuple[int, int, int]]) -> bytes:
    """uint8 [H, W] indices of a palette as PNG, exact."""
    picture = Image.fromarray(indices)
    picture.putpalette([level for colour in palette for level in colour])
    file = io.BytesIO()
    picture.save(file, "PNG", optimize=True)
    return file.getvalue()


def reduced(pixels: np.ndarray, max_side: int) -> np.ndarray:
    """uint8 [H, W, 3] averaged down so that no side is above `max_side`; smaller pictures as they are."""
    height, width = pixels.shape[:2]
    share = max_side / max(height, width)
    if share >= 1:
        return pixels
    size = max(1, round(width * share)), max(1, round(height * share))
    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BOX))
