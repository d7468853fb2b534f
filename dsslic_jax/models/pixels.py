"""Pictures as networks see them: between 8-bit pixels and [-1, 1], and between RGB and YCbCr.

YCbCr is full-range BT.601 ("JPEG" colours), of float pictures. With every plane in [-1, 1] and neutral chroma at 0,
both ways are linear without an offset. In 8 bits JPEG puts neutral chroma at 128, `to_pixels` at 127.5: chroma planes
stored by the two differ by half a level.
"""

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


RED, BLUE = 0.299, 0.114  # luma weights of ITU-R BT.601
GREEN = 1.0 - RED - BLUE


def from_rgb(picture: jax.Array, colour: str) -> jax.Array:
    """RGB [..., 3] -> planes [..., 3] of `colour`, "rgb" or "ycbcr" (order Y, Cb, Cr); [-1, 1] stays [-1, 1]."""
    if not _is_ycbcr(colour):
        return picture
    red, green, blue = (picture[..., i] for i in range(3))
    luma = RED * red + GREEN * green + BLUE * blue
    cb, cr = (blue - luma) / (2 * (1 - BLUE)), (red - luma) / (2 * (1 - RED))
    return jnp.stack([luma, cb, cr], axis=-1)


def to_rgb(planes: jax.Array, colour: str) -> jax.Array:
    """The inverse of `from_rgb`. Not clipped: most of the cube of YCbCr lies outside RGB's."""
    if not _is_ycbcr(colour):
        return planes
    luma, cb, cr = (planes[..., i] for i in range(3))
    red, blue = luma + 2 * (1 - RED) * cr, luma + 2 * (1 - BLUE) * cb
    return jnp.stack([red, (luma - RED * red - BLUE * blue) / GREEN, blue], axis=-1)


def _is_ycbcr(colour: str) -> bool:
    if colour not in ("rgb", "ycbcr"):
        raise ValueError(f'colour must be "rgb" or "ycbcr", not {colour!r}')
    return colour == "ycbcr"
