"""Means, the terminal table and the plot."""

import io
import math
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from dsslic_jax.evaluate.measuring.store import Measurement
from dsslic_jax.evaluate.protocols import PROTOCOLS
from dsslic_jax.evaluate.tables.means import csv_bytes, means
from dsslic_jax.evaluate.tables.plot import rate_distortion_png
from dsslic_jax.evaluate.tables.text import format_means

FAIR, PAPER = PROTOCOLS["fair"], PROTOCOLS["paper"]
A = Measurement(
    picture="a",
    sha256="",
    width=10,
    height=10,
    codec="dsslic",
    version="",
    setting=50,
    model="01fe",
    labels="none",
    labels_sha256=None,
    layer="c",
    prefix_bytes=150,
    layers={"header": 50, "c": 100, "r1": 250},
    stream="",
    encode_s=1.0,
    decode_s=0.5,
    metrics={
        "psnr_rgb_db": 20.0,
        "psnr_channel_mean_db": 20.5,
        "psnr_upsampled_rgb_db": 19.0,
        "ms_ssim": None,
    },
)
B = replace(
    A,
    picture="b",
    width=40,
    prefix_bytes=350,
    layers={"header": 50, "c": 300, "r1": 50},
    encode_s=2.0,
    metrics={
        "psnr_rgb_db": 30.0,
        "psnr_channel_mean_db": 30.5,
        "psnr_upsampled_rgb_db": 25.0,
        "ms_ssim": 0.9,
    },
)
JPEG = replace(
    A,
    codec="jpeg",
    setting=75,
    labels=None,
    layer="whole",
    prefix_bytes=200,
    layers=None,
    metrics={"psnr_rgb_db": 28.5, "psnr_channel_mean_db": 29.0, "ms_ssim": None},
)


def test_means_weigh_pictures_alike_whatever_their_size() -> None:
    dsslic, jpeg = means([A, B, JPEG])
    assert (dsslic.pictures, dsslic.layer_bytes) == (2, 200.0)
    assert dsslic.layer_share == (100 / 400 + 300 / 400) / 2
    assert dsslic.bits_per_pixel == pytest.approx((8 * 150 / 100 + 8 * 350 / 400) / 2)
    assert dsslic.bits_per_sample == pytest.approx(dsslic.bits_per_pixel / 3)
    assert (dsslic.encode_s, dsslic.decode_s) == (1.5, 0.5)
    assert dsslic.metrics["psnr_rgb_db"] == 25.0
    assert dsslic.metrics["psnr_upsampled_rgb_db"] == 22.0
    assert (dsslic.metrics["ms_ssim"], dsslic.metric_pictures["ms_ssim"]) == (0.9, 1)
    assert not dsslic.is_last_layer and jpeg.is_last_layer
    assert (jpeg.pictures, jpeg.metrics["ms_ssim"], jpeg.layer_share) == (1, None, 1.0)


def test_one_lossless_picture_makes_the_mean_infinite() -> None:
    lossless = replace(JPEG, picture="b", metrics={"psnr_rgb_db": math.inf})
    (mean,) = means([JPEG, lossless])
    assert mean.metrics["psnr_rgb_db"] == math.inf


def test_names_that_a_spreadsheet_would_run_are_marked_as_text() -> None:
    rows = [{"picture": name, "psnr": -1.5} for name in ("=1+1", "-a", "@a", "+a", "a=")]
    assert csv_bytes(rows).decode().splitlines()[1:] == [
        *("'=1+1,-1.5", "'-a,-1.5", "'@a,-1.5", "'+a,-1.5", "a=,-1.5"),
    ]


def test_the_table_is_aligned_and_names_protocol_and_undefined_values() -> None:
    rows = means([A, B, JPEG])
    assert format_means(rows, FAIR).splitlines() == [
        "protocol fair, mean over 2 pictures",
        "codec        setting  layer  bytes  share  bits/pixel  PSNR dB  MS-SSIM  up(c) dB  encode s  decode s",
        "dsslic:none       50      c    200    50%      9.5000    25.00   0.9000     22.00     1.500     0.500",
        "jpeg              75  whole    200   100%     16.0000    28.50        -         -     1.000     0.500",
    ]
    lines = format_means(rows[1:], PAPER).splitlines()
    assert lines[0] == "protocol paper, mean over 1 picture"
    assert lines[1].split()[5] == "bits/sample"
    assert lines[2].split()[5:7] == ["5.3333", "29.00"]


@pytest.mark.parametrize("lines", [[A, B, JPEG], [JPEG]])
def test_the_plot_is_a_picture_with_something_drawn_on_it(lines: list[Measurement]) -> None:
    with Image.open(io.BytesIO(rate_distortion_png(means(lines), FAIR))) as image:
        assert image.format == "PNG" and image.width > image.height > 300
        assert len(np.unique(np.array(image.convert("RGB")).reshape(-1, 3), axis=0)) > 10
