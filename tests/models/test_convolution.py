"""The forms that CPUs run faster are the same functions, and are taken on CPUs alone."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dsslic_jax.models.convolution import (
    accelerator_forms,
    conv_in_blocks,
    fast_conv,
    valid_conv,
)


def drawn(height: int, width: int, size: int, results: int) -> tuple[jax.Array, jax.Array]:
    """A picture [2, height, width, 3] and a kernel [size, size, 3, results]."""
    rng = np.random.default_rng([height, width, size])
    picture = rng.standard_normal((2, height, width, 3))
    kernel = rng.standard_normal((size, size, 3, results))
    return jnp.asarray(picture, jnp.float32), jnp.asarray(kernel, jnp.float32)


def with_gradients(form: Any, picture: jax.Array, kernel: jax.Array) -> list[np.ndarray]:
    """What a form makes of them, and the gradients of a function of it in both."""
    made, pullback = jax.vjp(form, picture, kernel)
    return [np.asarray(array) for array in (made, *pullback(jnp.cos(made)))]


# (height, width) padded already, kernel's side, stride; strides of two leave a row and column unseen, or see all.
CASES = [((14, 18), 7, 1), ((10, 8), 3, 1), ((18, 22), 3, 2), ((17, 21), 3, 2), ((20, 16), 4, 2)]


@pytest.mark.parametrize(("size", "side", "stride"), CASES)
def test_blocks_are_the_same_function_with_the_same_gradients(
    size: tuple[int, int], side: int, stride: int
) -> None:
    picture, kernel = drawn(*size, side, results=3)
    expected = with_gradients(partial(valid_conv, stride=stride), picture, kernel)
    for form in (conv_in_blocks, fast_conv):
        for got, wanted in zip(
            with_gradients(partial(form, stride=stride), picture, kernel), expected, strict=True
        ):
            # Of sums of hundreds of products; their order, and so the last digits, is the processor's.
            np.testing.assert_allclose(got, wanted, atol=2e-4)


def test_results_of_odd_sides_take_the_plain_form() -> None:
    picture, kernel = drawn(15, 14, 7, results=3)
    got = fast_conv(picture, kernel)
    np.testing.assert_allclose(got, valid_conv(picture, kernel), atol=1e-4)


@pytest.mark.parametrize("stride", [1, 2])
def test_only_cpus_are_given_blocks(stride: int) -> None:
    picture, kernel = drawn(18, 18, 3, results=3)

    def gradient(kernel: jax.Array) -> jax.Array:
        return jnp.sum(fast_conv(picture, kernel, stride) ** 2)

    def lowered() -> str:
        return str(jax.jit(jax.grad(gradient)).lower(kernel).as_text())

    blocks = "x12x"  # four pixels of three samples are one position
    assert blocks in lowered()
    with accelerator_forms():
        assert blocks not in lowered()
    assert blocks in lowered()
