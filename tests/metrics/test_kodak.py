"""Rate, PSNR and MS-SSIM together, against figures that somebody else published."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dsslic_jax.metrics import bits_per_pixel, ms_ssim, psnr_rgb_db


def test_published_kodak_figures_of_jpeg_are_met(shared_data: Path) -> None:
    """Mean over Kodak of JPEG 4:2:0 at quality 50 as TensorFlow Compression published it.

    Another JPEG library and another MS-SSIM; the same protocol, whole files and mean of dB.
    """
    published = {"bpp": 0.880909, "psnr_rgb_db": 32.143332, "ms_ssim": 0.97671}
    measured = []
    for path in sorted((shared_data / "kodak" / "test" / "images").glob("*.png")):
        file = io.BytesIO()
        with Image.open(path) as picture:
            x = np.array(picture)
        Image.fromarray(x).save(file, "JPEG", quality=50, subsampling="4:2:0", optimize=True)
        rate = bits_per_pixel(len(file.getvalue()), x.shape[0], x.shape[1])
        with Image.open(file) as decoded:
            y = np.array(decoded)
        measured.append((rate, psnr_rgb_db(x, y), ms_ssim(x, y)))
    assert len(measured) == 24
    rate, psnr, similarity = np.mean(measured, axis=0)
    assert rate == pytest.approx(published["bpp"], rel=0.02)
    assert psnr == pytest.approx(published["psnr_rgb_db"], abs=0.05)
    assert similarity == pytest.approx(published["ms_ssim"], abs=0.0005)
