"""SegNet against a labelled folder: counts, and what is told of them."""

import csv
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dsslic_jax import cli
from dsslic_jax.bundle import directory as bundles
from dsslic_jax.bundle.model import Bundle
from dsslic_jax.classes.table import class_table
from dsslic_jax.codec.networks.segmenter import Segmenter
from dsslic_jax.evaluate.segmentation import agreement, confusion_csv, format_agreement
from dsslic_jax.system.files import write_png
from tests.evaluate.folders import read_picture, write_labels, write_picture

TABLE = replace(class_table("camvid"), names=("sky", "road", "car", "void"), void_ids=(3,))
# sky: 3 of 4 right; road: 2 of 4; car: not there, but called once, as is void; true void is left out.
TRUTH = np.array([[0, 0, 0, 0], [1, 1, 1, 1], [3, 3, 3, 3]], np.uint8)
CALLED = np.array([[0, 0, 0, 1], [1, 1, 2, 3], [0, 1, 2, 0]], np.uint8)


def test_scores_are_those_worked_out_by_hand() -> None:
    picture = np.zeros((3, 4, 3), np.uint8)
    found = agreement([(picture, TRUTH)] * 2, lambda _: CALLED, TABLE)
    assert found.pictures == 2 and found.confusion.sum() == 16
    assert found.pixel_accuracy == 5 / 8
    ious = [found.class_iou(class_id) for class_id in range(4)]
    assert ious == [3 / 4, 2 / 5, 0.0, None]
    assert found.mean_iou == pytest.approx((3 / 4 + 2 / 5 + 0) / 3)
    lines = format_agreement(found).splitlines()
    assert lines[0] == "2 pictures, pixel accuracy 0.6250, mean IoU 0.3833"
    assert [" ".join(line.split()) for line in lines[1:]] == [
        "class pixels IoU called",
        "sky 50.00% 0.7500 sky 75.0%, road 25.0%",
        "road 50.00% 0.4000 road 50.0%, car 25.0%, void 25.0%",
        "car 0.00% 0.0000 -",
    ]
    rows = [*csv.DictReader(confusion_csv(found).decode().splitlines())]
    assert [row["true_class"] for row in rows] == ["sky", "road", "car", "void"]
    assert rows[0] == {
        "true_class": "sky",
        "pixels": "8",
        "iou": "0.75",
        **{"called sky": "6", "called road": "2", "called car": "0", "called void": "0"},
    }
    assert rows[3]["iou"] == ""


def test_labels_that_are_void_everywhere_give_no_score() -> None:
    void = np.full((3, 4), 3, np.uint8)
    found = agreement([(np.zeros((3, 4, 3), np.uint8), void)], lambda _: CALLED, TABLE)
    assert math.isnan(found.pixel_accuracy) and math.isnan(found.mean_iou)
    assert format_agreement(found).splitlines()[1:] == ["class  pixels  IoU  called"]


def test_a_labelled_folder_is_scored_by_the_command(
    tiny_model: Path,
    tiny_bundle: Bundle,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    segment = Segmenter(tiny_bundle)
    for name in "ab":
        write_picture(tmp_path / "images" / f"{name}.png", 40, 56 if name == "a" else 48)
        made = segment(read_picture(tmp_path / "images" / f"{name}.png"))
        write_png(tmp_path / "labels" / f"{name}.png", made)
    command = ["score", "--model", str(tiny_model), "--images", str(tmp_path / "images")]
    command += ["--labels", str(tmp_path / "labels"), "--csv", str(tmp_path / "out.csv")]
    assert cli.main(command) == 0
    assert capsys.readouterr().out.startswith(
        "2 pictures, pixel accuracy 1.0000, mean IoU 1.0000\n"
    )
    with (tmp_path / "out.csv").open() as file:
        rows = [*csv.DictReader(file)]
    assert sum(int(row["pixels"]) for row in rows) == 40 * (56 + 48)
    bundles.save(tiny_bundle, tmp_path / "model")
    recorded = [
        *command,
        "--overwrite",
        "--model",
        str(tmp_path / "model"),
        "--record",
        "two of ours",
    ]
    for _ in range(2):
        assert cli.main(recorded) == 0
    (told,) = bundles.load(tmp_path / "model").metrics["segnet"]  # once, however often measured
    assert told["pictures"] == "two of ours"
    assert told["rows"] == [{"pixel_accuracy": 1.0, "mean_iou": 1.0}]
    write_labels(tmp_path / "labels" / "a.png", 41, 56)
    assert cli.main([*command, "--overwrite"]) == 1
    assert "a.png" in capsys.readouterr().err
