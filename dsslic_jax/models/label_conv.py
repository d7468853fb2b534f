"""A convolution over concat(one-hot labels, picture) that need not build the one-hot channels.

A KxK convolution of a one-hot map is a sum of K*K table look-ups: output(y, x) = sum over taps of
kernel[tap, label(y + tap)]. With 151 classes that is about 150 times fewer operations than the dense form.
"""

from __future__ import annotations

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from dsslic_jax.models.convolution import valid_conv
from dsslic_jax.models.layers import Dtype, normal_init, pad

# Fewest classes for which the look-up is the faster form on CPU: forwards, and forwards with backwards
# (benchmarks/label_conv.py). Accelerators get the dense form: gathers waste their matrix units.
LOOKUP_MIN_CLASSES = 35
LOOKUP_MIN_CLASSES_TRAINING = 128


def one_hot_conv_dense(labels: jax.Array, kernel: jax.Array) -> jax.Array:
    """VALID convolution of one-hot [B, H, W] labels with [kh, kw, K, O], through the one-hot map."""
    return valid_conv(jax.nn.one_hot(labels, kernel.shape[2], dtype=kernel.dtype), kernel)


@jax.custom_vjp
def one_hot_conv_lookup(labels: jax.Array, kernel: jax.Array) -> jax.Array:
    """The same function as `one_hot_conv_dense`, by class look-up; ids outside [0, K) count as no class."""
    rows, columns, classes, _ = kernel.shape
    height, width = labels.shape[1] - rows + 1, labels.shape[2] - columns + 1
    table = jnp.concatenate([kernel, jnp.zeros_like(kernel[:, :, :1])], axis=2)
    known = jnp.where((labels >= 0) & (labels < classes), labels.astype(jnp.int32), classes)
    total = jnp.zeros((), kernel.dtype)
    for row in range(rows):
        for column in range(columns):
            seen = known[:, row : row + height, column : column + width]
            total = total + table[row, column].at[seen].get(mode="promise_in_bounds")
    return total


def _lookup_forward(
    labels: jax.Array, kernel: jax.Array
) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
    return one_hot_conv_lookup(labels, kernel), (labels, kernel)


def _lookup_backward(
    saved: tuple[jax.Array, jax.Array], gradient: jax.Array
) -> tuple[None, jax.Array]:
    # A scatter of K*K rows a pixel is far slower than the dense convolution's own weight gradient.
    labels, kernel = saved
    _, pullback = jax.vjp(lambda k: one_hot_conv_dense(labels, k), kernel)
    return None, pullback(gradient)[0]


one_hot_conv_lookup.defvjp(_lookup_forward, _lookup_backward)


def label_conv_dense(labels: jax.Array, picture: jax.Array, kernel: jax.Array) -> jax.Array:
    """VALID convolution of concat(one-hot labels, picture): [B, H, W], [B, H, W, C], [kh, kw, K + C, O]."""
    classes = kernel.shape[2] - picture.shape[-1]
    one_hot = jax.nn.one_hot(labels, classes, dtype=kernel.dtype)
    return valid_conv(jnp.concatenate([one_hot, picture], axis=-1), kernel)


def label_conv_lookup(labels: jax.Array, picture: jax.Array, kernel: jax.Array) -> jax.Array:
    """The same function as `label_conv_dense`, its one-hot part by class look-up."""
    classes = kernel.shape[2] - picture.shape[-1]
    of_labels, of_picture = kernel[:, :, :classes], kernel[:, :, classes:]
    return one_hot_conv_lookup(labels, of_labels) + valid_conv(picture, of_picture)


@jax.custom_vjp
def label_conv_cpu(labels: jax.Array, picture: jax.Array, kernel: jax.Array) -> jax.Array:
    """The same function again, in the form that is faster on CPU with or without a gradient."""
    classes = kernel.shape[2] - picture.shape[-1]
    form = label_conv_lookup if classes >= LOOKUP_MIN_CLASSES else label_conv_dense
    return form(labels, picture, kernel)


def _cpu_forward(labels: jax.Array, picture: jax.Array, kernel: jax.Array) -> tuple[jax.Array, Any]:
    classes = kernel.shape[2] - picture.shape[-1]
    form = label_conv_lookup if classes >= LOOKUP_MIN_CLASSES_TRAINING else label_conv_dense
    return jax.vjp(lambda p, k: form(labels, p, k), picture, kernel)


def _cpu_backward(pullback: Any, gradient: jax.Array) -> tuple[None, jax.Array, jax.Array]:
    return None, *pullback(gradient)


label_conv_cpu.defvjp(_cpu_forward, _cpu_backward)


class LabelConv(nn.Module):
    """KxK reflection-padded convolution of concat(one-hot labels, picture).

    labels integer [B, H, W] in [0, classes), picture [B, H, W, C] -> [B, H, W, features]. One kernel
    [K, K, classes + C, features], labels first, exactly as if the two had been concatenated.
    method: "dense", "lookup", or "auto", which takes the faster one measured for the platform lowered for.
    """

    features: int
    classes: int
    kernel_size: int = 7
    method: str = "auto"
    dtype: Dtype = jnp.float32

    @nn.compact
    def __call__(self, labels: jax.Array, picture: jax.Array) -> jax.Array:
        size = self.kernel_size
        shape = (size, size, self.classes + picture.shape[-1], self.features)
        kernel = self.param("kernel", normal_init, shape).astype(self.dtype)
        bias = self.param("bias", nn.initializers.zeros, (self.features,)).astype(self.dtype)
        labels = pad(labels, size // 2, "reflect")
        picture = pad(picture.astype(self.dtype), size // 2, "reflect")
        if self.method == "auto":
            y = jax.lax.platform_dependent(
                labels, picture, kernel, cpu=label_conv_cpu, default=label_conv_dense
            )
        elif self.method == "dense":
            y = label_conv_dense(labels, picture, kernel)
        elif self.method == "lookup":
            y = label_conv_lookup(labels, picture, kernel)
        else:
            raise ValueError(f'label_conv must be "auto", "dense" or "lookup", not {self.method!r}')
        return y + bias
