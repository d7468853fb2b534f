"""Structural similarity as a differentiable loss term (Wang et al. 2004)."""

import jax
import jax.numpy as jnp
import numpy as np

WINDOW = 11
SIGMA = 1.5
_BLOCK = 64


def gaussian_window() -> np.ndarray:
    """The 11 taps of the separable Gaussian window, float32, summing to 1."""
    offsets = np.arange(WINDOW) - WINDOW // 2
    taps = np.exp(-(offsets**2) / (2 * SIGMA**2)).astype(np.float32)
    return taps / taps.sum()


def local_mean(x: jax.Array) -> jax.Array:
    """Gaussian mean of [B, H, W, C], each channel by itself, without padding."""
    batch, height, width, channels = x.shape
    y = x.transpose(0, 3, 1, 2).reshape(batch * channels, height, width)
    y = _mean_along_rows(_mean_along_rows(y).swapaxes(1, 2)).swapaxes(1, 2)
    return y.reshape(batch, channels, *y.shape[1:]).transpose(0, 2, 3, 1)


def _mean_along_rows(x: jax.Array) -> jax.Array:
    """[N, H, W] -> [N, H - 10, W].

    As products with a band of the window, _BLOCK results at a time: convolutions of one feature are ten times slower.
    """
    images, height, width = x.shape
    made, halo = height - WINDOW + 1, WINDOW - 1
    count = -(-made // _BLOCK)
    x = jnp.pad(x, ((0, 0), (0, (count + 1) * _BLOCK - height), (0, 0)))
    blocks = x.reshape(images, count + 1, _BLOCK, width)
    seen = jnp.concatenate([blocks[:, :-1], blocks[:, 1:, :halo]], axis=2)
    band = np.stack([np.roll(np.pad(gaussian_window(), (0, _BLOCK - 1)), i) for i in range(_BLOCK)])
    y = jnp.einsum("oi,nkiw->nkow", band, seen, precision="highest")
    return y.reshape(images, count * _BLOCK, width)[:, :made]


def ssim(x: jax.Array, y: jax.Array) -> jax.Array:
    """Mean of I(x, y) C(x, y) S(x, y) over [B, H, W, C] pictures, C1 = 0.01**2 and C2 = 0.03**2.

    With the usual C3 = C2 / 2 the contrast and structure terms multiply to
    (2 cov + C2) / (var_x + var_y + C2), which needs no square root and so has a finite gradient on flat
    patches. Pictures at least 11 pixels high and wide; the range is the caller's.
    """
    c1, c2 = 0.01**2, 0.03**2
    mean_x, mean_y = local_mean(x), local_mean(y)
    var_x = local_mean(x * x) - mean_x**2
    var_y = local_mean(y * y) - mean_y**2
    covariance = local_mean(x * y) - mean_x * mean_y
    luminance = (2 * mean_x * mean_y + c1) / (mean_x**2 + mean_y**2 + c1)
    contrast_structure = (2 * covariance + c2) / (var_x + var_y + c2)
    return jnp.mean(luminance * contrast_structure)
