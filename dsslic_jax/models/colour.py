"""RGB and full-range BT.601 YCbCr ("JPEG" colours), for float pictures in the range that the networks see.

With every plane in [-1, 1] and neutral chroma at 0, both ways are linear without an offset. In 8 bits JPEG puts
neutral chroma at 128, `to_pixels` at 127.5: chroma planes stored by the two differ by half a level.
"""

import jax
import jax.numpy as jnp

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
