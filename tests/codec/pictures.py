"""Small seeded pictures that coders find easy, hard and odd."""

import numpy as np

LABEL_SHAPES = [(1, 1), (1, 300), (33, 17), (64, 64)]
COLOUR_SHAPES = [(*shape, 3) for shape in LABEL_SHAPES]
KINDS = ["constant", "noise", "equal channels"]


def picture_of(kind: str, shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    """uint8 array of `shape`; kind "equal channels" has R = G = B."""
    noise = np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
    if kind == "constant":
        return np.full(shape, 77, np.uint8)
    if kind == "equal channels" and len(shape) == 3:
        return np.repeat(noise[..., :1], 3, axis=-1)
    return noise


def smooth_picture(height: int, width: int, seed: int = 0) -> np.ndarray:
    """uint8 [height,width,3]: flat blocks of 8x8 with a little noise, as a residual might look."""
    generator = np.random.default_rng(seed)
    blocks = generator.integers(0, 256, (height // 8 + 1, width // 8 + 1, 3))
    flat = np.kron(blocks, np.ones((8, 8, 1)))[:height, :width]
    return np.clip(flat + generator.normal(0, 6, flat.shape), 0, 255).astype(np.uint8)


def at_depth(picture: np.ndarray, bit_depth: int) -> np.ndarray:
    """uint8 samples as they are for 8 bits, stretched to 0..1023 in uint16 for 10."""
    if bit_depth == 8:
        return picture
    return np.round(picture * (1023 / 255)).astype(np.uint16)


def psnr_db(reference: np.ndarray, other: np.ndarray) -> float:
    """10 log10(255² / mean squared error) over all samples."""
    error = np.mean((reference.astype(float) - other) ** 2)
    return float(10 * np.log10(255**2 / error))
