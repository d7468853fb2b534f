"""How good a decoded picture is: every metric by its name."""

import math
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from dsslic_jax import metrics

Metric = Callable[[np.ndarray, np.ndarray], float]  # of two uint8 [H, W, 3]; nan where undefined

METRICS: dict[str, Metric] = {
    "psnr_rgb_db": metrics.psnr_rgb_db,
    "psnr_channel_mean_db": metrics.psnr_channel_mean_db,
    "psnr_y_db": metrics.psnr_y_db,
    "ssim": metrics.ssim,
    "ssim_y": metrics.ssim_y,
    "ms_ssim": metrics.ms_ssim,
    "ms_ssim_y": metrics.ms_ssim_y,
}


def load_metrics(lpips_weights: Path | None = None) -> dict[str, Metric]:
    """METRICS, and "lpips" where its weights are given. Raises ModelError where those cannot be used."""
    if lpips_weights is None:
        return METRICS
    from dsslic_jax.system import runtime

    runtime.prepare()
    from dsslic_jax.metrics.lpips import load_lpips

    return {**METRICS, "lpips": load_lpips(lpips_weights)}


def measure_quality(
    picture: np.ndarray, decoded: np.ndarray, with_metrics: Mapping[str, Metric]
) -> dict[str, float | None]:
    """Each metric of two uint8 [H, W, 3] of one size: infinite for what equals, None where undefined."""
    values = {name: metric(picture, decoded) for name, metric in with_metrics.items()}
    return {name: None if math.isnan(value) else value for name, value in values.items()}
