"""The harness, with a codec that needs no networks: what it writes is what it measured."""

import io
import json
import math
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage.metrics import peak_signal_noise_ratio

from dsslic_jax.codec.stream import container
from dsslic_jax.errors import CoderFailed, ConfigError, DataError, ModelError
from dsslic_jax.evaluate.measuring.store import Measurement
from dsslic_jax.evaluate.request import Request
from dsslic_jax.evaluate.run import Report, evaluate
from tests.evaluate.fake_codec import FakeCodec
from tests.evaluate.folders import read_csv, read_picture, write_labels, write_picture


def measure(images: Path, out: Path, *codecs: str, **options: object) -> Report:
    return evaluate(Request(images, out, codecs=codecs or ("dsslic",), **options))  # type: ignore[arg-type]


def lines_of(lines: Iterable[Measurement], **wanted: object) -> Iterator[Measurement]:
    return (line for line in lines if all(getattr(line, k) == v for k, v in wanted.items()))


def test_rates_are_the_lengths_of_the_files_on_disk(
    images: Path, fake: FakeCodec, tmp_path: Path
) -> None:
    report = measure(images, tmp_path / "run", "dsslic", "jpeg", settings={"jpeg": (50,)})
    whole = [line for line in report.measurements if line.is_last_layer]
    assert [(line.picture, line.codec, line.setting) for line in whole] == [
        (picture, *point)
        for picture in ("a", "b")
        for point in (("dsslic", 30), ("dsslic", 80), ("jpeg", 50))
    ]
    rows = {(r["picture"], r["stream"]): r for r in read_csv(tmp_path / "run" / "per_picture.csv")}
    for line in whole:
        size = os.stat(tmp_path / "run" / line.stream).st_size
        assert line.prefix_bytes == size
        row = rows[line.picture, line.stream]
        assert float(row["bits_per_pixel"]) == pytest.approx(8 * size / (line.width * line.height))
        assert float(row["bits_per_sample"]) == pytest.approx(
            8 * size / (line.width * line.height * 3)
        )


def test_layers_are_counted_one_by_one_and_their_prefixes_with_the_header(
    images: Path, fake: FakeCodec, tmp_path: Path
) -> None:
    report = measure(images, tmp_path / "run")
    s, c, r = lines_of(report.measurements, picture="b", setting=30)
    data = (tmp_path / "run" / "streams" / "dsslic-segnet" / "30" / "b.dsslic").read_bytes()
    header = container.read_header(data)
    lengths = [layer.length for layer in header.layers]
    assert [s.layer, c.layer, r.layer] == ["s", "c", "r1"]
    assert [s.layer_bytes, c.layer_bytes, r.layer_bytes] == lengths
    assert [line.prefix_bytes for line in (s, c, r)] == list(header.size + np.cumsum(lengths))
    assert r.prefix_bytes == len(data)
    assert r.layer_share == lengths[2] / len(data)


def test_qualities_are_those_of_an_independent_decode_of_the_files(
    images: Path, fake: FakeCodec, tmp_path: Path
) -> None:
    report = measure(images, tmp_path / "run")
    picture = read_picture(images / "a.png")
    upsampled = np.kron(picture[::8, ::8], np.ones((8, 8, 1), np.uint8))[:163, :170]
    coarse = np.clip(upsampled.astype(int) - 1, 0, 255).astype(np.uint8)
    for setting in (30, 80):
        s, c, r = lines_of(report.measurements, picture="a", setting=setting)
        data = (tmp_path / "run" / r.stream).read_bytes()
        decoded = np.array(Image.open(io.BytesIO(data[-r.layer_bytes :])))
        for line, seen in ((c, coarse), (r, decoded)):
            assert line.metrics["psnr_rgb_db"] == pytest.approx(
                peak_signal_noise_ratio(picture, seen)
            )
            channels = [peak_signal_noise_ratio(picture[..., i], seen[..., i]) for i in range(3)]
            assert line.metrics["psnr_channel_mean_db"] == pytest.approx(np.mean(channels))
        alone = c.metrics["psnr_upsampled_rgb_db"]
        assert alone == pytest.approx(peak_signal_noise_ratio(picture, upsampled))
        assert "psnr_upsampled_rgb_db" not in r.metrics
        assert c.metrics["ms_ssim"] < r.metrics["ms_ssim"] < 1  # type: ignore[operator]
        assert set(s.metrics.values()) == {None}


def test_the_written_tables_hold_the_measurements_and_their_means(
    images: Path, fake: FakeCodec, tmp_path: Path
) -> None:
    measure(images, tmp_path / "run")
    per_picture = read_csv(tmp_path / "run" / "per_picture.csv")
    mean = read_csv(tmp_path / "run" / "mean.csv")
    assert len(per_picture) == 2 * 2 * 3 and len(mean) == 2 * 3
    for layer, setting in (("c", "30"), ("r1", "80")):
        key = {"layer": layer, "setting": setting, "codec": "dsslic", "labels": "segnet"}
        a, b = (row for row in per_picture if key.items() <= row.items())
        (found,) = (row for row in mean if key.items() <= row.items())
        for column in ("bits_per_pixel", "bits_per_sample", "psnr_rgb_db", "layer_bytes", "ssim"):
            hand = (float(a[column]) + float(b[column])) / 2
            assert float(found[column]) == pytest.approx(hand, rel=1e-8)
        assert (a["picture"], b["picture"], b["ms_ssim"]) == ("a", "b", "")  # b is below 161 px
        assert float(found["ms_ssim"]) == pytest.approx(float(a["ms_ssim"]), rel=1e-8)
        assert (found["pictures"], found["ms_ssim_pictures"]) == ("2", "1")


def test_only_finished_files_are_left_behind(images: Path, fake: FakeCodec, tmp_path: Path) -> None:
    run = tmp_path / "run"
    measure(images, run, "dsslic", "jpeg", settings={"dsslic": (50,), "jpeg": (75,)})
    files = {str(path.relative_to(run)) for path in run.rglob("*") if path.is_file()}
    assert files == {
        ".lock",
        "measurements.jsonl",
        "conditions.json",
        "per_picture.csv",
        "mean.csv",
        "rate_distortion_fair.png",
        *(f"streams/dsslic-segnet/50/{name}.dsslic" for name in "ab"),
        *(f"streams/jpeg/75/{name}.jpg" for name in "ab"),
    }


def test_ordinary_codecs_are_measured_on_their_whole_files(images: Path, tmp_path: Path) -> None:
    report = measure(images, tmp_path / "run", "jpeg", settings={"jpeg": (20, 90)})
    picture = read_picture(images / "b.png")
    lines = [*lines_of(report.measurements, picture="b")]
    assert [line.setting for line in lines] == [20, 90]
    for line in lines:
        path = tmp_path / "run" / "streams" / "jpeg" / str(line.setting) / "b.jpg"
        assert (line.layer, line.layers, line.layer_share) == ("whole", None, 1.0)
        assert line.layer_bytes == line.prefix_bytes == path.stat().st_size
        expected = peak_signal_noise_ratio(picture, read_picture(path))
        assert line.metrics["psnr_rgb_db"] == pytest.approx(expected)
        assert line.encode_s > 0 and line.decode_s > 0


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 9), (9, 1), (17, 33)])
def test_odd_and_tiny_pictures_are_measured(
    tmp_path: Path, fake: FakeCodec, height: int, width: int
) -> None:
    write_picture(tmp_path / "images" / "x.png", height, width)
    report = measure(
        tmp_path / "images",
        tmp_path / "run",
        *("dsslic", "jpeg", "jpeg2000", "webp", "avif", "jxl", "bpg", "jpeg_planes", "bpg_rgb"),
    )
    assert len({line.codec for line in report.measurements}) == 9
    for line in report.measurements:
        assert (line.width, line.height) == (width, height)
        assert line.metrics["ms_ssim"] is None
        assert (line.metrics["psnr_rgb_db"] is None) == (line.layer == "s")


def test_a_lossless_picture_has_infinite_psnr_in_every_output(
    tmp_path: Path, fake: FakeCodec
) -> None:
    (tmp_path / "images").mkdir()
    Image.new("RGB", (8, 8), (128, 128, 128)).save(tmp_path / "images" / "grey.png")
    report = measure(tmp_path / "images", tmp_path / "run", settings={"dsslic": (90,)})
    r = report.measurements[-1]
    assert r.lossless and r.metrics["psnr_rgb_db"] == math.inf
    assert read_csv(tmp_path / "run" / "per_picture.csv")[-1]["psnr_rgb_db"] == "inf"
    assert read_csv(tmp_path / "run" / "mean.csv")[-1]["psnr_rgb_db"] == "inf"
    stored = (tmp_path / "run" / "measurements.jsonl").read_text().splitlines()[-1]
    line = json.loads(stored, parse_constant=pytest.fail)
    assert line["lossless"] and line["metrics"]["psnr_rgb_db"] is None


def test_label_files_reach_the_codec_as_class_ids(
    images: Path, labels: Path, fake: FakeCodec, tmp_path: Path
) -> None:
    fake.__init__("cityscapes")  # type: ignore[misc]
    ids = np.full((163, 170), 255, np.uint8)  # licence plates, as Cityscapes files store them
    ids[0, 0] = 7
    Image.fromarray(ids).save(labels / "a.png")
    measure(images, tmp_path / "run", labels=labels, limit=1, settings={"dsslic": (50,)})
    ((given, _),) = fake.given
    assert given is not None and given.dtype == np.uint8
    assert given[0, 0] == 7 and np.count_nonzero(given == 34) == 163 * 170 - 1


def test_each_source_of_labels_is_a_curve_of_its_own(
    images: Path, labels: Path, fake: FakeCodec, tmp_path: Path
) -> None:
    report = measure(
        images,
        tmp_path / "run",
        labels=labels,
        label_sources=("segnet", "files", "none"),
        settings={"dsslic": (50,)},
        limit=1,
    )
    true = read_picture(labels / "a.png")
    sources = [("sent", None), ("sent", true), ("none", None)]
    for (given, settings), (kind, expected) in zip(fake.given, sources, strict=True):
        assert settings.labels == kind and settings.quality == 50
        np.testing.assert_array_equal(given, expected)
    layers = [(line.labels, line.layer) for line in report.measurements]
    assert layers == [
        *((source, layer) for source in ("segnet", "files") for layer in ("s", "c", "r1")),
        *(("none", layer) for layer in ("c", "r1")),
    ]
    assert [mean.curve for mean in report.means if mean.layer == "r1"] == [
        *("dsslic:segnet", "dsslic:files", "dsslic:none")
    ]
    assert len({line.stream for line in report.measurements}) == 3


@pytest.mark.parametrize(
    ("sources", "message"),
    [(("files",), "--labels DIR"), (("guessed",), "'guessed' is none of segnet, files, none")],
)
def test_label_sources_that_cannot_be_used_are_refused(
    images: Path, fake: FakeCodec, tmp_path: Path, sources: tuple[str, ...], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        measure(images, tmp_path / "run", label_sources=sources)
    assert not (tmp_path / "run").exists()


def test_a_missing_label_map_is_named_before_anything_is_coded(
    images: Path, labels: Path, fake: FakeCodec, tmp_path: Path
) -> None:
    (labels / "b.png").unlink()
    with pytest.raises(DataError, match=r"labels/b\.png: no such label map"):
        measure(images, tmp_path / "run", labels=labels)
    assert fake.given == [] and not (tmp_path / "run").exists()


def test_a_label_map_of_another_size_is_refused(
    images: Path, labels: Path, fake: FakeCodec, tmp_path: Path
) -> None:
    write_labels(labels / "a.png", 163, 169)
    with pytest.raises(DataError, match=r"a\.png.*170x163.*169x163"):
        measure(images, tmp_path / "run", labels=labels)


def test_bytes_that_belong_to_no_layer_are_refused(
    images: Path, fake: FakeCodec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encode = FakeCodec.encode
    monkeypatch.setattr(FakeCodec, "encode", lambda *arguments: encode(*arguments) + b"?")
    with pytest.raises(CoderFailed, match="holds layers of"):
        measure(images, tmp_path / "run")


@pytest.mark.parametrize("settings", [(), (101,), (-1,), (50, 50), (49.5,)])
def test_impossible_settings_are_refused(
    images: Path, tmp_path: Path, settings: tuple[float, ...]
) -> None:
    with pytest.raises(ConfigError, match="webp"):
        measure(images, tmp_path / "run", "webp", settings={"webp": settings})
    assert not (tmp_path / "run").exists()


def test_settings_of_a_codec_that_is_not_measured_are_refused(images: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="settings for jpg, which is not measured: jpeg"):
        measure(images, tmp_path / "run", "jpeg", settings={"jpg": (50,)})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"codecs": ("gif",)}, "unknown codec 'gif'; known: jpeg, "),
        ({"codecs": ("dsslic",)}, "dsslic needs a model directory: --model DIR"),
        ({"codecs": ("jpeg",), "protocols": ("best",)}, "unknown protocol 'best'"),
        ({"codecs": ("jpeg",), "anchor": "bpg"}, "anchor bpg is none of what is measured: jpeg"),
        ({"codecs": ("jpeg",), "workers": 0}, "workers is the number of processes"),
    ],
)
def test_unknown_names_are_refused(
    images: Path, tmp_path: Path, options: dict[str, object], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        evaluate(Request(images, tmp_path / "run", **options))  # type: ignore[arg-type]


def test_a_model_that_is_none_is_refused(images: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="not a model directory"):
        measure(images, tmp_path / "run", model=tmp_path)
