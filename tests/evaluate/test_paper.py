"""Protocol paper: bits per sample, R, G and B coded one by one, and the mean of their PSNRs."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dsslic_jax.evaluate.request import Request
from dsslic_jax.evaluate.run import evaluate
from tests.evaluate.fake_codec import FakeCodec
from tests.evaluate.folders import read_csv, read_picture


def test_rate_and_quality_of_planes_are_those_worked_out_by_hand(
    images: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    settings = {"jpeg_planes": (50.0,)}
    evaluate(Request(images, run, ("paper",), codecs=("jpeg_planes",), settings=settings, limit=1))
    picture = read_picture(images / "a.png")
    num_bytes, psnrs = 0, []
    for channel in range(3):
        file = io.BytesIO()
        Image.fromarray(picture[..., channel]).save(file, "JPEG", quality=50)
        num_bytes += len(file.getvalue())
        error = np.array(Image.open(file)).astype(float) - picture[..., channel]
        psnrs.append(10 * np.log10(255**2 / np.mean(error**2)))
    (row,) = read_csv(run / "mean.csv")
    assert float(row["layer_bytes"]) == num_bytes
    assert float(row["bits_per_sample"]) == pytest.approx(8 * num_bytes / (163 * 170 * 3))
    assert float(row["psnr_channel_mean_db"]) == pytest.approx(np.mean(psnrs))
    stream = run / "streams" / "jpeg_planes" / "50" / "a.jpg.planes"
    assert stream.stat().st_size == num_bytes + 12


def test_both_protocols_share_one_run_and_what_both_measure(
    images: Path, fake: FakeCodec, tmp_path: Path
) -> None:
    settings = {name: (30.0,) for name in ("jpeg", "bpg", "jpeg_planes", "bpg_rgb", "dsslic")}
    codecs = [*settings]
    report = evaluate(Request(images, tmp_path / "run", ("fair", "paper"), codecs, settings))
    assert len(fake.given) == 2  # pictures
    assert [*report.differences] == ["fair", "paper"]
    for found, anchor in (("fair", "bpg"), ("paper", "bpg_rgb")):
        assert {row.anchor for row in report.differences[found]} == {anchor}
    names = {path.name for path in (tmp_path / "run").iterdir()}
    assert {"rate_distortion_fair.png", "rate_distortion_paper.png"} <= names


# The poster's table on kodim13, which DESIGN reproduces: bits per sample and dB.
@pytest.mark.parametrize(
    ("codec", "setting", "bits_per_sample", "psnr_db"),
    [
        ("jpeg_planes", 18.0, 0.72, 24.77),
        ("jpeg2000_planes", 8 / 0.71, 0.71, 26.71),
        ("webp_planes", 11.0, 0.71, 26.01),
    ],
)
def test_the_posters_figures_come_out(
    shared_data: Path,
    tmp_path: Path,
    codec: str,
    setting: float,
    bits_per_sample: float,
    psnr_db: float,
) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "kodim13.png").symlink_to(
        shared_data / "kodak" / "test" / "images" / "kodim13.png"
    )
    settings = {codec: (setting,)}
    report = evaluate(
        Request(
            tmp_path / "images", tmp_path / "run", ("paper",), codecs=(codec,), settings=settings
        )
    )
    (mean,) = report.means
    assert mean.bits_per_sample == pytest.approx(bits_per_sample, abs=0.02)
    assert mean.metrics["psnr_channel_mean_db"] == pytest.approx(psnr_db, abs=0.2)
