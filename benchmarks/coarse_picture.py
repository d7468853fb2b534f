"""What CompNet and FineNet are worth: x' beside enlargements that need no network, in dB over a folder of pictures.

    python -m benchmarks.coarse_picture --images KODAK --model natural_poster --out results/coarse_picture.csv

Every line is a mean over the pictures: PSNR of x', of ĉ enlarged bilinearly (up(ĉ), what FineNet adds to) and
bicubically, and of the picture's own block averages (as many samples, no network at all) enlarged bicubically; and the
bytes of c, coded without loss, of both.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from dsslic_jax.bundle.known import model_directory
from dsslic_jax.evaluate.tables.means import csv_bytes
from dsslic_jax.metrics import psnr_rgb_db
from dsslic_jax.models.parts import COARSE
from dsslic_jax.system import runtime
from dsslic_jax.system.files import write_atomically


def main() -> None:
    """Codes every picture as far as c, decodes it and writes the means."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=Path, required=True)
    parser.add_argument("--model", type=model_directory, default="natural_poster")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    rows = measured(sorted(options.images.glob("*.png")), options.model)
    write_atomically(options.out, csv_bytes(rows))
    print(csv_bytes(rows).decode())


def measured(paths: list[Path], model: Path) -> list[dict[str, object]]:
    """The mean PSNR of each way to a coarse picture, with SegNet's labels and without any."""
    from dsslic_jax.bundle.directory import load
    from dsslic_jax.codec.codec import Codec
    from dsslic_jax.codec.coders.jxl import Jxl
    from dsslic_jax.pictures.reading import read_picture

    codec = Codec(load(model))
    settings = codec.bundle.settings(COARSE)
    assert settings.colour == "rgb"
    alpha = settings.alpha
    found: dict[str, list[tuple[float, int]]] = {}
    for path in paths:
        picture = read_picture(path)
        for labels in ("sent", "none"):
            settings = replace(codec.settings, labels=labels, quality=0.0)
            decoded = codec.decode(codec.encode(picture, settings=settings), "c")
            assert decoded.compact is not None and decoded.coarse is not None
            num_bytes = len(Jxl().encode(decoded.compact))
            for name, made in {
                "x'": decoded.coarse,
                "c bilinear": codec.upsample(decoded),
                "c bicubic": _bicubic(decoded.compact, picture.shape, alpha),
            }.items():
                point = psnr_rgb_db(picture, made), num_bytes
                found.setdefault(f"{name}, labels {labels}", []).append(point)
        averages = _block_averages(picture, alpha)
        point = (
            psnr_rgb_db(picture, _bicubic(averages, picture.shape, alpha)),
            len(Jxl().encode(averages)),
        )
        found.setdefault("block averages bicubic", []).append(point)
    return [
        {
            "coarse_picture": name,
            "psnr_rgb_db": round(float(np.mean([psnr for psnr, _ in points])), 2),
            "compact_bytes": round(float(np.mean([size for _, size in points]))),
            "pictures": len(points),
        }
        for name, points in found.items()
    ]


def _block_averages(picture: np.ndarray, alpha: int) -> np.ndarray:
    height, width = (-(-side // alpha) * alpha for side in picture.shape[:2])
    padding = ((0, height - picture.shape[0]), (0, width - picture.shape[1]), (0, 0))
    blocks = np.pad(picture, padding, "edge").reshape(height // alpha, alpha, -1, alpha, 3)
    averages: np.ndarray = np.round(blocks.mean((1, 3))).astype(np.uint8)
    return averages


def _bicubic(small: np.ndarray, shape: tuple[int, ...], alpha: int) -> np.ndarray:
    size = small.shape[1] * alpha, small.shape[0] * alpha
    enlarged = np.asarray(Image.fromarray(small).resize(size, Image.Resampling.BICUBIC))
    return enlarged[: shape[0], : shape[1]]


if __name__ == "__main__":
    runtime.prepare()
    main()
