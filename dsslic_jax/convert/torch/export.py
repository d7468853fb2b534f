"""A model's programs as files for other programs, TorchScript and ONNX.

Inputs are called as `models.programs.Input` names them: labels int64 [B, H, W]; pictures float32 [B, 3, H, W]; numbers
float32 [B].
"""

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from dsslic_jax.bundle.model import Bundle
from dsslic_jax.convert.programs import Exported, program_of
from dsslic_jax.convert.torch.loading import modules_of, require_torch_module
from dsslic_jax.models.programs import Input
from dsslic_jax.system.files import write_atomically


def to_torchscript(bundle: Bundle, name: str, path: Path) -> None:
    """Writes a program that `torch.jit.load` runs on batches and pictures of any size that the network takes.

    Raises ModelError where the model has no such program, or no PyTorch module does the same.
    """
    file, found = io.BytesIO(), program_of(bundle, name)
    require_torch_module(name)
    module = modules_of(bundle)[name]
    with _quiet(), torch.no_grad():
        torch.jit.save(torch.jit.trace(module, _example(found), check_trace=False), file)
    write_atomically(path, file.getvalue())


def to_onnx(bundle: Bundle, name: str, path: Path, size: tuple[int, int] | None = None) -> None:
    """Writes a program as ONNX for pictures of one size, (height, width), one at a time; None: for batches of any size.

    Raises ConfigError where the program does not take pictures of that size, or takes one size only (ONNX pools to so
    many bins only from a size that it knows) and none is given; ModelError as `to_torchscript` does.
    """
    found = program_of(bundle, name)
    found.check_size(size, "ONNX")
    require_torch_module(name)
    shapes = _free_sizes(found) if size is None else None
    module, example = modules_of(bundle)[name], _example(found, size)
    with _quiet():
        made = torch.onnx.export(module, example, dynamo=True, dynamic_shapes=shapes, verbose=False)
    assert made is not None
    write_atomically(path, made.model_proto.SerializeToString())


def _example(found: Exported, size: tuple[int, int] | None = None) -> tuple[torch.Tensor, ...]:
    """Inputs of a size, by default one that differs from the smallest, in both sides and in batch."""
    multiple, least = found.sizes
    sides = size or (least + multiple, least + 2 * multiple)
    batch = 1 if size else 2

    def made(given: Input) -> torch.Tensor:
        zeros = torch.zeros(given.shape(batch, *sides))
        if given.kind == "labels":
            return zeros.long()
        return zeros.permute(0, 3, 1, 2).contiguous() if given.kind == "picture" else zeros + 1

    return tuple(map(made, found.program.inputs(found.module)))


def _free_sizes(found: Exported) -> tuple[dict[int, Any], ...]:
    """Batch, height and width of the inputs as `torch.export` wants them."""
    multiple, least = found.sizes
    batch = torch.export.Dim("batch")
    rows, columns = (torch.export.Dim(n, min=least // multiple) for n in ("rows", "columns"))

    def free(given: Input) -> dict[int, Any]:
        if given.kind == "number":
            return {0: batch}
        first = 1 if given.kind == "labels" else 2
        step = multiple // given.reduced
        return {0: batch, first: step * rows, first + 1: step * columns}

    return tuple(map(free, found.program.inputs(found.module)))


@contextmanager
def _quiet() -> Iterator[None]:
    """Without PyTorch's warnings about its own inside; that TorchScript is deprecated is known to who asks for it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
