"""Picture files in memory, and samples of 16 bits."""

import io
from fractions import Fraction
from typing import Any

import numpy as np
from PIL import Image


def file_of(image: Image.Image | np.ndarray, kind: str, **options: Any) -> io.BytesIO:
    """A picture as a file of Pillow's, in memory."""
    file = io.BytesIO()
    image = image if isinstance(image, Image.Image) else Image.fromarray(image)
    image.save(file, kind, **options)
    return io.BytesIO(file.getvalue())


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 65536, shape, dtype=np.uint16)


def nearest(samples: np.ndarray, most: int = 65535) -> np.ndarray:
    """Samples on the scale 0..255, in exact arithmetic."""
    wanted = [int(Fraction(255 * int(v), most) + Fraction(1, 2)) for v in samples.ravel()]
    return np.array(wanted, np.uint8).reshape(samples.shape)
