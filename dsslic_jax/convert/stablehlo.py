"""A model's programs as StableHLO with their weights in them, for CPU, CUDA and TPU.

A file is what `jax.export` serializes: `jax.export.deserialize(data).call(...)` runs it without this package, and its
`mlir_module()` is the StableHLO text. Arrays are as `models.programs.Input` has them; SegNet's program makes the scores
alone, float32 [B, H/8, W/8, K].
"""

from pathlib import Path
from typing import Any

import jax
from jax import export

from dsslic_jax.bundle.model import Bundle
from dsslic_jax.convert.programs import program_of
from dsslic_jax.models.programs import Sizes
from dsslic_jax.system.files import write_atomically

PLATFORMS = ("cpu", "cuda", "tpu")


def to_stablehlo(
    bundle: Bundle, name: str, path: Path, size: tuple[int, int] | None = None
) -> None:
    """Writes a program, such as "decoder", for pictures of one size, (height, width), one at a time, or of any size.

    Raises ModelError where the model has no such program, ConfigError where the program does not take pictures of that
    size, or takes one size only and none is given.
    """
    found = program_of(bundle, name)
    found.check_size(size, "StableHLO")
    kind, program, module = found
    variables = bundle.variables(kind)

    def run(*arrays: jax.Array) -> Any:
        return program.result(module.apply(variables, *arrays, method=program.method))

    batch, height, width = (1, *size) if size is not None else _symbols(found.sizes)
    inputs = [
        jax.ShapeDtypeStruct(i.shape(batch, height, width), i.dtype) for i in program.inputs(module)
    ]
    exported = export.export(jax.jit(run), platforms=PLATFORMS)(*inputs)
    write_atomically(path, bytes(exported.serialize()))


def _symbols(sizes: Sizes) -> tuple[Any, ...]:
    """Batch, height and width of the picture."""
    batch, rows, columns = export.symbolic_shape(
        "batch, rows, columns",
        constraints=[f"{side} >= {sizes.least // sizes.multiple}" for side in ("rows", "columns")],
    )
    return batch, sizes.multiple * rows, sizes.multiple * columns
