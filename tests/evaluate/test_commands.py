"""The commands evaluate and compare, as they are typed."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage.metrics import peak_signal_noise_ratio

from dsslic_jax import cli
from dsslic_jax.bundle import directory as bundles
from dsslic_jax.bundle.model import Bundle
from tests.evaluate.fake_codec import FakeCodec
from tests.evaluate.folders import picture_of, read_csv


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_evaluate_prints_its_tables_and_says_where_the_rest_lies(
    images: Path, labels: Path, fake: FakeCodec, capsys: pytest.CaptureFixture[str]
) -> None:
    command = "evaluate --images images --labels labels --label-sources files,none --out run"
    command += " --codecs jpeg,webp,dsslic --anchor jpeg --settings jpeg=20,40,60,80"
    command += " --settings webp=20,40,60,80 --settings dsslic=20,40,60,80 --limit 1"
    assert cli.main(command.split()) == 0
    said = capsys.readouterr().out
    assert "protocol fair, mean over 1 picture\n" in said
    assert "Bjøntegaard differences to jpeg, mean over pictures\n" in said
    assert said.endswith("measurements, tables, plots and streams: run\n")
    for name in ("webp", "dsslic:files", "dsslic:none"):
        assert said.count(f"\n{name}  ") + said.count(f"\n{name} ") >= 2
    rows = read_csv(Path("run/bd.csv"))
    assert {row["curve"] for row in rows} == {"webp", "dsslic:files", "dsslic:none"}


def test_tables_are_kept_with_the_model_where_that_is_asked_for(
    images: Path,
    labels: Path,
    fake: FakeCodec,
    tiny_bundle: Bundle,
    capsys: pytest.CaptureFixture[str],
) -> None:
    command = "evaluate --images images --out run --codecs jpeg,dsslic --settings jpeg=20 --record"
    assert cli.main([*command.split(), "two of ours"]) == 1
    assert "--record needs the --model" in capsys.readouterr().err
    bundles.save(tiny_bundle, Path("model"))
    command = f"{command} ours --model model --protocol fair --protocol paper --labels labels"
    for source in ("files", "segnet"):
        assert cli.main([*command.split(), "--label-sources", source]) == 0
    kept = bundles.load("model").metrics
    assert {part: [e["protocol"].split(":")[0] for e in kept[part]] for part in kept} == {
        "coarse": ["fair", "paper"],  # SegNet had no part in it
        "joined": ["fair", "paper"],
    }
    paper = kept["coarse"][1]
    assert paper["pictures"] == "ours"
    mean = next(row for row in read_csv(Path("run/mean.csv")) if row["codec"] == "jpeg")
    row = next(row for row in paper["rows"] if row["codec"] == "jpeg")
    for name in ("bits_per_sample", "psnr_channel_mean_db"):
        assert row[name] == pytest.approx(float(mean[name]))


def test_evaluate_says_where_no_anchor_is_measured(
    images: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = "evaluate --images images --out run --codecs jpeg --settings jpeg=20"
    assert cli.main([*command.split(), "--protocol", "paper", "--protocol", "fair"]) == 0
    said = capsys.readouterr().out
    assert "protocol paper's anchor bpg_rgb is not measured" in said
    assert "protocol fair's anchor bpg is not measured" in said
    assert not Path("run/bd.csv").exists()


@pytest.mark.parametrize("settings", ["jpeg", "jpeg=", "jpeg=a", "jpeg=1,,2"])
def test_settings_that_are_no_numbers_are_refused(
    images: Path, capsys: pytest.CaptureFixture[str], settings: str
) -> None:
    command = f"evaluate --images images --out run --codecs jpeg --settings {settings}"
    assert cli.main(command.split()) == 1
    assert f"--settings {settings}: write a codec's numbers" in capsys.readouterr().err


def test_compare_measures_two_pictures(capsys: pytest.CaptureFixture[str]) -> None:
    a = picture_of(170, 180)
    b = np.clip(a.astype(int) + 3, 0, 255).astype(np.uint8)
    Image.fromarray(a).save("a.png")
    Image.fromarray(b).save("b.tif")
    assert cli.main(["compare", "a.png", "b.tif", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["width"], found["height"], found["equal"]) == (180, 170, False)
    psnr = peak_signal_noise_ratio(a, b)
    assert found["metrics"]["psnr_rgb_db"] == pytest.approx(psnr)
    assert 0.9 < found["metrics"]["ms_ssim"] < 1
    assert cli.main(["compare", "a.png", "b.tif"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("180x170, different pixels\n") and f"{psnr:.4f}" in said


def test_compare_of_equal_small_pictures_tells_what_is_infinite_and_what_undefined(
    capsys: pytest.CaptureFixture[str],
) -> None:
    Image.fromarray(picture_of(9, 12)).save("a.png")
    assert cli.main(["compare", "a.png", "a.png"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("12x9, equal pixels\n")
    assert "  psnr_rgb_db           inf\n" in said
    assert "  ms_ssim               not defined at this size\n" in said
    assert cli.main(["compare", "a.png", "a.png", "--json"]) == 0
    found = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)
    assert found["equal"] and found["metrics"]["psnr_rgb_db"] is None


def test_compare_refuses_pictures_of_two_sizes(capsys: pytest.CaptureFixture[str]) -> None:
    Image.fromarray(picture_of(9, 12)).save("a.png")
    Image.fromarray(picture_of(12, 9)).save("b.png")
    assert cli.main(["compare", "a.png", "b.png"]) == 1
    assert "a.png is 12x9, b.png is 9x12" in capsys.readouterr().err
