"""Layers against independent forms: dense convolutions, SciPy, hand-worked numbers."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import ndimage, signal

from dsslic_jax.models import layers
from dsslic_jax.models.convolution import valid_conv
from dsslic_jax.models.label_conv import LabelConv, one_hot_conv_lookup
from dsslic_jax.models.pixels import round_to_8_bits, to_network, to_pixels

RNG = np.random.default_rng(5)


def test_conv_is_a_correlation_after_reflection_padding() -> None:
    x = RNG.standard_normal((1, 9, 7, 1)).astype(np.float32)
    kernel = RNG.standard_normal((3, 3, 1, 1)).astype(np.float32)
    module = layers.Conv(1, 3, padding=1, pad_mode="reflect")
    y = module.apply({"params": {"kernel": kernel, "bias": np.zeros(1, np.float32)}}, x)
    expected = ndimage.correlate(x[0, :, :, 0], kernel[:, :, 0, 0], mode="mirror")
    np.testing.assert_allclose(y[0, :, :, 0], expected, atol=1e-5)


def test_up_conv_spreads_each_input_over_its_three_by_three_kernel() -> None:
    # A transposed convolution adds kernel * x[i, j] at rows 2i - 1 … 2i + 1 and the same columns.
    x = RNG.standard_normal((1, 4, 5, 1)).astype(np.float32)
    kernel = RNG.standard_normal((3, 3, 1, 1)).astype(np.float32)
    spread = np.zeros((9, 11))
    stretched = np.zeros((7, 9))
    stretched[::2, ::2] = x[0, :, :, 0]
    spread[:9, :11] = signal.convolve2d(stretched, kernel[:, :, 0, 0])
    expected = np.zeros((8, 10))
    expected[:8, :10] = spread[1:9, 1:11]
    params = {"kernel": kernel, "bias": np.zeros(1, np.float32)}
    y = layers.UpConv(1).apply({"params": params}, x)
    np.testing.assert_allclose(y[0, :, :, 0], expected, atol=1e-5)


def test_instance_norm_keeps_its_precision_far_from_zero() -> None:
    x = RNG.standard_normal((2, 16, 16, 3))
    expected = (x - x.mean((1, 2), keepdims=True)) / np.sqrt(x.var((1, 2), keepdims=True) + 1e-5)
    y = layers.Norm("instance").apply({}, jnp.asarray(x + 100.0, jnp.float32))
    np.testing.assert_allclose(y, expected, atol=2e-4)


def test_an_unknown_norm_is_refused() -> None:
    with pytest.raises(ValueError, match="layer"):
        layers.Norm("layer").init(jax.random.key(0), jnp.zeros((1, 2, 2, 1)))


def batch_norm(x: jax.Array, mean: float, var: float, train: bool) -> tuple[jax.Array, dict]:
    """The layer's output, scaled by 2 and moved by 3, and its statistics afterwards, from those given."""
    channels = x.shape[-1:]
    variables = {
        "params": {
            "BatchNorm_0": {"scale": np.full(channels, 2.0), "bias": np.full(channels, 3.0)}
        },
        "batch_stats": {
            "BatchNorm_0": {"mean": np.full(channels, mean), "var": np.full(channels, var)}
        },
    }
    variables = jax.tree.map(jnp.float32, variables)
    y, changed = layers.Norm("batch").apply(variables, x, train, mutable=["batch_stats"])
    return y, changed["batch_stats"]["BatchNorm_0"]


def test_batch_norm_takes_the_batch_s_statistics_in_training_and_the_stored_ones_after() -> None:
    x = 100.0 + RNG.standard_normal((2, 16, 16, 3))
    mean, var = x.mean((0, 1, 2)), x.var((0, 1, 2))
    y, stats = batch_norm(jnp.asarray(x, jnp.float32), mean=7.0, var=5.0, train=True)
    np.testing.assert_allclose(y, 2 * (x - mean) / np.sqrt(var + 1e-5) + 3, atol=4e-4)
    np.testing.assert_allclose(stats["mean"], 0.99 * 7 + 0.01 * mean, rtol=1e-5)
    np.testing.assert_allclose(stats["var"], 0.99 * 5 + 0.01 * var, rtol=1e-5)
    y, stats = batch_norm(jnp.asarray(x, jnp.float32), mean=7.0, var=5.0, train=False)
    np.testing.assert_allclose(y, 2 * (x - 7) / np.sqrt(5 + 1e-5) + 3, rtol=1e-5)
    np.testing.assert_array_equal(stats["mean"], np.full(3, 7.0))


def test_gradients_flow_through_the_statistics_of_a_batch() -> None:
    x = RNG.standard_normal((2, 8, 8, 3))
    weights = RNG.standard_normal(x.shape)
    # By hand, scale 2: 2 / std * (w - mean(w) - y * mean(w y)), y the normalised x.
    std = np.sqrt(x.var((0, 1, 2)) + 1e-5)
    y = (x - x.mean((0, 1, 2))) / std
    expected = weights - weights.mean((0, 1, 2)) - y * (weights * y).mean((0, 1, 2))
    gradient = jax.grad(lambda x: jnp.sum(weights * batch_norm(x, 0.0, 1.0, train=True)[0]))(
        jnp.asarray(x, jnp.float32)
    )
    np.testing.assert_allclose(gradient, 2 / std * expected, atol=1e-5)


def test_corner_aligned_upsampling_keeps_the_corners_and_the_line_between() -> None:
    x = jnp.array([0.0, 7.0]).reshape(1, 1, 2, 1)
    y = layers.upsample_bilinear(x, 4, align_corners=True)
    np.testing.assert_allclose(y[0, :, :, 0], np.tile(np.arange(8.0), (4, 1)), atol=1e-5)


def test_half_pixel_upsampling_repeats_the_edge() -> None:
    x = jnp.array([0.0, 4.0]).reshape(1, 1, 2, 1)
    y = layers.upsample_bilinear(x, 2)
    np.testing.assert_allclose(y[0, 0, :, 0], [0.0, 1.0, 3.0, 4.0], atol=1e-6)


def one_hot_conv_dense(labels: jax.Array, kernel: jax.Array) -> jax.Array:
    return valid_conv(jax.nn.one_hot(labels, kernel.shape[2], dtype=kernel.dtype), kernel)


@pytest.mark.parametrize("classes", [3, 60])
def test_looking_classes_up_is_the_one_hot_convolution(classes: int) -> None:
    labels = RNG.integers(0, classes, (2, 20, 17))
    kernel = RNG.standard_normal((7, 7, classes, 5)).astype(np.float32)
    weights = RNG.standard_normal((2, 14, 11, 5)).astype(np.float32)
    forms = [
        jax.value_and_grad(lambda k, f=f: jnp.sum(f(jnp.asarray(labels), k) * weights))
        for f in (one_hot_conv_dense, one_hot_conv_lookup)
    ]
    np.testing.assert_allclose(
        one_hot_conv_lookup(jnp.asarray(labels), kernel),
        one_hot_conv_dense(jnp.asarray(labels), kernel),
        atol=2e-5,
    )
    (_, dense), (_, lookup) = (form(kernel) for form in forms)
    np.testing.assert_allclose(lookup, dense, atol=1e-4)
    assert np.abs(dense).max() > 1


@pytest.mark.parametrize("classes", [12, 60, 140])  # dense, looked up forwards, looked up both ways
def test_a_label_conv_and_its_gradient_are_the_same_by_every_method(classes: int) -> None:
    labels = jnp.asarray(RNG.integers(0, classes, (1, 16, 16)))
    picture = jnp.asarray(RNG.standard_normal((1, 16, 16, 3)), jnp.float32)
    modules = [LabelConv(4, classes, method=m) for m in ("dense", "lookup", "auto")]
    params = modules[0].init(jax.random.key(1), labels, picture)
    outputs = [jax.jit(m.apply)(params, labels, picture) for m in modules]
    gradients = [
        jax.jit(jax.grad(lambda p, x, m=m: jnp.sum(m.apply(p, labels, x) ** 2), (0, 1)))(
            params, picture
        )
        for m in modules
    ]
    for output, gradient in zip(outputs[1:], gradients[1:], strict=True):
        np.testing.assert_allclose(output, outputs[0], atol=2e-6)
        for ours, expected in zip(
            jax.tree.leaves(gradient), jax.tree.leaves(gradients[0]), strict=True
        ):
            np.testing.assert_allclose(ours, expected, atol=1e-4)
            assert np.abs(expected).max() > 0.1


def test_a_wide_label_conv_is_looked_up_on_cpu_only() -> None:
    module = LabelConv(4, 60)
    labels = jax.ShapeDtypeStruct((1, 16, 16), jnp.int32)
    picture = jax.ShapeDtypeStruct((1, 16, 16, 3), jnp.float32)
    params = jax.eval_shape(module.init, jax.random.key(0), labels, picture)
    traced = jax.jit(module.apply).trace(params, labels, picture)

    def convolves_the_one_hot_map(platform: str) -> bool:
        lines = traced.lower(lowering_platforms=(platform,)).as_text().splitlines()
        return any("stablehlo.convolution" in line and "7x7x63x4x" in line for line in lines)

    assert not convolves_the_one_hot_map("cpu")
    assert convolves_the_one_hot_map("tpu")


def test_pixels_round_to_the_nearest_grey_level_and_back() -> None:
    pixels = np.arange(256, dtype=np.uint8)
    values = to_network(jnp.asarray(pixels))
    assert float(values[0]) == -1.0 and float(values[-1]) == 1.0
    np.testing.assert_array_equal(to_pixels(values + 0.49 / 127.5), pixels)
    assert to_pixels(jnp.array([-1.7, 1.2])).tolist() == [0, 255]


def test_rounding_to_8_bits_passes_gradients_straight_through() -> None:
    x = jnp.array([-0.3, 0.123456, 0.9])
    np.testing.assert_allclose(round_to_8_bits(x), to_network(to_pixels(x)), atol=1e-7)
    np.testing.assert_array_equal(jax.grad(lambda v: round_to_8_bits(v).sum())(x), jnp.ones(3))


def test_initial_weights_follow_the_seed_and_the_path() -> None:
    module, x = layers.Conv(64, 3), jax.ShapeDtypeStruct((1, 8, 8, 32), jnp.float32)
    first, again, other = (layers.init_params(module, seed, x)["params"] for seed in (1, 1, 2))
    np.testing.assert_array_equal(first["kernel"], again["kernel"])
    assert np.abs(first["kernel"] - other["kernel"]).max() > 0.01
    assert abs(first["kernel"].std() - 0.02) < 0.001
    assert not first["bias"].any()
