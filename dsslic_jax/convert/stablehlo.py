"""Encoder, decoder, SegNet and EnhanceNet as StableHLO programs with their weights in them, for CPU, CUDA and TPU.

A file is what `jax.export` serializes: `jax.export.deserialize(data).call(...)` runs it without this package, and its
`mlir_module()` is the StableHLO text. Arrays are as in `dsslic_jax/models`: labels int32 [B, H, W]; picture, compact,
x' and decoded float32 [B, H, W, 3] in [-1, 1]; strength float32 [B]. SegNet's program makes the scores alone, float32
[B, H/8, W/8, K].
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import export

from dsslic_jax.bundle.directory import Bundle
from dsslic_jax.convert.sizes import Sizes
from dsslic_jax.errors import ConfigError
from dsslic_jax.models.coarse import build_coarse_model
from dsslic_jax.models.compnet import min_size
from dsslic_jax.models.enhancenet import SCALE, build_enhancenet
from dsslic_jax.models.segnet import SIZE_MULTIPLE, build_segnet
from dsslic_jax.system.files import write_atomically

PLATFORMS = ("cpu", "cuda", "tpu")


class _Program(NamedTuple):
    run: Callable[..., jax.Array]
    sizes: Sizes
    has_labels: bool = True
    has_strength: bool = False
    reduced: int = 1  # how much smaller than the picture the other input is, a side


def to_stablehlo(
    bundle: Bundle, network: str, path: Path, size: tuple[int, int] | None = None
) -> None:
    """Writes a network of a model as a program for pictures of one size, (height, width), one at a time.

    Args:
      bundle: the model.
      network: "encoder", "decoder", "segnet" or "enhancenet"; the model must have it.
      path: the file.
      size: None makes one program for batches of any size.

    Raises:
      ConfigError: the network does not take pictures of that size, or it is a SegNet and no size is given: what it
        pools over is told by the size.
    """
    program = _program(bundle, network)
    batch, height, width = _sides(program, network, size)
    small = (side // program.reduced for side in (height, width))
    inputs = [jax.ShapeDtypeStruct((batch, *small, 3), jnp.float32)]
    if program.has_labels:
        inputs.insert(0, jax.ShapeDtypeStruct((batch, height, width), jnp.int32))
    if program.has_strength:
        inputs.append(jax.ShapeDtypeStruct((batch,), jnp.float32))
    exported = export.export(jax.jit(program.run), platforms=PLATFORMS)(*inputs)
    write_atomically(path, bytes(exported.serialize()))


def _sides(program: _Program, network: str, size: tuple[int, int] | None) -> tuple[Any, ...]:
    """Batch, height and width of the picture, as numbers or symbols."""
    if size is not None:
        program.sizes.check(size)
        return 1, *size
    if network == "segnet":
        raise ConfigError("SegNet is exported to StableHLO for one size: name it")
    multiple, least = program.sizes
    batch, rows, columns = export.symbolic_shape(
        "batch, rows, columns",
        constraints=[f"{side} >= {least // multiple}" for side in ("rows", "columns")],
    )
    return batch, multiple * rows, multiple * columns


def _program(bundle: Bundle, network: str) -> _Program:
    if network == "segnet":
        assert bundle.segnet is not None
        segnet, segnet_variables = build_segnet(bundle.segnet), bundle.tree("segnet")

        def segment(picture: jax.Array) -> jax.Array:
            return segnet.apply(segnet_variables, picture).logits

        return _Program(segment, Sizes(SIZE_MULTIPLE, SIZE_MULTIPLE), has_labels=False)
    if network == "enhancenet":
        assert bundle.enhancenet is not None
        enhance = partial(build_enhancenet(bundle.enhancenet).apply, bundle.tree("enhancenet"))
        return _Program(enhance, Sizes(SCALE, SCALE), has_strength=True)
    assert bundle.model is not None
    model, variables = build_coarse_model(bundle.model), bundle.coarse_variables()

    def encode(labels: jax.Array, picture: jax.Array) -> Any:
        return model.apply(variables, labels, picture, method="compress")

    def decode(labels: jax.Array, compact: jax.Array) -> Any:
        return model.apply(variables, labels, compact, method="predict").coarse

    if network == "encoder":
        return _Program(encode, Sizes(model.alpha, min_size(model.alpha, model.compact)))
    return _Program(decode, Sizes(model.size_multiple, model.min_size), reduced=model.alpha)
