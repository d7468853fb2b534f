"""The harness, with a codec that needs no networks: what it writes is what it measured."""

from __future__ import annotations

import csv
import io
import json
import math
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from skimage.metrics import peak_signal_noise_ratio

from dsslic_jax.errors import ConfigError, DataError, StreamError
from dsslic_jax.evaluate import baselines, run
from dsslic_jax.evaluate.report import Row
from tests.evaluate import fake_codec
from tests.evaluate.fake_codec import FakeCodec

QUALITIES = (30, 80)


@pytest.fixture(autouse=True)
def fake_container(monkeypatch: pytest.MonkeyPatch) -> None:
    """The fake codec's streams are split by its own rule."""
    container = SimpleNamespace(layer_lengths=fake_codec.layer_lengths)
    monkeypatch.setitem(sys.modules, "dsslic_jax.codec.container", container)


@pytest.fixture
def images_dir(tmp_path: Path) -> Path:
    """Two pictures, one of them large enough for MS-SSIM, named against their order of making."""
    folder = tmp_path / "images"
    folder.mkdir()
    write_picture(folder / "b.png", 61, 45)
    write_picture(folder / "a.png", 163, 170)
    (folder / "notes.txt").write_text("no picture")
    return folder


@pytest.fixture
def labels_dir(tmp_path: Path) -> Path:
    folder = tmp_path / "labels"
    folder.mkdir()
    write_labels(folder / "a.png", 163, 170)
    write_labels(folder / "b.png", 61, 45)
    return folder


def write_picture(path: Path, height: int, width: int) -> None:
    rng = np.random.default_rng(height * 1000 + width)
    slope = np.linspace(20, 200, width)[None, :, None] + np.linspace(0, 30, height)[:, None, None]
    noise = rng.normal(scale=6, size=(height, width, 3))
    Image.fromarray(np.clip(slope + noise, 0, 255).astype(np.uint8)).save(path)


def write_labels(path: Path, height: int, width: int) -> None:
    labels = np.random.default_rng(width).integers(0, 12, (height, width), dtype=np.uint8)
    Image.fromarray(labels).save(path)


def rows_of(rows: tuple[Row, ...], **wanted: object) -> Iterator[Row]:
    return (row for row in rows if all(getattr(row, key) == value for key, value in wanted.items()))


def read_csv(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_rates_are_the_lengths_of_the_files_on_disk(images_dir: Path, tmp_path: Path) -> None:
    report = run.evaluate(images_dir, None, FakeCodec(), tmp_path / "out", QUALITIES, False)
    for row in rows_of(report.rows, layer="r"):
        size = os.stat(
            tmp_path / "out" / "streams" / f"{row.picture}-q{row.setting}.dsslic"
        ).st_size
        assert row.prefix_bytes == size
        assert row.bits_per_pixel == 8 * size / (row.width * row.height)
    assert [(row.picture, row.setting) for row in rows_of(report.rows, layer="r")] == [
        ("a", 30),
        ("a", 80),
        ("b", 30),
        ("b", 80),
    ]


def test_layers_are_counted_one_by_one_and_their_prefixes_with_the_header(
    images_dir: Path, tmp_path: Path
) -> None:
    report = run.evaluate(images_dir, None, FakeCodec(), tmp_path / "out", (50,), False)
    data = (tmp_path / "out" / "streams" / "b-q50.dsslic").read_bytes()
    s, c, r = (int.from_bytes(data[start : start + 4], "little") for start in (0, 4, 8))
    layers = [
        (row.layer, row.layer_bytes, row.prefix_bytes) for row in rows_of(report.rows, picture="b")
    ]
    assert layers == [("s", s, 12 + s), ("c", c, 12 + s + c), ("r", r, 12 + s + c + r)]
    assert len(data) == 12 + s + c + r


def test_qualities_are_those_of_an_independent_decode_of_the_files(
    images_dir: Path, tmp_path: Path
) -> None:
    report = run.evaluate(images_dir, None, FakeCodec(), tmp_path / "out", QUALITIES, False)
    picture = np.array(Image.open(images_dir / "a.png"))
    for quality in QUALITIES:
        s, c, r = rows_of(report.rows, picture="a", setting=quality)
        data = (tmp_path / "out" / "streams" / f"a-q{quality}.dsslic").read_bytes()
        decoded = np.array(Image.open(io.BytesIO(data[-r.layer_bytes :])))
        upsampled = np.kron(picture[::8, ::8], np.ones((8, 8, 1), np.uint8))[:163, :170]
        assert r.psnr_rgb_db == pytest.approx(peak_signal_noise_ratio(picture, decoded))
        assert c.psnr_upsampled_rgb_db == pytest.approx(peak_signal_noise_ratio(picture, upsampled))
        coarse = np.clip(upsampled.astype(int) - 1, 0, 255).astype(np.uint8)
        assert c.psnr_rgb_db == pytest.approx(peak_signal_noise_ratio(picture, coarse))
        assert c.ms_ssim is not None and r.ms_ssim is not None and c.ms_ssim < r.ms_ssim < 1
        assert (s.psnr_rgb_db, s.ms_ssim, s.psnr_upsampled_rgb_db) == (None, None, None)
        assert r.psnr_upsampled_rgb_db is None


def test_the_written_tables_hold_the_rows_and_their_means(images_dir: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run.evaluate(images_dir, None, FakeCodec(), out, QUALITIES, False)
    per_picture, mean = read_csv(out / "per_picture.csv"), read_csv(out / "mean.csv")
    assert len(per_picture) == 2 * 2 * 3 and len(mean) == 2 * 3
    assert {row["protocol"] for row in per_picture + mean} == {"fair"}
    for layer, setting in (("c", "30"), ("r", "80")):
        key = {"layer": layer, "setting": setting, "codec": "dsslic"}
        a, b = (row for row in per_picture if key.items() <= row.items())
        (found,) = (row for row in mean if key.items() <= row.items())
        for column in ("bits_per_pixel", "psnr_rgb_db", "layer_bytes"):
            hand = (float(a[column]) + float(b[column])) / 2
            assert float(found[column]) == pytest.approx(hand, rel=1e-8)
        assert (a["picture"], b["picture"], b["ms_ssim"]) == ("a", "b", "")  # b is below 161 px
        assert float(found["ms_ssim"]) == pytest.approx(float(a["ms_ssim"]), rel=1e-8)
        assert (found["pictures"], found["ms_ssim_pictures"]) == ("2", "1")


def test_results_name_protocol_versions_settings_and_pictures(
    images_dir: Path, tmp_path: Path
) -> None:
    report = run.evaluate(images_dir, None, FakeCodec(), tmp_path / "out", QUALITIES, False)
    text = (tmp_path / "out" / "results.json").read_text()
    results = json.loads(text)
    assert results["protocol"] == "fair"
    assert results["pictures"] == 2 and results["picture_files"] == ["a.png", "b.png"]
    assert results["dsslic_qualities"] == [30, 80]
    assert results["class_table"] == "camvid"
    assert results["model_fingerprint"] == "01fe"
    assert results["software"]["numpy"] == np.__version__
    assert len(results["means"]) == len(report.means)
    assert str(tmp_path) not in text


def test_only_finished_files_are_left_behind(images_dir: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run.evaluate(images_dir, None, FakeCodec(), out, (50,), False)
    files = {str(path.relative_to(out)) for path in out.rglob("*") if path.is_file()}
    assert files == {
        "per_picture.csv",
        "mean.csv",
        "results.json",
        "rate_distortion.png",
        "streams/a-q50.dsslic",
        "streams/b-q50.dsslic",
    }


def test_baselines_are_measured_on_their_whole_files(
    images_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    jpeg_444 = baselines.pillow_baselines()[0]
    monkeypatch.setattr(baselines, "all_baselines", lambda: (jpeg_444,))
    report = run.evaluate(images_dir, None, FakeCodec(), tmp_path / "out", (50,), True)
    rows = list(rows_of(report.rows, codec="jpeg-444", picture="b"))
    assert [row.setting for row in rows] == list(jpeg_444.settings)
    picture = np.array(Image.open(images_dir / "b.png"))
    for row in rows:
        path = tmp_path / "out" / "streams" / f"b-jpeg-444-{row.setting}.jpg"
        assert row.layer == "whole"
        assert row.layer_bytes == row.prefix_bytes == path.stat().st_size
        decoded = np.array(Image.open(path))
        assert row.psnr_rgb_db == pytest.approx(peak_signal_noise_ratio(picture, decoded))
    recorded = json.loads((tmp_path / "out" / "results.json").read_text())["baselines"]
    assert recorded == {"jpeg-444": {"setting": "quality", "settings": [10, 25, 50, 75, 90]}}


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 9), (9, 1), (17, 33)])
def test_odd_and_tiny_pictures_are_measured(tmp_path: Path, height: int, width: int) -> None:
    (tmp_path / "images").mkdir()
    write_picture(tmp_path / "images" / "x.png", height, width)
    report = run.evaluate(tmp_path / "images", None, FakeCodec(), tmp_path / "out", (50,), True)
    assert {row.codec for row in report.rows} >= {"dsslic", "jpeg-444", "bpg-444", "webp"}
    assert all((row.width, row.height) == (width, height) for row in report.rows)
    assert all(row.ms_ssim is None for row in report.rows)
    assert all(row.psnr_rgb_db is not None for row in report.rows if row.layer != "s")


def test_a_lossless_picture_has_infinite_psnr_in_every_output(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    Image.new("RGB", (8, 8), (128, 128, 128)).save(tmp_path / "images" / "grey.png")
    report = run.evaluate(tmp_path / "images", None, FakeCodec(), tmp_path / "out", (90,), False)
    (r,) = rows_of(report.rows, layer="r")
    assert r.psnr_rgb_db == math.inf
    assert read_csv(tmp_path / "out" / "per_picture.csv")[-1]["psnr_rgb_db"] == "inf"
    results = json.loads((tmp_path / "out" / "results.json").read_text())
    assert results["means"][-1]["psnr_rgb_db"] == "inf"


def test_label_files_reach_the_codec_as_class_ids(
    images_dir: Path, labels_dir: Path, tmp_path: Path
) -> None:
    codec = FakeCodec("cityscapes")
    ids = np.full((163, 170), 255, np.uint8)  # licence plates, as Cityscapes files store them
    ids[0, 0] = 7
    Image.fromarray(ids).save(labels_dir / "a.png")
    run.evaluate(images_dir, labels_dir, codec, tmp_path / "out", (50,), False, limit=1)
    (given,) = codec.given_labels
    assert given is not None and given.dtype == np.uint8
    assert given[0, 0] == 7 and np.count_nonzero(given == 34) == 163 * 170 - 1


def test_without_a_label_folder_the_codec_makes_the_labels(
    images_dir: Path, tmp_path: Path
) -> None:
    codec = FakeCodec()
    run.evaluate(images_dir, None, codec, tmp_path / "out", (50,), False)
    assert codec.given_labels == [None, None]


def test_a_missing_label_map_is_named_before_anything_is_coded(
    images_dir: Path, labels_dir: Path, tmp_path: Path
) -> None:
    (labels_dir / "b.png").unlink()
    codec = FakeCodec()
    with pytest.raises(DataError, match=r"labels/b\.png: no such label map"):
        run.evaluate(images_dir, labels_dir, codec, tmp_path / "out", (50,), False)
    assert codec.given_labels == [] and not (tmp_path / "out").exists()


def test_a_label_map_of_another_size_is_refused(
    images_dir: Path, labels_dir: Path, tmp_path: Path
) -> None:
    write_labels(labels_dir / "a.png", 163, 169)
    with pytest.raises(DataError, match=r"a\.png.*170x163.*169x163"):
        run.evaluate(images_dir, labels_dir, FakeCodec(), tmp_path / "out", (50,), False)


def test_bytes_that_belong_to_no_layer_are_refused(
    images_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encode = FakeCodec.encode
    monkeypatch.setattr(FakeCodec, "encode", lambda *arguments: encode(*arguments) + b"?")
    with pytest.raises(StreamError, match=r"a-q50\.dsslic"):
        run.evaluate(images_dir, None, FakeCodec(), tmp_path / "out", (50,), False)


@pytest.mark.parametrize("qualities", [(), (101,), (-1,), (50, 50), (49.5,)])
def test_impossible_qualities_are_refused(
    images_dir: Path, tmp_path: Path, qualities: tuple[int, ...]
) -> None:
    with pytest.raises(ConfigError, match="qualit"):
        run.evaluate(images_dir, None, FakeCodec(), tmp_path / "out", qualities, False)
    assert not (tmp_path / "out").exists()
