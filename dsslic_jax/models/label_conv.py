"""A convolution over concat(one-hot labels, picture) that need not build the one-hot channels.

A KxK convolution of a one-hot map is a sum of K*K table look-ups: output(y, x) = sum over taps of
kernel[tap, label(y + tap)]. With 151 classes that is about 150 times fewer operations than the dense form. Its weight
gradient is, of each tap, the sum of the gradient over the pixels of each class.
"""

from collections.abc import Iterable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from dsslic_jax.models.convolution import by_platform, valid_conv
from dsslic_jax.models.layers import Conv, Dtype, Norm, normal_init, pad

# Fewest classes for which the look-up is the faster form on CPU, forwards and with backwards
# (benchmarks/label_conv.py). Accelerators get the dense form: gathers waste their matrix units.
LOOKUP_MIN_CLASSES = 16
_BAND = 16  # rows summed at a time


@jax.custom_vjp
def one_hot_conv_lookup(labels: jax.Array, kernel: jax.Array) -> jax.Array:
    """VALID convolution of one-hot [B, H, W] labels with [kh, kw, K, O], by look-up; ids beyond K are no class."""
    taps, _, classes, features = kernel.shape
    table = jnp.pad(kernel, ((0, 0), (0, 0), (0, 1), (0, 0))).reshape(-1, classes + 1, features)
    known = _known(labels, classes)
    height, width = (side - taps + 1 for side in labels.shape[1:])

    def add(tap: jax.Array, total: jax.Array) -> jax.Array:
        seen = _seen_through(known, tap, taps)
        return total + table[tap].at[seen].get(mode="promise_in_bounds")

    # A loop: of a sum written out XLA on CPU looks all up again for each use of the result.
    nothing = jnp.zeros((labels.shape[0], height, width, features), kernel.dtype)
    return jax.lax.fori_loop(0, taps * taps, add, nothing)


def _known(labels: jax.Array, classes: int) -> jax.Array:
    """Labels as int32, with `classes` in place of every other id."""
    return jnp.where((labels >= 0) & (labels < classes), labels.astype(jnp.int32), classes)


def _seen_through(labels: jax.Array, tap: jax.Array, taps: int) -> jax.Array:
    """The label map as tap number `tap` of taps x taps sees it: [B, H - taps + 1, W - taps + 1]."""
    batch, height, width = labels.shape
    size = (batch, height - taps + 1, width - taps + 1)
    return jax.lax.dynamic_slice(labels, (0, tap // taps, tap % taps), size)


def _lookup_forward(labels: jax.Array, kernel: jax.Array) -> tuple[jax.Array, Any]:
    return one_hot_conv_lookup(labels, kernel), (labels, kernel)


def _lookup_backward(saved: Any, gradient: jax.Array) -> tuple[None, jax.Array]:
    """Of each tap: the sum of the gradient over the pixels of each class, band by band, which keeps it precise."""
    labels, kernel = saved
    taps, _, classes, features = kernel.shape
    batch, height = gradient.shape[:2]
    known = _known(labels, classes)
    bands = -(-batch * height // _BAND)
    band = (jnp.arange(batch * height) // _BAND).reshape(batch, height, 1) * (classes + 1)
    gradient = gradient.reshape(-1, features)

    def sums(tap: jax.Array) -> jax.Array:
        seen = band + _seen_through(known, tap, taps)
        found = jax.ops.segment_sum(gradient, seen.reshape(-1), bands * (classes + 1))
        return found.reshape(bands, classes + 1, features).sum(0)[:classes]

    found = jax.lax.map(sums, jnp.arange(taps * taps))
    return None, found.reshape(kernel.shape).astype(kernel.dtype)


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
        forms = {"dense": label_conv_dense, "lookup": label_conv_lookup}
        if self.method == "auto":
            on_cpu = forms["lookup" if self.classes >= LOOKUP_MIN_CLASSES else "dense"]
            y = by_platform(labels, picture, kernel, cpu=on_cpu, default=label_conv_dense)
        elif self.method in forms:
            y = forms[self.method](labels, picture, kernel)
        else:
            raise ValueError(f'label_conv must be "auto", "dense" or "lookup", not {self.method!r}')
        return y + bias


def halving_layers(
    network: Any, labels: jax.Array, picture: jax.Array, wider: Iterable[int], train: bool
) -> jax.Array:
    """What CompNet and FineNet begin with, as layers of `network`, whose fields it follows.

    c7s1-w, then for each of `wider` a convolution of stride 2 to so many times w features, each with norm and ReLU.
    """
    norm, dtype, width = network.norm, network.dtype, network.width
    stem = LabelConv(width, network.classes, method=network.label_conv, dtype=dtype, name="stem")
    y = nn.relu(Norm(norm, name="stem_norm")(stem(labels, picture), train))
    for i, times in enumerate(wider):
        down = Conv(times * width, 3, stride=2, padding=1, dtype=dtype, name=f"down_{i}")
        y = nn.relu(Norm(norm, name=f"down_{i}_norm")(down(y), train))
    return y
