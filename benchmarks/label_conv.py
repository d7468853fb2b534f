"""The first 7x7 convolution on labels: dense one-hot form against class look-up, as ratios measured side by side.

    python -m benchmarks.label_conv [--size 256] [--width 64] [--repeats 5]

Prints, for several class counts, dense time / look-up time of a forward pass and of a forward and backward pass: above
1 the look-up is faster. The default of `dsslic_jax/models/label_conv.py` follows from it.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from dsslic_jax.system import runtime

runtime.prepare()

import jax  # noqa: E402
import jax.numpy as jnp  # noqa: E402
import numpy as np  # noqa: E402

from dsslic_jax.models.label_conv import LabelConv  # noqa: E402

REGION = 16  # pixels a side with one label


def seconds(run: Callable[[], Any]) -> float:
    """Wall time of one call."""
    began = time.perf_counter()
    jax.block_until_ready(run())
    return time.perf_counter() - began


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    side = options.size
    picture = jnp.asarray(rng.uniform(-1, 1, (1, side, side, 3)), jnp.float32)
    print(f"{jax.default_backend()}, {side}x{side}, {options.width} features: dense / look-up")
    for classes in (12, 24, 35, 48, 96, 151, 183):
        regions = rng.integers(0, classes, (1, -(-side // REGION), -(-side // REGION)))
        labels = jnp.asarray(regions.repeat(REGION, 1).repeat(REGION, 2)[:, :side, :side])
        forward, training = (
            ratio(labels, picture, classes, options, backward) for backward in (False, True)
        )
        print(f"{classes:4d} classes: forward {forward:.2f}, forward and backward {training:.2f}")


def ratio(
    labels: jax.Array,
    picture: jax.Array,
    classes: int,
    options: argparse.Namespace,
    backward: bool,
) -> float:
    """Median over interleaved pairs of dense time / look-up time."""
    runs = []
    for method in ("dense", "lookup"):
        module = LabelConv(options.width, classes, method=method)
        params = module.init(jax.random.key(0), labels, picture)

        def total(params: Any, module: LabelConv = module) -> jax.Array:
            return jnp.sum(module.apply(params, labels, picture) ** 2)

        compiled = jax.jit(jax.grad(total) if backward else total)
        jax.block_until_ready(compiled(params))
        runs.append(partial(compiled, params))
    pairs = [(seconds(runs[0]), seconds(runs[1])) for _ in range(options.repeats)]
    return statistics.median(dense / lookup for dense, lookup in pairs)


if __name__ == "__main__":
    main()
