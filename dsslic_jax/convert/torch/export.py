"""Encoder, decoder, SegNet and EnhanceNet as files for other programs, TorchScript and ONNX.

Inputs are called as the modules' arguments are: labels int64 [B, H, W]; picture, compact, x or decoded float32
[B, 3, H, W]; strength float32 [B].
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from dsslic_jax.convert.sizes import Sizes
from dsslic_jax.convert.torch.coarse import Decoder, Encoder
from dsslic_jax.convert.torch.enhancenet import EnhanceNet
from dsslic_jax.convert.torch.segnet import SegNet
from dsslic_jax.errors import ConfigError
from dsslic_jax.models.compnet import min_size
from dsslic_jax.models.enhancenet import SCALE
from dsslic_jax.models.segnet import SIZE_MULTIPLE
from dsslic_jax.system.files import write_atomically

Network = Encoder | Decoder | SegNet | EnhanceNet


def to_torchscript(network: Network, path: Path) -> None:
    """Writes a module that `torch.jit.load` runs on batches and pictures of any size that the network takes."""
    file = io.BytesIO()
    with _quiet(), torch.no_grad():
        torch.jit.save(torch.jit.trace(network, _example(network), check_trace=False), file)
    write_atomically(path, file.getvalue())


def to_onnx(network: Network, path: Path, size: tuple[int, int] | None = None) -> None:
    """Writes an ONNX file for pictures of one size, (height, width), one at a time; None: for batches of any size.

    Raises ConfigError for a SegNet without a size (ONNX pools to so many bins only from a size that it knows), or
    where the network does not take pictures of that size.
    """
    shapes = None
    if size is not None:
        _sizes(network).check(size)
    elif isinstance(network, SegNet):
        raise ConfigError("SegNet is exported to ONNX for one size: name it")
    else:
        shapes = _free_sizes(network)
    with _quiet():
        made = torch.onnx.export(
            network, _example(network, size), dynamo=True, dynamic_shapes=shapes, verbose=False
        )
    assert made is not None
    write_atomically(path, made.model_proto.SerializeToString())


def _sizes(network: Network) -> Sizes:
    if isinstance(network, SegNet):
        return Sizes(SIZE_MULTIPLE, SIZE_MULTIPLE)
    if isinstance(network, EnhanceNet):
        return Sizes(SCALE, SCALE)
    if isinstance(network, Encoder):
        return Sizes(network.alpha, min_size(network.alpha, network.compact))
    return Sizes(network.multiple, max(4 * network.alpha, 2 * network.multiple))


def _example(network: Network, size: tuple[int, int] | None = None) -> tuple[torch.Tensor, ...]:
    """Inputs of a size, by default one that differs from the smallest, in both sides and in batch."""
    multiple, least = _sizes(network)
    height, width = size or (least + multiple, least + 2 * multiple)
    batch = 1 if size else 2
    if isinstance(network, SegNet):
        return (torch.zeros(batch, 3, height, width),)
    reduced = network.alpha if isinstance(network, Decoder) else 1
    labels = torch.zeros(batch, height, width, dtype=torch.int64)
    inputs = labels, torch.zeros(batch, 3, height // reduced, width // reduced)
    return (*inputs, torch.ones(batch)) if isinstance(network, EnhanceNet) else inputs


def _free_sizes(network: Encoder | Decoder | EnhanceNet) -> tuple[dict[int, Any], ...]:
    """Batch, height and width of labels and of the other inputs as `torch.export` wants them."""
    multiple, least = _sizes(network)
    batch = torch.export.Dim("batch")
    rows, columns = (torch.export.Dim(n, min=least // multiple) for n in ("rows", "columns"))
    reduced = multiple // (network.alpha if isinstance(network, Decoder) else 1)
    inputs = (
        {0: batch, 1: multiple * rows, 2: multiple * columns},
        {0: batch, 2: reduced * rows, 3: reduced * columns},
    )
    return (*inputs, {0: batch}) if isinstance(network, EnhanceNet) else inputs


@contextmanager
def _quiet() -> Iterator[None]:
    """Without PyTorch's warnings about its own inside; that TorchScript is deprecated is known to who asks for it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
