"""`dsslic report` and `dsslic inspect`: what pages hold is what was coded and measured."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from dsslic_jax import bundle
from dsslic_jax.cli import main
from dsslic_jax.codec.codec import Codec
from dsslic_jax.codec.container import layer_lengths
from dsslic_jax.evaluate.html.coded_files import CodedFile
from dsslic_jax.evaluate.html.decoding import Decoder
from dsslic_jax.evaluate.html.run_data import read_run
from dsslic_jax.evaluate.store import from_json
from tests.evaluate.folders import read_csv, read_picture, write_picture
from tests.evaluate.html_runs import SmallRun, data_of, make_run, pixels_of, write_page


@pytest.fixture(scope="module")
def plain_run(tmp_path_factory: pytest.TempPathFactory) -> SmallRun:
    """Two pictures by JPEG and WebP at four settings; not to be written to."""
    return make_run(tmp_path_factory.mktemp("plain"), ("jpeg", "webp"))


@pytest.fixture(scope="module")
def layered_run(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> SmallRun:
    """Two pictures, too small for MS-SSIM, by our codec at two settings and by JPEG at four; not to be written to."""
    folder = tmp_path_factory.mktemp("layered")
    return make_run(folder, ("dsslic", "jpeg"), tiny_model, first=(64, 64), second=(64, 56))


@pytest.fixture
def copied_run(plain_run: SmallRun, tmp_path: Path) -> SmallRun:
    """The plain run, to be changed."""
    shutil.copytree(plain_run.folder, tmp_path / "run")
    return SmallRun(plain_run.images, tmp_path / "run")


def change_line(run: SmallRun, number: int, **fields: Any) -> None:
    """Replaces fields of one measurement."""
    path = run.folder / "measurements.jsonl"
    lines = path.read_text().splitlines()
    lines[number] = json.dumps({**json.loads(lines[number]), **fields})
    path.write_text("\n".join(lines) + "\n")


def mean_absolute_error(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.abs(a.astype(float) - b).mean())


def test_the_viewer_shows_windows_of_the_very_files_it_names(
    plain_run: SmallRun, tmp_path: Path
) -> None:
    viewer = data_of(write_page(plain_run, tmp_path / "page.html"))["viewer"]
    assert viewer["codecs"] == ["jpeg", "webp"]
    assert viewer["rates"] == sorted(viewer["rates"])
    text = (plain_run.folder / "measurements.jsonl").read_text()
    lines = [from_json(line) for line in text.splitlines()]
    seen = 0
    for picture in viewer["pictures"]:
        left, top, width, height = picture["crop"]
        window = np.s_[top : top + height, left : left + width]
        original = read_picture(plain_run.images / f"{picture['name']}.png")
        assert mean_absolute_error(pixels_of(picture["original"]), original[window]) < 6
        for codec, indices in picture["files"].items():
            own = [li for li in lines if (li.picture, li.codec) == (picture["name"], codec)]
            for rate, index in zip(viewer["rates"], indices, strict=True):
                shown = viewer["files"][index]
                line = next(li for li in own if f"{li.setting:g}" == shown["setting"])
                nearest = min(own, key=lambda li: abs(math.log(li.bits_per_pixel / rate)))
                assert line == nearest
                assert shown["bytes"] == (plain_run.folder / line.stream).stat().st_size
                assert shown["psnr_rgb_db"] == pytest.approx(line.metrics["psnr_rgb_db"])
                decoded = np.asarray(Image.open(plain_run.folder / line.stream))
                assert mean_absolute_error(pixels_of(shown["picture"]), decoded[window]) < 6
                seen += 1
    assert seen == 2 * 2 * len(viewer["rates"])


def test_difference_maps_tell_coarse_from_fine(plain_run: SmallRun, tmp_path: Path) -> None:
    viewer = data_of(write_page(plain_run, tmp_path / "page.html"))["viewer"]
    coarse, *_, fine = (viewer["files"][i] for i in viewer["pictures"][0]["files"]["jpeg"])
    assert coarse["psnr_rgb_db"] < fine["psnr_rgb_db"]
    assert pixels_of(coarse["difference"]).mean() > pixels_of(fine["difference"]).mean() + 5


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


def test_differences_to_the_anchor_are_those_of_the_run(tmp_path: Path) -> None:
    run = make_run(tmp_path, ("jpeg", "webp"), anchor="jpeg", first=(168, 200))
    page = write_page(run, tmp_path / "page.html", "--anchor", "jpeg")
    (protocol,) = data_of(page)["protocols"]
    psnr, ms_ssim = read_csv(run.folder / "bd.csv")
    ((curve, *values),) = protocol["differences"]["rows"]
    assert curve == "webp"
    for at, row in ((0, psnr), (3, ms_ssim)):
        assert values[at] == pytest.approx(float(row["bd_rate_percent"]), abs=1e-5)
        assert values[at + 1] == pytest.approx(float(row["bd_psnr_db"]), abs=1e-5)
    assert "jpeg" in protocol["differences"]["caption"]


def test_without_its_anchor_differences_are_left_out_and_the_page_says_so(
    plain_run: SmallRun, tmp_path: Path
) -> None:
    data = data_of(write_page(plain_run, tmp_path / "page.html"))
    assert data["protocols"][0]["differences"] is None
    assert any("bpg is not measured" in note for note in data["notes"])


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


def test_the_page_stays_below_its_limit_with_smaller_windows(
    plain_run: SmallRun, tmp_path: Path
) -> None:
    sizes = {}
    for limit in ("0.6", "5"):
        out = tmp_path / f"{limit}.html"
        viewer = data_of(write_page(plain_run, out, "--max-mb", limit))["viewer"]
        assert out.stat().st_size <= float(limit) * 1e6
        sizes[limit] = [picture["crop"][2:] for picture in viewer["pictures"]]
    assert sizes["5"] == [[200, 168], [164, 176]]  # whole pictures
    assert 0 < sizes["0.6"][0][0] < 200


def test_a_limit_that_nothing_fits_into_is_refused(
    plain_run: SmallRun, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "page.html"
    for limit, told in (("0.3", "--assets"), ("0", "--max-mb"), ("nan", "--max-mb")):
        assert main(["report", str(plain_run.folder), "--out", str(out), "--max-mb", limit]) == 1
        assert told in capsys.readouterr().err
    assert not out.exists()


def test_assets_beside_the_page_are_whole_and_exact(plain_run: SmallRun, tmp_path: Path) -> None:
    data = data_of(write_page(plain_run, tmp_path / "page.html", "--assets"))
    viewer = data["viewer"]
    for picture in viewer["pictures"]:
        assert picture["crop"] == [0, 0, picture["width"], picture["height"]]
        original = read_picture(plain_run.images / f"{picture['name']}.png")
        assert np.array_equal(np.asarray(Image.open(tmp_path / picture["original"])), original)
        for codec, suffix in (("jpeg", "jpg"), ("webp", "webp")):
            for index in picture["files"][codec]:
                shown = viewer["files"][index]
                stream = plain_run.folder / "streams" / codec / shown["setting"]
                decoded = Image.open(stream / f"{picture['name']}.{suffix}")
                exact = np.asarray(Image.open(tmp_path / shown["picture"]))
                assert np.array_equal(exact, np.asarray(decoded))
    assert main(["report", str(plain_run.folder), "--out", str(tmp_path / "page.html"), "--assets"])


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
    assert [view["name"] for view in first["views"]] == ["s", "c", "c'", "x'", "r", "x̂"]
    assert sum(found["share"] for found in first["classes"]) == pytest.approx(1)
    assert data["viewer"]["codecs"] == ["dsslic:segnet", "jpeg"]


def test_without_the_model_our_pictures_are_left_out_and_the_page_says_so(
    layered_run: SmallRun, tmp_path: Path
) -> None:
    data = data_of(write_page(layered_run, tmp_path / "page.html"))
    assert data["layers"] == []
    assert data["viewer"]["codecs"] == ["jpeg"]
    assert any("dsslic:segnet" in note and "--model" in note for note in data["notes"])
    assert any(row[1] == "dsslic:segnet" for row in data["files"]["rows"])


def test_without_originals_there_are_no_maps_and_the_page_says_so(
    plain_run: SmallRun, tmp_path: Path
) -> None:
    out = tmp_path / "page.html"
    assert main(["report", str(plain_run.folder), "--out", str(out)]) == 0
    data = data_of(out.read_text())
    assert all(picture["original"] is None for picture in data["viewer"]["pictures"])
    assert all(file["difference"] is None for file in data["viewer"]["files"])
    assert any("--images" in note for note in data["notes"])


def test_another_picture_of_the_same_name_is_refused(
    plain_run: SmallRun, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_picture(tmp_path / "images" / "first.png", 168, 201)
    write_picture(tmp_path / "images" / "second.png", 176, 164)
    arguments = ["report", str(plain_run.folder), "--images", str(tmp_path / "images")]
    assert main([*arguments, "--out", str(tmp_path / "page.html")]) == 1
    assert "not the picture that was measured" in capsys.readouterr().err


def test_a_stopped_run_makes_a_page_that_says_what_is_missing(copied_run: SmallRun) -> None:
    path = copied_run.folder / "measurements.jsonl"
    lines = path.read_text().splitlines(keepends=True)
    # All of the second picture by WebP is still to come, and the last line was cut.
    path.write_text("".join(lines[:12]) + lines[12][:40])
    out = copied_run.folder / "report.html"
    assert main(["report", str(copied_run.folder), "--anchor", "webp"]) == 0
    data = data_of(out.read_text())
    assert any("12 of 16" in note for note in data["notes"])
    assert len(data["files"]["rows"]) == 12


def test_measurements_of_another_version_stay_out_of_the_page(copied_run: SmallRun) -> None:
    change_line(copied_run, 0, version="libjpeg 1.0")
    run = read_run(copied_run.folder)
    assert (len(run.files), run.planned) == (15, 16)


@pytest.mark.parametrize(
    "fields",
    [
        {"stream": "../outside.jpg"},
        {"stream": "conditions.json"},
        {"width": 10**6, "height": 10**6},
        {"width": "200"},
        {"bytes": 0},
        {"encode_s": "soon"},
        {"metrics": {"psnr_rgb_db": math.nan}},
        {"metrics": {"psnr_rgb_db": -math.inf}},
        {"metrics": {"ms_ssim": 1.5}},
        {"setting": math.inf},
        {"codec": None},
        {"model": 7},
    ],
)
def test_measurements_that_cannot_be_are_refused_in_one_line(
    copied_run: SmallRun, fields: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    change_line(copied_run, 3, **fields)
    assert main(["report", str(copied_run.folder)]) == 1
    assert "that cannot be" in capsys.readouterr().err


def test_a_folder_without_a_run_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report", str(tmp_path)]) == 1
    assert "is no run" in capsys.readouterr().err
    (tmp_path / "conditions.json").write_text('{"protocols": ["fair"], "codecs": 3}')
    assert main(["report", str(tmp_path)]) == 1
    assert "is no run" in capsys.readouterr().err


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
        expected = Codec.decode(codec, file.stream.read_bytes())
        assert np.array_equal(decoder.picture(file), expected.picture)
        assert decoder.layers(file).header == expected.header
    assert calls == [file.stream.read_bytes() for file in files[:2]]  # once for each picture


def test_a_stream_that_is_cut_is_told_by_its_name(layered_run: SmallRun, tmp_path: Path) -> None:
    file = next(file for file in read_run(layered_run.folder).files if file.codec == "dsslic")
    cut = tmp_path / "cut.dsslic"
    cut.write_bytes(file.stream.read_bytes()[:-1])
    changed = CodedFile(**{**vars(file), "stream": cut})
    with pytest.raises(Exception, match=r"cut\.dsslic: cut after layer c"):
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
    assert decoded.picture is not None
    shown = {one["name"]: pixels_of(one["src"]) for one in view["views"]}
    palette = np.array(decoded.header.classes.palette, np.uint8)
    assert np.array_equal(shown["s"], palette[decoded.labels])
    assert np.array_equal(shown["c"], decoded.compact)
    assert np.array_equal(shown["c'"], codec.upsample(decoded))
    assert np.array_equal(shown["x'"], decoded.coarse)
    assert np.array_equal(shown["x̂"], decoded.picture)
    assert decoded.coarse is not None
    doubled = 128 + 2 * (decoded.picture.astype(int) - decoded.coarse)
    assert np.array_equal(shown["r"], doubled.clip(0, 255))


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
