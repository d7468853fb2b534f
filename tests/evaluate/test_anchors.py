"""The published curves that travel with the package."""

import json
from pathlib import Path

import pytest

from dsslic_jax.evaluate.tables.anchors import poster_points, published_curves

ORIGINS = {
    "bpg-444": "bpg_444_x265_ycbcr",
    "vtm": "vtm",
    "jpeg-420": "jpeg",
    "jpeg-2000": "jpeg2000",
    "webp": "webp",
    "mbt2018": "compressai-mbt2018_mse_cuda",
    "cheng2020-anchor": "compressai-cheng2020-anchor_mse_cuda",
}


@pytest.mark.parametrize("name", ORIGINS)
def test_a_published_curve_names_its_source_and_gains_with_every_bit(name: str) -> None:
    curve = published_curves()[name]
    assert curve.source.endswith(f"/{ORIGINS[name]}.json")
    assert curve.licence == "BSD-3-Clause-Clear"
    columns = (curve.bits_per_pixel, curve.psnr_rgb_db, curve.ms_ssim)
    assert len({len(column) for column in columns}) == 1
    for column in columns:
        assert list(column) == sorted(set(column))


def test_published_curves_are_those_of_their_sources(shared_data: Path) -> None:
    path = shared_data.parent / "anchors" / "kodak_rd.json"
    if not path.is_file():
        pytest.skip("no published curves beside the pictures")
    theirs = json.loads(path.read_text())
    curves = published_curves()
    assert set(curves) == set(ORIGINS)
    for name, curve in curves.items():
        points = sorted(theirs[f"compressai/{ORIGINS[name]}"], key=lambda point: point["bpp"])
        assert list(curve.bits_per_pixel) == [point["bpp"] for point in points]
        assert list(curve.psnr_rgb_db) == [point["psnr_rgb_dB"] for point in points]
        assert list(curve.ms_ssim) == [point["ms_ssim"] for point in points]


def test_the_poster_s_own_point_is_there() -> None:
    points = poster_points()
    assert set(points) == {"dsslic", "bpg", "webp", "jpeg-2000", "jpeg"}
    dsslic = points["dsslic"]
    assert (dsslic.bits_per_sample, dsslic.psnr_db, dsslic.ms_ssim) == (0.69, 32.54, 0.982)
    assert all(point.psnr_db < dsslic.psnr_db for point in points.values() if point is not dsslic)
