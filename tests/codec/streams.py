"""Streams for tests: label maps of blocks, and encoding with some settings changed."""

from dataclasses import replace
from typing import Any

import numpy as np

from dsslic_jax.codec.codec import Codec


def label_map(height: int, width: int) -> np.ndarray:
    blocks = np.random.default_rng(1).integers(0, 12, (height // 8 + 1, width // 8 + 1))
    return np.kron(blocks, np.ones((8, 8), int))[:height, :width].astype(np.uint8)


def encode(
    codec: Codec, picture: np.ndarray, label_map: np.ndarray | None = None, **chosen: Any
) -> bytes:
    return codec.encode(picture, label_map, replace(codec.settings, **chosen))
