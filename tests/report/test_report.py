"""`dsslic report` and `dsslic inspect`: what pages hold is what was coded and measured."""

import json
import math
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from dsslic_jax.cli import main
from dsslic_jax.evaluate.measuring.store import from_json
from dsslic_jax.report.run_data import read_run
from tests.evaluate.folders import read_csv, read_picture, write_picture
from tests.report.runs import SmallRun, data_of, make_run, pixels_of, write_page


@pytest.fixture(scope="module")
def plain_run(tmp_path_factory: pytest.TempPathFactory) -> SmallRun:
    """Two pictures by JPEG and WebP at four settings; not to be written to."""
    return make_run(tmp_path_factory.mktemp("plain"), ("jpeg", "webp"))


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


def test_differences_to_the_anchor_are_those_of_the_run(tmp_path: Path) -> None:
    run = make_run(tmp_path, ("jpeg", "webp"), anchor="jpeg")
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


def test_the_page_stays_below_its_limit_with_smaller_windows(
    plain_run: SmallRun, tmp_path: Path
) -> None:
    out = tmp_path / "page.html"
    whole = data_of(write_page(plain_run, out))["viewer"]
    assert [picture["crop"][2:] for picture in whole["pictures"]] == [[200, 168], [164, 176]]
    limit = out.stat().st_size - 0.93 * len(json.dumps(whole))
    cut = data_of(write_page(plain_run, out, "--max-mb", str(limit / 1e6)))["viewer"]
    assert 0.9 * limit < out.stat().st_size <= limit
    width, height = cut["pictures"][0]["crop"][2:]
    assert width < 200
    assert width / height == pytest.approx(200 / 168, rel=0.03)


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
        {"layers": [1]},
        {"layers": {"s": 3}},
        {"layers": {"whole": 2.5}},
        {"model": 7},
        {"model": "x"},
    ],
)
def test_measurements_that_cannot_be_are_named_and_left_out(
    copied_run: SmallRun, fields: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    change_line(copied_run, 3, **fields)
    assert main(["report", str(copied_run.folder)]) == 0
    said = capsys.readouterr().err
    assert said.startswith("note: ") and said.count("\n") == 1
    data = data_of((copied_run.folder / "report.html").read_text())
    assert len(data["files"]["rows"]) == 15
    assert any("1 measurements are damaged" in note for note in data["notes"])


def test_a_bad_coded_file_is_named_and_not_shown(copied_run: SmallRun) -> None:
    streams = [copied_run.folder / file.stream for file in read_run(copied_run.folder).files]
    bad = [streams[i] for i in (0, 1, 5, 9)]
    for path in bad:
        path.unlink()
    bad[1].write_bytes(b"no picture")
    os.mkfifo(bad[2])
    bad[3].mkdir()
    assert main(["report", str(copied_run.folder)]) == 0
    data = data_of((copied_run.folder / "report.html").read_text())
    shown = [note for note in data["notes"] if "Left out of what is shown" in note]
    assert len(shown) == len({note.partition(".jpg")[0] for note in shown}) >= 1
    assert len(data["files"]["rows"]) == 16 and data["viewer"]["files"]


def test_without_bokeh_the_command_says_how_to_get_it(
    plain_run: SmallRun,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setitem(sys.modules, "bokeh", None)
    assert main(["report", str(plain_run.folder), "--out", str(tmp_path / "page.html")]) == 1
    assert "pip install 'bokeh" in capsys.readouterr().err


def test_a_model_directory_that_is_none_is_refused(
    plain_run: SmallRun, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report", str(plain_run.folder), "--model", str(tmp_path)]) == 1
    assert str(tmp_path) in capsys.readouterr().err


def test_a_folder_without_a_run_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report", str(tmp_path)]) == 1
    assert "is no run" in capsys.readouterr().err
    path = tmp_path / "conditions.json"
    sound = '"protocols": {"fair": {}}, "picture_files": [], "left_out": {}, "codecs"'
    curve = '{"codec": "jpeg", "labels": 5, "version": "9", "model": null, "settings": [50]}'
    for text in (f"{{{sound}: 3}}", f"{{{sound}: [{curve}]}}", "[" * 9999, "1e999", "[]"):
        path.write_text(text)
        assert main(["report", str(tmp_path)]) == 1
        said = capsys.readouterr().err
        assert "is no run" in said and said.count("\n") == 1
    path.unlink()
    os.mkfifo(path)
    assert main(["report", str(tmp_path)]) == 1
    assert "not a regular file" in capsys.readouterr().err
