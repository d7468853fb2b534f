"""What a run measures when it ends: the layered table, where things lie, and whether FineNet earned its place."""

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dsslic_jax.bundle import directory as bundles
from dsslic_jax.bundle.model import Bundle
from dsslic_jax.data.sources import open_source
from dsslic_jax.errors import TrainingStopped
from dsslic_jax.evaluate.training import measure_held_back, measure_segmentation
from tests.configurations import settings_of, small_compression, small_segmentation
from tests.model_fixture import make_bundle

FINEST = ("dsslic:files", "r1", 55.0)  # codec, layer and setting of a row


@pytest.fixture(scope="module")
def scenes_bundle() -> Bundle:
    return make_bundle(table="scenes")


def with_head(bundle: Bundle, brightness: float) -> Bundle:
    """The bundle with FineNet's answer replaced by one value everywhere."""
    head = {
        n: np.zeros_like(bundle.weights[n]) for n in bundle.weights if n.startswith("finenet/head")
    }
    head["finenet/head/bias"] = np.full(3, np.arctanh(brightness), np.float32)
    grey = {n: np.zeros_like(w) for n, w in bundle.weights.items() if n.startswith("compnet/head")}
    return bundle.with_weights({**bundle.weights, **head, **grey})


def test_the_table_the_files_and_their_places_are_told(
    scenes_bundle: Bundle, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = settings_of(small_compression())
    mean = np.mean([open_source(config.data, "test")[i]["image"].mean() for i in range(2)])
    helpful = with_head(scenes_bundle, float(mean / 127.5 - 1))
    bundles.save(helpful, tmp_path / "model")
    measure_held_back(config.data, config.after.qualities, tmp_path / "model", tmp_path)
    said = capsys.readouterr().out
    for name in ("checkpoints", "model", "evaluation/streams", "held_back/image", "samples"):
        assert str(tmp_path / name) in said
    with (tmp_path / "evaluation" / "per_picture.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["codec"] == "dsslic"]
    assert {row["layer"] for row in rows} == {"s", "c", "r1"}
    assert len(rows) == 2 * 3 * len(config.after.qualities)
    assert len(list((tmp_path / "evaluation" / "streams").rglob("*.dsslic"))) == 2 * len(
        config.after.qualities
    )
    (told,) = bundles.load(tmp_path / "model").metrics["coarse"]
    assert told["pictures"] == "2 pictures of scenes/test, whole"
    assert told["protocol"].startswith("fair: rate is bits per pixel of the whole file")
    (row,) = (r for r in told["rows"] if (r["codec"], r["layer"], r["setting"]) == FINEST)
    finest = [r for r in rows if (r["layer"], float(r["setting"])) == FINEST[1:]]
    assert row["psnr_rgb_db"] == pytest.approx(np.mean([float(r["psnr_rgb_db"]) for r in finest]))
    source = open_source(config.data, "test")
    with Image.open(tmp_path / "held_back" / "image" / f"{source[0]['name']}.png") as kept:
        np.testing.assert_array_equal(np.asarray(kept), source[0]["image"])


def test_a_finenet_that_makes_pictures_worse_ends_in_an_error(
    scenes_bundle: Bundle, tmp_path: Path
) -> None:
    bundles.save(with_head(scenes_bundle, -0.99), tmp_path / "model")
    config = settings_of(small_compression())
    with pytest.raises(TrainingStopped, match="train longer"):
        measure_held_back(config.data, config.after.qualities, tmp_path / "model", tmp_path)


def test_segmentation_is_scored_over_labelled_pixels(
    scenes_bundle: Bundle, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # A SegNet that answers one class everywhere: accuracy is that class's share of the labelled pixels.
    head = {
        n: np.zeros_like(w) for n, w in scenes_bundle.weights.items() if "segnet/params/logits" in n
    }
    head["segnet/params/logits/bias"] = np.eye(scenes_bundle.classes.num_classes, dtype=np.float32)[
        2
    ]
    bundles.save(scenes_bundle.with_weights({**scenes_bundle.weights, **head}), tmp_path / "model")
    data = settings_of(small_segmentation()).data
    source = open_source(data, "test")
    labels = np.stack([source[i]["labels"] for i in range(len(source))])
    labelled = ~np.isin(labels, scenes_bundle.classes.void_ids)
    accuracy, iou = measure_segmentation(data, tmp_path / "model")
    share = (labels[labelled] == 2).mean()
    present = set(np.unique(labels[labelled])) | {2}
    assert accuracy == pytest.approx(share)
    assert iou == pytest.approx(share / len(present))
    assert f"pixel accuracy {share:.4f}" in capsys.readouterr().out
    (told,) = bundles.load(tmp_path / "model").metrics["segnet"]
    assert told["pictures"] == "2 pictures of scenes/test"
    assert told["rows"] == [{"pixel_accuracy": accuracy, "mean_iou": iou}]
