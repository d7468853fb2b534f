"""Means, the terminal table and the files of a report."""

from __future__ import annotations

import io
import math

import numpy as np
import pytest
from PIL import Image

from dsslic_jax.evaluate.plot import rate_distortion_png
from dsslic_jax.evaluate.report import Row, format_table, mean_rows

ROWS = [
    Row("a", 10, 10, "dsslic", 50, "c", 100, 150, 20.0, 19.0, None),
    Row("b", 40, 10, "dsslic", 50, "c", 300, 350, 30.0, 25.0, 0.9),
    Row("a", 10, 10, "jpeg-444", 75, "whole", 200, 200, 28.5),
]


def test_means_weigh_pictures_alike_whatever_their_size() -> None:
    dsslic, jpeg = mean_rows(ROWS)
    assert (dsslic.pictures, dsslic.layer_bytes) == (2, 200.0)
    assert dsslic.bits_per_pixel == pytest.approx((8 * 150 / 100 + 8 * 350 / 400) / 2)
    assert (dsslic.psnr_rgb_db, dsslic.psnr_upsampled_rgb_db) == (25.0, 22.0)
    assert (dsslic.ms_ssim, dsslic.ms_ssim_pictures) == (0.9, 1)
    assert (jpeg.pictures, jpeg.ms_ssim, jpeg.ms_ssim_pictures) == (1, None, 0)


def test_one_lossless_picture_makes_the_mean_infinite() -> None:
    rows = [ROWS[2], Row("b", 10, 10, "jpeg-444", 75, "whole", 200, 200, math.inf)]
    assert mean_rows(rows)[0].psnr_rgb_db == math.inf


def test_the_table_is_aligned_and_names_protocol_and_undefined_values() -> None:
    assert format_table(mean_rows(ROWS)).splitlines() == [
        "protocol fair: bits per pixel of the whole file, mean over 2 pictures",
        "codec     setting  layer  bytes  bits/pixel  PSNR dB  MS-SSIM  up(c) dB",
        "dsslic         50      c    200      9.5000    25.00   0.9000     22.00",
        "jpeg-444       75  whole    200     16.0000    28.50        -         -",
    ]


@pytest.mark.parametrize("rows", [ROWS, ROWS[2:]])
def test_the_plot_is_a_picture_with_something_drawn_on_it(rows: list[Row]) -> None:
    with Image.open(io.BytesIO(rate_distortion_png(mean_rows(rows)))) as image:
        assert image.format == "PNG" and image.width > image.height > 300
        assert len(np.unique(np.array(image.convert("RGB")).reshape(-1, 3), axis=0)) > 10
