"""Coded pairs are what the codec really gives back, and a run that was stopped goes on."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dsslic_jax.bundle import directory as bundles
from dsslic_jax.bundle.model import Bundle
from dsslic_jax.codec.codec import Codec
from dsslic_jax.data.coded import CodedSource
from dsslic_jax.errors import ConfigError, DataError, ModelError
from dsslic_jax.prepare import coded_pairs
from dsslic_jax.prepare.coded_pairs import write_coded_pairs
from tests.codec.pictures import smooth_picture
from tests.model_fixture import coarse_part, with_weight


@pytest.fixture(scope="module")
def codec(tiny_bundle: Bundle) -> Codec:
    return Codec(tiny_bundle)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Two pictures of 32 x 32 pixels, a.png and b.png."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    for seed, name in enumerate("ab"):
        Image.fromarray(smooth_picture(32, 32, seed)).save(folder / f"{name}.png")
    return folder


def files(folder: Path) -> dict[str, int]:
    """Every file below a folder, with the time when it was written."""
    found = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.stat().st_mtime_ns for path in found}


def test_pairs_are_what_the_codec_gives_back(codec: Codec, source: Path, tmp_path: Path) -> None:
    summary = write_coded_pairs(source, tmp_path / "set/train", [codec], [50, 25])
    assert (summary.written, summary.kept, summary.failed) == (2, 0, ())
    pairs = CodedSource(tmp_path / "set", "train", codec.bundle.classes)
    found = [pairs[index] for index in range(len(pairs))]
    assert [int(pair["strength"]) for pair in found] == [102, 153] * 2
    for pair, seed, quality in zip(found, (0, 0, 1, 1), (50, 25, 50, 25), strict=True):
        picture = smooth_picture(32, 32, seed)
        settings = replace(codec.settings, quality=quality)
        decoded = codec.decode(codec.encode(picture, settings=settings))
        np.testing.assert_array_equal(pair["image"], picture)
        assert decoded.picture is not None and decoded.labels is not None
        np.testing.assert_array_equal(pair["decoded"], decoded.picture)
        np.testing.assert_array_equal(pair["labels"], decoded.labels)
    assert not np.array_equal(found[0]["decoded"], found[1]["decoded"])


def test_a_stopped_run_goes_on_and_a_finished_one_is_kept(
    codec: Codec, source: Path, tmp_path: Path
) -> None:
    target = tmp_path / "train"
    write_coded_pairs(source, target, [codec], [25])
    before = files(target)
    for lost in ("decoded/153/b.png", "images/b.png"):  # as if it had been stopped at b
        (target / lost).unlink()
    summary = write_coded_pairs(source, target, [codec], [25])
    assert (summary.written, summary.kept) == (1, 1)
    after = files(target)
    assert set(after) == set(before)
    assert {name for name in after if after[name] == before[name]} == {
        "decoded/153/a.png",
        "images/a.png",
        "labels/a.png",
    }
    summary = write_coded_pairs(source, target, [codec], [25, 50])
    assert (summary.written, summary.kept) == (2, 0)
    assert files(target)["decoded/153/a.png"] == before["decoded/153/a.png"]
    assert {"decoded/102/a.png", "decoded/102/b.png"} <= set(files(target))


def test_label_maps_that_are_given_are_coded(codec: Codec, source: Path, tmp_path: Path) -> None:
    labels = tmp_path / "labels"
    labels.mkdir()
    for name in "ab":
        Image.fromarray(np.full((32, 32), 5, np.uint8)).save(labels / f"{name}.png")
    write_coded_pairs(source, tmp_path / "train", [codec], [25], labels=labels)
    with Image.open(tmp_path / "train/labels/b.png") as written:
        assert (np.asarray(written) == 5).all()
    (labels / "b.png").unlink()
    with pytest.raises(DataError, match=r"b\.png: no label map"):
        write_coded_pairs(source, tmp_path / "train", [codec], [25], labels=labels)


def test_another_model_takes_another_target(
    codec: Codec, source: Path, tmp_path: Path, tiny_bundle: Bundle
) -> None:
    write_coded_pairs(source, tmp_path / "train", [codec], [25])
    other = Codec(with_weight(tiny_bundle, "finenet/head/kernel", 0.1))
    with pytest.raises(ConfigError, match="coded with another model"):
        write_coded_pairs(source, tmp_path / "train", [other], [25])


@pytest.mark.parametrize(
    ("qualities", "message"),
    [([], "are 0"), ([101], "are 0"), ([float("nan")], "are 0"), ([30, 30.1], "same strength")],
)
def test_qualities_must_be_of_use(
    codec: Codec, source: Path, tmp_path: Path, qualities: list[float], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        write_coded_pairs(source, tmp_path / "train", [codec], qualities)
    assert not (tmp_path / "train").exists()


def test_without_segnet_and_label_maps_nothing_is_coded(
    source: Path, tmp_path: Path, tiny_bundle: Bundle
) -> None:
    with pytest.raises(ModelError, match="no SegNet"):
        write_coded_pairs(source, tmp_path / "train", [Codec(coarse_part(tiny_bundle))], [25])


def test_the_command_tells_what_it_did_and_what_failed(
    source: Path,
    tmp_path: Path,
    tiny_bundle: Bundle,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def command(model: str) -> int:
        paths = f"--model {tmp_path / model} --source {source} --target {tmp_path / 'train'}"
        monkeypatch.setattr(sys, "argv", ["coded_pairs", *paths.split(), "--qualities", "25"])
        return coded_pairs.main()

    monkeypatch.setattr("jax.local_devices", lambda: [None])  # not all eight simulated ones
    bundles.save(tiny_bundle, tmp_path / "model")
    (source / "c.png").write_bytes(b"damaged")
    assert command("model") == 1
    said = capsys.readouterr()
    assert "2 coded, 0 kept, 1 failed" in said.out
    assert "c.png: cannot be read" in said.err
    (source / "c.png").unlink()
    assert command("model") == 0
    assert "0 coded, 2 kept, 0 failed" in capsys.readouterr().out
    assert command("nowhere") == 1
    assert capsys.readouterr().err.startswith("error: ")
