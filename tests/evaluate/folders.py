"""Pictures and label maps to evaluate on, and tables read back."""

import csv
from pathlib import Path

import numpy as np
from PIL import Image


def picture_of(height: int, width: int) -> np.ndarray:
    """A slope with noise, uint8 [H, W, 3], the same at each call."""
    rng = np.random.default_rng(height * 1000 + width)
    slope = np.linspace(20, 200, width)[None, :, None] + np.linspace(0, 30, height)[:, None, None]
    noise = rng.normal(scale=6, size=(height, width, 3))
    return np.clip(slope + noise, 0, 255).astype(np.uint8)


def write_picture(path: Path, height: int, width: int) -> None:
    path.parent.mkdir(exist_ok=True)
    Image.fromarray(picture_of(height, width)).save(path)


def write_labels(path: Path, height: int, width: int) -> None:
    path.parent.mkdir(exist_ok=True)
    labels = np.random.default_rng(width).integers(0, 12, (height, width), dtype=np.uint8)
    Image.fromarray(labels).save(path)


def read_picture(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.array(image)


def read_csv(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))
