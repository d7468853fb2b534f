"""Rate and quality of decoded pictures, agreement of label maps, and curves of one against the other.

The ground floor of the evaluation: whole arrays of one picture go in, a number comes out. Wrong types and shapes are
refused with a ValueError, so that a silent cast or broadcast can never produce a number. LPIPS, which needs JAX and a
file of weights, is not imported here: see `dsslic_jax.metrics.lpips`.
"""

from dsslic_jax.metrics.bd_rate import Difference, bd_psnr_db, bd_rate_percent
from dsslic_jax.metrics.label_maps import confusion_matrix, mean_iou
from dsslic_jax.metrics.psnr import mean_squared_error, psnr_channel_mean_db, psnr_rgb_db, psnr_y_db
from dsslic_jax.metrics.rate import bits_per_pixel, bits_per_sample
from dsslic_jax.metrics.similarity import (
    MS_SSIM_WEIGHTS,
    ms_ssim,
    ms_ssim_y,
    similarity_db,
    ssim,
    ssim_terms,
    ssim_y,
)

__all__ = [
    "MS_SSIM_WEIGHTS",
    "Difference",
    "bd_psnr_db",
    "bd_rate_percent",
    "bits_per_pixel",
    "bits_per_sample",
    "confusion_matrix",
    "mean_iou",
    "mean_squared_error",
    "ms_ssim",
    "ms_ssim_y",
    "psnr_channel_mean_db",
    "psnr_rgb_db",
    "psnr_y_db",
    "similarity_db",
    "ssim",
    "ssim_terms",
    "ssim_y",
]
