"""Convolutions, norms and resampling that the networks share. NHWC throughout.

Every convolution pads explicitly and then runs VALID, and every transposed convolution runs as a sub-pixel convolution:
XLA lowers both well forwards and backwards on CPU, GPU and TPU, which its padded and dilated forms do not.
"""

import dataclasses
import zlib
from collections.abc import Callable, Collection
from typing import Any, TypeVar

import flax.linen as nn
import flax.traverse_util
import jax
import jax.numpy as jnp
import numpy as np

from dsslic_jax.models.convolution import depth_to_space, fast_conv, valid_conv
from dsslic_jax.settings.fields import Settings, fields_of

Dtype = Any
Made = TypeVar("Made", bound=nn.Module)
INSTANCE_EPS = 1e-5  # added to variances by norm "instance"
normal_init = nn.initializers.normal(0.02)  # pix2pixHD: N(0, 0.02) for every convolution


def pad(x: jax.Array, amount: int, mode: str) -> jax.Array:
    """Pads height and width of [B, H, W] or [B, H, W, C] by `amount`; mode "zero", "reflect" or "edge"."""
    widths = [(0, 0), (amount, amount), (amount, amount)] + [(0, 0)] * (x.ndim - 3)
    return jnp.pad(x, widths, mode="constant" if mode == "zero" else mode)


class Conv(nn.Module):
    """KxK convolution of [B, H, W, I] after explicit padding."""

    features: int
    kernel_size: int
    stride: int = 1
    padding: int = 0
    pad_mode: str = "zero"
    dilation: int = 1
    use_bias: bool = True
    dtype: Dtype = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        shape = (self.kernel_size, self.kernel_size, x.shape[-1], self.features)
        kernel = self.param("kernel", normal_init, shape)
        x = pad(x.astype(self.dtype), self.padding, self.pad_mode)
        y = fast_conv(x, kernel.astype(self.dtype), self.stride, self.dilation)
        if self.use_bias:
            y += self.param("bias", nn.initializers.zeros, (self.features,)).astype(self.dtype)
        return y


class UpConv(nn.Module):
    """3x3 transposed convolution, stride 2, padding 1, output padding 1: [B, H, W, I] -> [B, 2H, 2W, O].

    Output row 2m sees input row m through kernel row 1; row 2m+1 sees row m through kernel row 2 and row m+1 through
    kernel row 0 (PyTorch's ConvTranspose2d). So it is one 2x2 convolution to four times the features, interleaved. The
    kernel is stored as [3, 3, I, O] in the transposed convolution's own order.
    """

    features: int
    dtype: Dtype = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        shape = (3, 3, x.shape[-1], self.features)
        kernel = self.param("kernel", normal_init, shape).astype(self.dtype)
        bias = self.param("bias", nn.initializers.zeros, (self.features,)).astype(self.dtype)
        zero = jnp.zeros_like(kernel[0])
        rows = {0: (kernel[1], zero), 1: (kernel[2], kernel[0])}  # phase -> taps on rows m, m+1
        phases = []
        for row_phase in (0, 1):
            taps = jnp.stack(rows[row_phase])  # [2, 3 (columns), I, O]
            blank = jnp.zeros_like(taps[:, 0])
            phases.append(jnp.stack([taps[:, 1], blank], axis=1))
            phases.append(jnp.stack([taps[:, 2], taps[:, 0]], axis=1))
        x = jnp.pad(x.astype(self.dtype), ((0, 0), (0, 1), (0, 1), (0, 0)))
        return depth_to_space(valid_conv(x, jnp.concatenate(phases, axis=-1))) + bias


class Norm(nn.Module):
    """Norm "instance" (no affine, INSTANCE_EPS), "group" (up to 8 groups, affine), "batch" or "none", in float32.

    "batch" (affine) takes the statistics of the whole batch, over all devices, in training, and their running average
    afterwards: its output then depends on nothing else in the picture. Training needs `mutable=["batch_stats"]`.
    The variance is taken in two passes: the one-pass form loses precision where |mean| >> std.
    """

    kind: str = "instance"

    @nn.compact
    def __call__(self, x: jax.Array, train: bool = False) -> jax.Array:
        if self.kind == "none":
            return x
        if self.kind == "instance":
            wide = x.astype(jnp.float32)
            centred = wide - wide.mean((1, 2), keepdims=True)
            variance = jnp.square(centred).mean((1, 2), keepdims=True)
            return (centred * jax.lax.rsqrt(variance + INSTANCE_EPS)).astype(x.dtype)
        if self.kind == "group":
            groups = max(g for g in range(1, 9) if x.shape[-1] % g == 0)
            norm: nn.Module = nn.GroupNorm(groups, use_fast_variance=False, dtype=jnp.float32)
        elif self.kind == "batch":
            # Under jit on a sharded batch these are the statistics of the global batch.
            norm = nn.BatchNorm(not train, use_fast_variance=False, dtype=jnp.float32)
        else:
            names = '"instance", "group", "batch" or "none"'
            raise ValueError(f"norm must be {names}, not {self.kind!r}")
        return norm(x).astype(x.dtype)


def upsample_bilinear(
    x: jax.Array,
    factor: int,
    align_corners: bool = False,
    rows: tuple[jax.Array, int] | None = None,
) -> jax.Array:
    """[B, h, w, C] -> [B, factor*h, factor*w, C], bilinear; of `rows` (first, how many) only those.

    Half-pixel centres by default; `align_corners` maps corner to corner instead, the only mode of the
    authors' PyTorch 0.3 (the `reference` choice).
    """
    batch, height, width, channels = x.shape
    shape = (batch, factor * height, factor * width, channels)
    if not align_corners and rows is None:
        return jax.image.resize(x, shape, "bilinear")
    scale, translation = jnp.full(2, float(factor)), jnp.zeros(2)
    if align_corners:
        # A single row or column has no second corner.
        scales = [(factor * n - 1) / (n - 1) if n > 1 else float(factor) for n in (height, width)]
        scale, corner = jnp.array(scales), jnp.array([height > 1, width > 1])
        translation = jnp.where(corner, 0.5 * (1.0 - scale), 0.0)
    if rows is not None:
        first, count = rows
        shape, translation = (batch, count, *shape[2:]), translation.at[0].add(-first)
    return jax.image.scale_and_translate(
        x, shape, (1, 2), scale, translation, "bilinear", antialias=False
    )


def he_std(shape: tuple[int, ...]) -> float:
    """Standard deviation sqrt(2 / fan-in) (He et al. 2015) of a [kh, kw, I, O] kernel."""
    return float(np.sqrt(2.0 / np.prod(shape[:-1])))


def built(module: type[Made], settings: Settings, **others: Any) -> Made:
    """A module whose fields are the settings of the same names, and `others`."""
    known = {field.name for field in dataclasses.fields(module)}
    told = [field.name for field in fields_of(type(settings)) if field.name in known]
    values = {name: getattr(settings, name) for name in told}
    return module(**{**values, "dtype": jnp.dtype(values["dtype"]), **others})


def parameter_shapes(module: nn.Module, *inputs: jax.ShapeDtypeStruct) -> dict[str, Any]:
    """The shapes of a module's parameters by their names in it, such as "stem/kernel"."""
    made = jax.eval_shape(module.init, jax.random.key(0), *inputs)["params"]
    flat = flax.traverse_util.flatten_dict(made, sep="/")
    return {name: leaf.shape for name, leaf in flat.items()}


def init_params(
    module: nn.Module,
    seed: int,
    *inputs: Any,
    kernel_std: Callable[[tuple[int, ...]], float] = lambda shape: 0.02,
    silent: Collection[str] = (),
    **kwargs: Any,
) -> dict[str, Any]:
    """Variables of `module`: kernels N(0, kernel_std), scales and variances 1, all else 0, so the `silent` layers.

    Each leaf draws from a NumPy generator seeded by (seed, path), so weights do not depend on the device or on the
    order of creation, and nothing is compiled. `inputs` may be jax.ShapeDtypeStruct.
    """
    shapes = jax.eval_shape(lambda *a: module.init(jax.random.key(0), *a, **kwargs), *inputs)

    def leaf(path: Any, spec: jax.ShapeDtypeStruct) -> np.ndarray:
        name = jax.tree_util.keystr(path)
        kind = path[-1].key
        if kind == "kernel" and path[-2].key not in silent:
            rng = np.random.default_rng([seed, zlib.crc32(name.encode())])
            return (kernel_std(spec.shape) * rng.standard_normal(spec.shape)).astype(np.float32)
        fill = 1.0 if kind in ("scale", "var") else 0.0
        return np.full(spec.shape, fill, np.float32)

    return jax.tree_util.tree_map_with_path(leaf, shapes)
