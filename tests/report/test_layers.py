"""Pages of our own streams: their layers, bits and numbers, and `dsslic inspect`."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.ndimage import uniform_filter

from dsslic_jax.bundle import directory as bundle
from dsslic_jax.bundle.known import model_directory
from dsslic_jax.cli import main
from dsslic_jax.codec.codec import Codec
from dsslic_jax.codec.layers.residual import read_opening
from dsslic_jax.codec.stream.container import layer_lengths, read_header, read_layers
from dsslic_jax.report.inspect_page import inspect_page
from dsslic_jax.report.pictures.decoding import DamagedFile, Decoder
from dsslic_jax.report.run_data import read_run
from tests.evaluate.folders import read_csv
from tests.report.runs import SmallRun, data_of, make_run, pixels_of, write_page

SMALL = {"first": (64, 64), "second": (64, 56)}  # too small for MS-SSIM


@pytest.fixture(scope="module")
def layered_run(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> SmallRun:
    """Two pictures, too small for MS-SSIM, by our codec at two settings and by JPEG at four; not to be written to."""
    folder = tmp_path_factory.mktemp("layered")
    return make_run(folder, ("dsslic", "jpeg"), tiny_model, pictures=SMALL)


def test_tables_hold_the_numbers_of_the_runs_own_tables(
    layered_run: SmallRun, tmp_path: Path
) -> None:
    data = data_of(write_page(layered_run, tmp_path / "page.html", "--anchor", "jpeg"))
    rows = [row for row in read_csv(layered_run.folder / "per_picture.csv") if row["layer"] != "s"]
    whole = [row for row in rows if row["layer"] in ("whole", "r1")]
    table = data["files"]
    names = [column["name"] for column in table["columns"]]
    shown = {
        (row[0], row[1], row[2]): (row[names.index("bytes")], row[names.index("PSNR, RGB (dB)")])
        for row in table["rows"]
    }
    assert len(shown) == len(whole) == 2 * (2 + 4)
    for row in whole:
        curve = row["codec"] + (f":{row['labels']}" if row["labels"] else "")
        num_bytes, psnr = shown[row["picture"], curve, float(row["setting"])]
        assert num_bytes == int(row["prefix_bytes"])
        assert psnr == pytest.approx(float(row["psnr_rgb_db"]), abs=1e-4)
    (protocol,) = data["protocols"]
    assert protocol["name"] == "fair"
    means = {(row[0], row[1], row[2]): row[5] for row in protocol["means"]["rows"]}
    for row in read_csv(layered_run.folder / "mean.csv"):
        curve = row["codec"] + (f":{row['labels']}" if row["labels"] else "")
        rate = means[curve, row["layer"], float(row["setting"])]
        assert rate == pytest.approx(float(row["bits_per_pixel"]), abs=1e-5)


def test_curves_show_the_measured_points_and_published_ones_only_when_asked(
    layered_run: SmallRun, tmp_path: Path
) -> None:
    (plain,) = data_of(write_page(layered_run, tmp_path / "a.html"))["protocols"]
    names = ["dsslic:segnet up to c (x')", "dsslic:segnet", "jpeg"]
    assert [curve["name"] for curve in plain["curves"]] == names
    assert all(curve["shown"] for curve in plain["curves"])
    assert {scale: len(two) for scale, two in plain["plots"].items()} == {"linear": 2, "log": 2}
    text = json.dumps(plain["plots"]["log"][0])
    assert "LogScale" in text
    assert "bits per pixel" in text
    (anchored,) = data_of(write_page(layered_run, tmp_path / "b.html", "--anchors"))["protocols"]
    published = [curve for curve in anchored["curves"] if curve["published"]]
    assert len(published) >= 5
    assert not any(curve["shown"] for curve in published)


def test_layers_of_our_streams_are_shown_with_their_bits(
    layered_run: SmallRun, tmp_path: Path, tiny_model: Path
) -> None:
    page = write_page(layered_run, tmp_path / "page.html", "--model", str(tiny_model))
    data = data_of(page)
    assert [view["name"] for view in data["layers"]] == ["first", "second"]
    stream = layered_run.folder / "streams" / "dsslic-segnet" / "60" / "first.dsslic"
    first = data["layers"][0]
    assert [layer["name"] for layer in first["layers"]] == ["header", "s", "c", "r1"]
    assert sum(layer["bytes"] for layer in first["layers"]) == stream.stat().st_size
    assert [view["name"] for view in first["views"]] == ["s", "c", "c'", "x'", "x̂ - x'", "x̂"]
    assert sum(found["share"] for found in first["classes"]) == pytest.approx(1)
    assert data["viewer"]["codecs"] == ["dsslic:segnet", "jpeg"]


def test_without_the_model_our_pictures_are_left_out_and_the_page_says_so(
    layered_run: SmallRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DSSLIC_MODELS", str(tmp_path / "none"))
    data = data_of(write_page(layered_run, tmp_path / "page.html"))
    assert data["layers"] == []
    assert data["viewer"]["codecs"] == ["jpeg"]
    assert any("dsslic:segnet" in note and "--model" in note for note in data["notes"])
    assert any(row[1] == "dsslic:segnet" for row in data["files"]["rows"])


def test_streams_that_share_their_first_layers_decode_as_the_codec_decodes_them(
    layered_run: SmallRun, tiny_model: Path
) -> None:
    codec = Codec(bundle.load(tiny_model))
    calls = []

    def decode(data: bytes) -> Any:
        calls.append(data)
        return Codec.decode(codec, data)

    codec.decode = decode  # type: ignore[method-assign,assignment]
    decoder = Decoder(lambda _: codec, {})
    files = [file for file in read_run(layered_run.folder).files if file.codec == "dsslic"]
    assert [(file.picture, file.setting) for file in files] == [
        ("first", 20),
        ("second", 20),
        ("first", 60),
        ("second", 60),
    ]
    for file in files:
        expected = Codec.decode(codec, Path(file.stream).read_bytes())
        assert expected.picture is not None
        assert np.array_equal(decoder.picture(file), expected.picture)
        assert decoder.layers(file).header == expected.header
    assert calls == [Path(file.stream).read_bytes() for file in files[:2]]  # once for each picture


def test_enhanced_streams_of_coarse_labels_are_shown_like_others(
    layered_run: SmallRun, tiny_model: Path, tmp_path: Path
) -> None:
    def blur(picture: np.ndarray, labels: np.ndarray | None, strength: int) -> np.ndarray:
        return uniform_filter(picture, (3, 3, 1), mode="nearest")

    codec = Codec(bundle.load(tiny_model), enhancer=blur)
    rows, columns = np.indices((64, 64))
    picture = np.stack([rows, columns, rows + columns], -1).astype(np.uint8)  # as smooth as blurred
    decoder = Decoder(lambda _: codec, {})
    file = next(file for file in read_run(layered_run.folder).files if file.codec == "dsslic")
    for quality in (20.0, 40.0):
        settings = replace(codec.settings, label_scale=8, prediction_gain=0.5, quality=quality)
        data = codec.encode(picture, None, settings)
        payloads = read_layers(data, read_header(data))
        assert read_opening(payloads["r1"])[0].strength
        stream = tmp_path / f"{quality}.dsslic"
        stream.write_bytes(data)
        changed = replace(file, stream=str(stream))
        assert np.array_equal(decoder.picture(changed), codec.decode(data).picture)
    (view,) = data_of(inspect_page("a.dsslic", data, codec))["layers"]
    assert view["views"][0]["note"] == "label map, layer s, one label for each 8 × 8 pixels"
    assert "r1 is added to a share of 0.5 of x'; EnhanceNet corrects" in view["views"][-1]["note"]
    assert sum(found["share"] for found in view["classes"]) == pytest.approx(1)


def test_a_stream_that_is_cut_is_told_by_its_name(layered_run: SmallRun, tmp_path: Path) -> None:
    file = next(file for file in read_run(layered_run.folder).files if file.codec == "dsslic")
    cut = tmp_path / "cut.dsslic"
    cut.write_bytes(Path(file.stream).read_bytes()[:-1])
    changed = replace(file, stream=str(cut))
    with pytest.raises(DamagedFile, match=r"cut\.dsslic: cut after layer c"):
        Decoder(lambda _: pytest.fail("decoded"), {}).picture(changed)


def test_inspecting_a_stream_shows_each_layer_exactly(
    layered_run: SmallRun, tiny_model: Path, tmp_path: Path
) -> None:
    stream = layered_run.folder / "streams" / "dsslic-segnet" / "20" / "first.dsslic"
    out = tmp_path / "page.html"
    arguments = ["inspect", str(stream), "--html", str(out), "--model", str(tiny_model)]
    assert main(arguments) == 0
    (view,) = data_of(out.read_text(encoding="utf-8"))["layers"]
    codec = Codec(bundle.load(tiny_model))
    decoded = codec.decode(stream.read_bytes())
    assert decoded.labels is not None
    assert decoded.compact is not None
    assert decoded.coarse is not None
    assert decoded.picture is not None
    shown = {one["name"]: pixels_of(one["src"]) for one in view["views"]}
    palette = np.array(decoded.header.classes.palette, np.uint8)
    assert np.array_equal(shown["s"], palette[decoded.labels])
    assert np.array_equal(shown["c"], decoded.compact)
    assert np.array_equal(shown["c'"], codec.upsample(decoded))
    assert np.array_equal(shown["x'"], decoded.coarse)
    assert np.array_equal(shown["x̂"], decoded.picture)
    doubled = 128 + 2 * (decoded.picture.astype(int) - decoded.coarse)
    assert np.array_equal(shown["x̂ - x'"], doubled.clip(0, 255))


def test_what_a_page_says_of_a_layer_follows_the_stream_and_its_model(tiny_model: Path) -> None:
    def notes(model: Path, **chosen: Any) -> dict[str, str]:
        codec = Codec(bundle.load(model))
        picture = np.indices((64, 64, 3)).sum(0).astype(np.uint8)
        data = codec.encode(picture, settings=replace(codec.settings, **chosen))
        (view,) = data_of(inspect_page("a.dsslic", data, codec))["layers"]
        assert "exact" not in view["facts"]
        return {one["name"]: one["note"] for one in view["views"]}

    said = notes(tiny_model, layers=2)
    assert "CompNet's image, 1/8" in said["c"] and "FineNet's detail" in said["x'"]
    assert said["x̂"] == "decoded picture: r1 is added to x', r2 to that"
    said = notes(model_directory("natural"))
    assert "averages of the picture's blocks, 1/64" in said["c"] and "shown as RGB" in said["c"]
    assert said["x'"] == "coarse picture: c enlarged; the model has no FineNet"
    assert said["x̂"].startswith("decoded picture: r1 holds the picture itself")
    assert "c'" not in said and "CompNet" not in "".join(said.values())


def test_inspecting_a_cut_stream_shows_the_layers_that_are_whole(
    layered_run: SmallRun, tiny_model: Path, tmp_path: Path
) -> None:
    stream = layered_run.folder / "streams" / "dsslic-segnet" / "20" / "first.dsslic"
    data = stream.read_bytes()
    lengths = layer_lengths(data)
    end_of_s = lengths["header"] + lengths["s"]
    for length, names in ((len(data) - 1, ["s", "c", "c'", "x'"]), (end_of_s, ["s"])):
        cut, out = tmp_path / "cut.dsslic", tmp_path / "page.html"
        cut.write_bytes(data[:length])
        arguments = ["inspect", str(cut), "--html", str(out), "--model", str(tiny_model)]
        assert main(arguments) == 0
        (view,) = data_of(out.read_text(encoding="utf-8"))["layers"]
        assert [one["name"] for one in view["views"]] == names
        assert f"Cut after layer {'c' if 'c' in names else 's'}" in view["facts"]
