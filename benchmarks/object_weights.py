"""What quality by object buys: PSNR inside and outside the chosen classes, with and without weights, at equal size.

    python -m benchmarks.object_weights --model DIR --images DIR --weights person=16 [--labels DIR] [--quality 40]

Each picture is coded without weights at a quality, then with weights at the rate that this took (met within 2 %).
Squared errors are summed over the pixels of all pictures that show a chosen class.
"""

import argparse
import dataclasses
from pathlib import Path

from dsslic_jax.system import runtime

runtime.prepare()

import numpy as np  # noqa: E402

from dsslic_jax.bundle import directory as bundle  # noqa: E402
from dsslic_jax.codec.codec import Codec  # noqa: E402
from dsslic_jax.codec.layers.object_weights import parse_weights  # noqa: E402
from dsslic_jax.pictures.reading import read_label_map, read_picture  # noqa: E402


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", required=True)
    parser.add_argument("--images", type=Path, required=True)
    parser.add_argument("--labels", type=Path)
    parser.add_argument("--weights", required=True)
    parser.add_argument("--quality", type=float, default=40.0)
    options = parser.parse_args()
    codec = Codec(bundle.load(options.model))
    chosen = [*parse_weights(options.weights, codec.bundle.classes)]
    plain = dataclasses.replace(codec.settings, quality=options.quality)
    errors = {kind: np.zeros(2) for kind in ("plain", "weighted")}
    lengths = dict.fromkeys(errors, 0)
    pixels, pictures = np.zeros(2), 0
    for path in sorted(options.images.glob("*.png")):
        picture = read_picture(path)
        if options.labels is None:
            labels = codec.segment(picture)
        else:
            labels = read_label_map(options.labels / path.name, codec.bundle.classes)
        inside = np.isin(labels, chosen)
        if not inside.any():
            continue
        pictures += 1
        pixels += inside.sum(), (~inside).sum()
        streams = {"plain": codec.encode(picture, labels, plain)}
        rate = 8 * len(streams["plain"]) / inside.size
        weighted = dataclasses.replace(plain, weights=options.weights, target_bits_per_pixel=rate)
        streams["weighted"] = codec.encode(picture, labels, weighted)
        for kind, stream in streams.items():
            decoded = codec.decode(stream).picture
            squares = np.square(picture.astype(float) - decoded).mean(-1)
            errors[kind] += squares[inside].sum(), squares[~inside].sum()
            lengths[kind] += len(stream)
    print(f"{options.weights}: {pictures} pictures, {pixels[0] / pixels.sum():.1%} of their pixels")
    for kind, sums in errors.items():
        inside_db, outside_db = 10 * np.log10(255**2 / (sums / pixels))
        all_db = 10 * np.log10(255**2 / (sums.sum() / pixels.sum()))
        print(
            f"{kind:9} {lengths[kind]} bytes: inside {inside_db:.2f} dB, outside {outside_db:.2f} dB, "
            f"all {all_db:.2f} dB"
        )


if __name__ == "__main__":
    main()
