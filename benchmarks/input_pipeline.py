"""Pictures a second that the input pipeline makes by itself: read, decoded, scaled, cropped, mirrored, batched.

    python -m benchmarks.input_pipeline --root CAMVID --classes camvid [--kind folders] [--crop 256] [--batch 8]
        [--workers 0] [--cache] [--seconds 10]

A step that takes fewer a second than this never waits: training reports what it waited for as input_wait_ms_per_step.
"""

import argparse
import time

from dsslic_jax.system import extras

with extras.remedy_told():
    from dsslic_jax.configs import default
    from dsslic_jax.data.pipeline import train_iterator


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", required=True)
    parser.add_argument("--classes", required=True)
    parser.add_argument("--kind", default="folders")
    parser.add_argument("--crop", type=int, default=256)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--cache", action="store_true")
    parser.add_argument("--seconds", type=float, default=10.0)
    options = parser.parse_args()
    config = default.compression().data
    config.update({"kind": options.kind, "root": options.root, "classes": options.classes})
    config.update({"crop": (options.crop, options.crop), "workers": options.workers})
    config.cache = options.cache
    batches = train_iterator(config, batch_size=options.batch, seed=0)
    made = 0
    try:
        next(batches)  # with the start of its threads
        began = time.perf_counter()
        while time.perf_counter() - began < options.seconds:
            next(batches)
            made += options.batch
        seconds = time.perf_counter() - began
    finally:
        batches.close()
    print(f"{made / seconds:.0f} pictures/s: {options}")


if __name__ == "__main__":
    main()
