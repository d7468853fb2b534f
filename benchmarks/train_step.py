"""Our training step beside the same step in PyTorch: pictures per second, in turns, in one process.

    python -m benchmarks.train_step [--width 64] [--batch 2] [--size 256] [--classes ade20k] [--precision bfloat16]
        [--torch eager,channels_last,compile] [--vgg] [--seconds 20] [--peak-tflops 989]

Both begin with the same weights; the losses of the first step are compared before anything is timed. In a round each
variant trains for a few steps; medians over the rounds are printed, as pictures per second and as a ratio to the first
PyTorch variant. FLOPs are XLA's count of the step before optimisation; MFU is those over time and --peak-tflops.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

from dsslic_jax.system import extras, runtime

runtime.prepare()

import jax  # noqa: E402
import jax.numpy as jnp  # noqa: E402
import numpy as np  # noqa: E402

with extras.remedy_told():
    from dsslic_jax.configs import default
    from dsslic_jax.models.layers import init_params
    from dsslic_jax.models.vgg import VGG19Features
    from dsslic_jax.train.tasks.registry import make_task
    from dsslic_jax.train.tasks.task import Task

ROUND_SECONDS = 2.0
Batch = dict[str, np.ndarray]


def main() -> None:
    """Measures and prints."""
    options = _options()
    with extras.remedy_told():
        import torch  # noqa: F401  (told before anything is measured)
    task = _task(options)
    config = task.settings
    rng = np.random.default_rng(0)
    batch = {
        "image": rng.integers(0, 256, (options.batch, options.size, options.size, 3), np.uint8),
        "labels": rng.integers(
            0, config.model.classes, (options.batch, options.size, options.size)
        ).astype(np.uint8),
    }
    state, bundle = _start(task, options.vgg)
    ours, flops, expected = _jax_step(task, state, batch)
    variants: dict[str, Callable[[], None]] = {"jax": ours}
    for name in options.torch.split(","):
        variants[f"torch {name}"] = _torch_step(name, config, bundle, state, batch, expected)
    print(
        f"{jax.default_backend()}, width {options.width}, batch {options.batch} of {options.size}x{options.size}, "
        f"{config.model.classes} classes, {options.precision}, VGG {'in' if options.vgg else 'out'}: "
        f"{flops / 1e9:.0f} GFLOP a step"
    )
    seconds = _in_turns(variants, options.seconds)
    base = next(name for name in seconds if name != "jax")
    for name, value in seconds.items():
        line = f"{name:20} {options.batch / value:8.2f} pictures/s, {seconds[base] / value:.2f} of {base}"
        if options.peak_tflops:
            line += f", MFU {flops / value / options.peak_tflops / 1e12:.1%}"
        print(line)


def _in_turns(variants: dict[str, Callable[[], None]], total_seconds: float) -> dict[str, float]:
    """Median seconds a step of each; each is called once unmeasured, then all in turns."""
    times: dict[str, list[float]] = {name: [] for name in variants}
    end = time.perf_counter() + total_seconds * len(variants)
    while time.perf_counter() < end or min(map(len, times.values())) < 3:
        for name, run in variants.items():
            run()  # the caches are another's
            steps, began = 0, time.perf_counter()
            while not steps or time.perf_counter() - began < ROUND_SECONDS:
                run()
                steps += 1
            times[name].append((time.perf_counter() - began) / steps)
    return {name: statistics.median(found) for name, found in times.items()}


def _start(task: Task[Any], vgg: bool) -> tuple[Any, Any]:
    frozen = None
    if vgg:
        picture = jax.ShapeDtypeStruct((1, 64, 64, 3), jnp.float32)
        frozen = init_params(VGG19Features(), 0, picture)["params"]
    state = task.first_state().replace(frozen=frozen)
    return state, task.bundle(state)


def _jax_step(task: Task[Any], state: Any, batch: Batch) -> tuple[Callable[[], None], float, Any]:
    """The step to time, its FLOPs, and the losses of the first one."""
    step = jax.jit(task.step(), donate_argnums=0)
    lowered = step.lower(state, batch)
    flops = float(lowered.cost_analysis()["flops"])
    compiled = lowered.compile()
    placed = {name: jnp.asarray(array) for name, array in batch.items()}
    held, first = compiled(jax.tree.map(jnp.array, state), placed)
    losses = {name: float(value) for name, value in first.items()}

    def run() -> None:
        nonlocal held
        held, metrics = compiled(held, placed)
        jax.block_until_ready(metrics)

    return run, flops, losses


def _torch_step(
    name: str, config: Any, bundle: Any, state: Any, batch: Batch, expected: dict[str, float]
) -> Callable[[], None]:
    import torch

    from benchmarks.torch_step import TorchStep

    device = "cuda" if torch.cuda.is_available() else "cpu"
    torch.backends.cudnn.benchmark = True
    trained = TorchStep(config, bundle, state, device, channels_last=name != "eager")
    if name == "compile":
        trained._step = torch.compile(trained._step)  # type: ignore[method-assign]
    picture, labels = trained.put(batch)
    first = {term: float(value) for term, value in trained.step(picture, labels).items()}
    distance = max(
        abs(value - expected[term]) / abs(expected[term]) for term, value in first.items()
    )
    print(f"torch {name}: losses of the first step within {distance:.1e} of ours")

    def run() -> None:
        losses = trained.step(picture, labels)
        float(losses["G/total"])  # waits

    return run


def _task(options: argparse.Namespace) -> Task[Any]:
    config = default.compression()
    config.data.classes = options.classes
    config.data.crop = (options.size, options.size)
    config.model.update({"compnet_width": options.width, "finenet_width": options.width})
    config.discriminator.width = options.width
    config.train.batch_size = options.batch
    config.train.recompute = options.recompute
    config.precision = options.precision
    if not options.vgg:
        config.losses.vgg_weight = 0.0
    return make_task(config)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--classes", default="ade20k")
    parser.add_argument("--precision", default="float32")
    parser.add_argument("--recompute", default="nothing")
    parser.add_argument("--torch", default="eager,channels_last")
    parser.add_argument("--vgg", action="store_true")
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--peak-tflops", type=float)
    return parser.parse_args()


if __name__ == "__main__":
    main()
