"""Between 8-bit pixels and the range [-1, 1] that the networks see."""

import jax
import jax.numpy as jnp

IMAGENET_MEAN = (0.485, 0.456, 0.406)  # of ImageNet's pictures in [0, 1], R, G and B
IMAGENET_STD = (0.229, 0.224, 0.225)


def to_network(pixels: jax.Array) -> jax.Array:
    """uint8 pixels -> float32 in [-1, 1]; float arrays are taken to be in that range already."""
    if pixels.dtype == jnp.uint8:
        return pixels.astype(jnp.float32) / 127.5 - 1.0
    return pixels.astype(jnp.float32)


def to_pixels(values: jax.Array) -> jax.Array:
    """Floats -> uint8: clipped to [-1, 1], scaled and rounded to the nearest grey level."""
    scaled = (jnp.clip(values.astype(jnp.float32), -1.0, 1.0) + 1.0) * 127.5
    return jnp.round(scaled).astype(jnp.uint8)


def round_to_8_bits(values: jax.Array) -> jax.Array:
    """The values that survive 8-bit storage, with the gradient of the identity (straight-through)."""
    stored = to_network(to_pixels(values))
    return values + jax.lax.stop_gradient(stored - values)


def to_imagenet(values: jax.Array) -> jax.Array:
    """[..., 3] in [-1, 1] -> what networks trained on ImageNet see: mean 0 and deviation 1 over its pictures."""
    return ((values + 1.0) / 2.0 - jnp.array(IMAGENET_MEAN)) / jnp.array(IMAGENET_STD)
