"""Between 8-bit pixels and the range [-1, 1] that the networks see."""

from __future__ import annotations

import jax
import jax.numpy as jnp


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
