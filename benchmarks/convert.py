"""Our networks against their PyTorch modules at the poster's ADE20K widths: differences, seconds, there and back.

    python -m benchmarks.convert [--height 256] [--width 256]

Random weights and inputs. For each network the largest difference of any output relative to the largest value, float32
on the CPU; for each layout the arrays that differ after going there and back, and the seconds that each way takes; last
the decoder's files for all sizes: ONNX in onnxruntime, and StableHLO, which is compared with JAX itself.
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dsslic_jax.system import extras, runtime

runtime.prepare()

import flax.traverse_util  # noqa: E402
import jax  # noqa: E402
import numpy as np  # noqa: E402
from safetensors.numpy import load, save  # noqa: E402

from dsslic_jax.bundle.model import Bundle, Part  # noqa: E402
from dsslic_jax.classes.table import class_table  # noqa: E402
from dsslic_jax.convert import discriminator  # noqa: E402
from dsslic_jax.convert.discriminator import StoredDiscriminator  # noqa: E402
from dsslic_jax.convert.stablehlo import to_stablehlo  # noqa: E402
from dsslic_jax.convert.transfer import (  # noqa: E402
    LAYOUTS,
    Portable,
    from_state_dict,
    to_state_dict,
)
from dsslic_jax.models import parts  # noqa: E402
from dsslic_jax.models.coarse import build_coarse_model  # noqa: E402
from dsslic_jax.models.discriminator import build_discriminator  # noqa: E402
from dsslic_jax.models.segnet import build_segnet  # noqa: E402
from dsslic_jax.models.settings import CoarseSettings, SegNetSettings  # noqa: E402
from dsslic_jax.settings.reading import to_mapping  # noqa: E402

if TYPE_CHECKING:
    import torch

TABLE = class_table("ade20k")
COARSE = CoarseSettings(classes=TABLE.num_classes)
SEGNET = SegNetSettings(classes=TABLE.num_classes)
DISCRIMINATOR = StoredDiscriminator(channels=TABLE.num_classes + 6)


def seconds(run: Callable[[], Any]) -> tuple[Any, float]:
    """What a call returns, and its wall time."""
    began = time.perf_counter()
    made = run()
    return made, time.perf_counter() - began


def nchw(picture: Any) -> torch.Tensor:
    """[B, H, W, C] -> PyTorch's [B, C, H, W]."""
    import torch

    return torch.from_numpy(np.array(picture).transpose(0, 3, 1, 2).copy())


def apart(ours: Any, theirs: Any) -> float:
    """The largest difference of any output, relative to the largest value of that output."""
    pairs = zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True)
    return max(float((nchw(a) - b).abs().max() / b.abs().max()) for a, b in pairs)


def random_model() -> Portable:
    """All four networks with weights as training begins with them."""
    chosen = {parts.COARSE: COARSE, parts.SEGNET: SEGNET}
    made = {kind.name: Part(own, kind.drawn(own)) for kind, own in chosen.items()}
    rng = np.random.default_rng(0)
    training = {
        name: rng.normal(0, 0.02, shape).astype(np.float32)
        for name, shape in discriminator.shapes(to_mapping(DISCRIMINATOR)).items()
    }
    return Portable(Bundle(TABLE, made), training)


def report_outputs(model: Portable, height: int, width: int) -> None:
    """Prints how far apart the outputs of each network are."""
    import torch

    from dsslic_jax.convert.torch.loading import discriminator_of, modules_of

    rng = np.random.default_rng(0)
    labels = rng.integers(0, TABLE.num_classes, (1, height, width), dtype=np.int32)
    picture = rng.uniform(-1, 1, (1, height, width, 3)).astype(np.float32)
    seen = rng.uniform(-1, 1, (1, height - 3, width - 5, DISCRIMINATOR.channels))
    bundle, coarse, ids = model.bundle, build_coarse_model(COARSE), torch.from_numpy(labels)
    variables, theirs = bundle.variables(parts.COARSE), modules_of(model.bundle)
    compact = jax.jit(lambda v: coarse.apply(v, labels, picture, method="compress"))(variables)
    made = jax.jit(lambda v: coarse.apply(v, labels, compact, method="predict").coarse)(variables)
    judge = build_discriminator(DISCRIMINATOR)
    training = flax.traverse_util.unflatten_dict(model.training, sep="/")
    params = {"params": training["discriminator"]}
    segnet = jax.jit(build_segnet(SEGNET).apply)(bundle.variables(parts.SEGNET), picture)
    with torch.inference_mode():
        differences = {
            "compnet": apart(compact, theirs["encoder"](ids, nchw(picture))),
            "finenet": apart(made, theirs["decoder"](ids, nchw(compact))),
            "segnet": apart(tuple(segnet), theirs["segnet"](nchw(picture))),
            "discriminator": apart(
                jax.jit(judge.apply)(params, seen.astype(np.float32)),
                discriminator_of(model.training)(nchw(seen.astype(np.float32))),
            ),
        }
    for network, difference in differences.items():
        arrays = {**bundle.weights, **model.training}
        size = sum(a.size for n, a in arrays.items() if n.startswith(f"{network}/"))
        print(f"{network}: {size / 1e6:.1f} million weights, largest difference {difference:.1e}")
    report_files(bundle, (labels, compact), made)


def report_files(bundle: Bundle, inputs: tuple[Any, Any], made: Any) -> None:
    """Prints how long the decoder's files take to make, and how far their outputs are from JAX's."""
    import onnxruntime
    import torch

    from dsslic_jax.convert.torch.export import to_onnx

    labels, compact = inputs
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "decoder"
        _, taken = seconds(lambda: to_onnx(bundle, "decoder", path))
        session = onnxruntime.InferenceSession(path)
        arrays = {"labels": labels.astype(np.int64), "compact": nchw(compact).numpy()}
        difference = apart(made, torch.from_numpy(session.run(None, arrays)[0]))
        print(f"decoder as ONNX for all sizes ({taken:.1f} s): largest difference {difference:.1e}")
        _, taken = seconds(lambda: to_stablehlo(bundle, "decoder", path))
        program = jax.export.deserialize(bytearray(path.read_bytes()))
        difference = apart(made, nchw(program.call(labels, compact)))
        size = path.stat().st_size / 2**20
        print(
            f"decoder as StableHLO for all sizes ({taken:.1f} s, {size:.0f} MiB): "
            f"largest difference {difference:.1e}"
        )


def report_layouts(model: Portable) -> None:
    """Prints what becomes of the weights on the way there and back."""
    arrays = {**model.bundle.weights, **model.training}
    for layout in LAYOUTS:
        file, there = seconds(lambda name=layout: save(to_state_dict(model, name)))
        made, back = seconds(lambda data=file: from_state_dict(load(data), TABLE))
        returned = {**made.bundle.weights, **made.training}
        differ = [n for n in arrays if not np.array_equal(arrays[n], returned[n])]
        print(
            f"{layout}: {len(arrays)} arrays, {len(file) / 2**20:.0f} MiB, there in {there:.1f} s, "
            f"back in {back:.1f} s, {len(differ) + len(returned.keys() ^ arrays.keys())} differ"
        )


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--height", type=int, default=256)
    parser.add_argument("--width", type=int, default=256)
    options = parser.parse_args()
    with extras.remedy_told():
        import torch  # noqa: F401  (told before anything is measured)
    if importlib.util.find_spec("onnxruntime") is None:
        sys.exit("error: this needs onnxruntime: pip install onnxruntime")
    model = random_model()
    report_layouts(model)
    report_outputs(model, options.height, options.width)


if __name__ == "__main__":
    main()
