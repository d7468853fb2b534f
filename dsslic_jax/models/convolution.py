"""VALID convolutions, and the forms of some of them that CPUs run faster.

At full resolution a convolution of few features is many small products of matrices, and the derivative of one with
stride two runs dilated: XLA's CPU backend does neither well. With 2x2 blocks of pixels as one position it has four
times the features at a quarter of the positions, and no stride. Taps of a block's kernel that lie outside the kernel
are zero: a 7x7 kernel costs 1.31 times the operations so, a 3x3 of stride two 1.78 times, a 4x4 no more.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax.ad_checkpoint import checkpoint_name

CONVOLUTION = "convolution"  # as a policy of `jax.checkpoint` knows the outputs of convolutions
_BLOCK = 2  # pixels a side
# Measured on two cores: with more features than these the plain form is the faster one.
_FEW_RESULTS = 4  # of stride one: the networks' heads
_FEW_FEATURES = 64  # of stride two, backwards
_AS_ACCELERATOR = ContextVar("_AS_ACCELERATOR", default=False)


@contextmanager
def accelerator_forms() -> Iterator[None]:
    """Inside, what is traced takes the forms of accelerators, though it be lowered for a CPU: to plan for a GPU."""
    token = _AS_ACCELERATOR.set(True)
    try:
        yield
    finally:
        _AS_ACCELERATOR.reset(token)


def by_platform(*arguments: Any, cpu: Callable[..., Any], default: Callable[..., Any]) -> Any:
    """`cpu(*arguments)` where this is lowered for a CPU, else `default`: two forms of one function."""
    if _AS_ACCELERATOR.get():
        return default(*arguments)
    return jax.lax.platform_dependent(*arguments, cpu=cpu, default=default)


def valid_conv(x: jax.Array, kernel: jax.Array, stride: int = 1, dilation: int = 1) -> jax.Array:
    """[B, H, W, I] * [kh, kw, I, O] -> [B, H', W', O] without padding."""
    return checkpoint_name(_plain(x, kernel, stride, dilation), CONVOLUTION)


def fast_conv(x: jax.Array, kernel: jax.Array, stride: int = 1, dilation: int = 1) -> jax.Array:
    """The same function in the form that is the fastest known on the platform it is lowered for."""
    size, _, features, results = kernel.shape
    even = all(((side - size) // stride + 1) * stride % _BLOCK == 0 for side in x.shape[1:3])
    if stride == 1 and dilation == 1 and size > 1 and results <= _FEW_RESULTS and even:
        form = partial(conv_in_blocks, stride=1)
        y = by_platform(x, kernel, cpu=form, default=_plain)
    elif stride == _BLOCK and dilation == 1 and features <= _FEW_FEATURES:
        y = _conv_of_stride_two(x, kernel)
    else:
        y = _plain(x, kernel, stride, dilation)
    return checkpoint_name(y, CONVOLUTION)


def space_to_depth(x: jax.Array, block: int = _BLOCK) -> jax.Array:
    """[B, block h, block w, C] -> [B, h, w, block**2 C]."""
    batch, height, width, channels = x.shape
    x = x.reshape(batch, height // block, block, width // block, block, channels)
    shape = (batch, height // block, width // block, block * block * channels)
    return x.transpose(0, 1, 3, 2, 4, 5).reshape(shape)


def depth_to_space(x: jax.Array, block: int = _BLOCK) -> jax.Array:
    """The inverse of `space_to_depth`."""
    batch, height, width, features = x.shape
    channels = features // (block * block)
    x = x.reshape(batch, height, width, block, block, channels).transpose(0, 1, 3, 2, 4, 5)
    return x.reshape(batch, block * height, block * width, channels)


def conv_in_blocks(x: jax.Array, kernel: jax.Array, stride: int) -> jax.Array:
    """`valid_conv` of stride 1 or 2 with blocks as positions; of stride 1, height and width of the result are even."""
    size, made = kernel.shape[0], _BLOCK // stride  # pixels a side that a block becomes
    reach = -(-(size + made - 1) // _BLOCK)  # blocks a side that one depends on
    lacking = []
    for side in x.shape[1:3]:
        blocks = ((side - size) // stride + 1) // made + reach - 1
        lacking.append((0, _BLOCK * blocks - side, 0))  # below zero: a last row that no tap sees
    x = jax.lax.pad(x, jnp.zeros((), x.dtype), [(0, 0, 0), *lacking, (0, 0, 0)])
    return depth_to_space(_plain(space_to_depth(x), _block_kernel(kernel, reach, made)), made)


def _block_kernel(kernel: jax.Array, reach: int, made: int) -> jax.Array:
    """[k, k, I, O] -> [reach, reach, 4 I, made**2 O]: each pixel of a result's block has the kernel in its place."""
    size, _, features, results = kernel.shape
    spare = _BLOCK * reach - size
    placed = [
        jnp.pad(kernel, ((row, spare - row), (column, spare - column), (0, 0), (0, 0)))
        for row in range(made)
        for column in range(made)
    ]
    taps = jnp.stack(placed, axis=3)  # [2 reach, 2 reach, I, made**2, O]
    taps = taps.reshape(reach, _BLOCK, reach, _BLOCK, features, made**2 * results)
    taps = taps.transpose(0, 2, 1, 3, 4, 5)
    return taps.reshape(reach, reach, _BLOCK**2 * features, made**2 * results)


@jax.custom_vjp
def _conv_of_stride_two(x: jax.Array, kernel: jax.Array) -> jax.Array:
    return _plain(x, kernel, _BLOCK)


def _forward(x: jax.Array, kernel: jax.Array) -> tuple[jax.Array, Any]:
    return _conv_of_stride_two(x, kernel), (x, kernel)


def _backward(saved: tuple[jax.Array, jax.Array], gradient: jax.Array) -> tuple[Any, ...]:
    def of_form(form: Any, x: jax.Array, kernel: jax.Array, gradient: jax.Array) -> Any:
        return jax.vjp(partial(form, stride=_BLOCK), x, kernel)[1](gradient)

    return by_platform(
        *saved, gradient, cpu=partial(of_form, conv_in_blocks), default=partial(of_form, _plain)
    )


_conv_of_stride_two.defvjp(_forward, _backward)


def _plain(x: jax.Array, kernel: jax.Array, stride: int = 1, dilation: int = 1) -> jax.Array:
    strides, dilations, axes = (stride, stride), (dilation, dilation), ("NHWC", "HWIO", "NHWC")
    return jax.lax.conv_general_dilated(
        x, kernel, strides, "VALID", rhs_dilation=dilations, dimension_numbers=axes
    )
