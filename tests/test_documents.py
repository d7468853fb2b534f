"""What README.md and docs/*.md say to type does what they say: see `tests/documents.py`."""

import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image

from dsslic_jax import api
from tests.codec.pictures import smooth_picture
from tests.conftest import ROOT
from tests.documents import check_parsed, documents, examples, run, summary

SIZE = 96, 128
WITHOUT_BLOCKS = {"docs/format.md", "docs/glossary.md", "docs/label-coder.md", "docs/settings.md"}
NEEDS_TORCH = {"docs/pytorch.md"}


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A reader's folder, with the pictures that documents name and nothing else."""
    monkeypatch.setenv("DSSLIC_MODELS", str(tmp_path / "known"))
    monkeypatch.setattr(api, "_codecs", type(api._codecs)())
    folder = tmp_path / "here"
    picture = smooth_picture(*SIZE)
    labels = (np.indices(SIZE).sum(0) // 32 % 8).astype(np.uint8)

    def write(name: str, pixels: np.ndarray, **how: object) -> None:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(folder / name, **how)

    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 3
    write("photo.png", picture)
    write("photo.jpg", picture, exif=exif)
    for name in ("one.png", "two.png"):
        write(f"PHOTOS/{name}", picture)
        write(f"LABELS/{name}", labels)
    write("SCENES/train/images/one.png", picture)
    write("CAMVID/test_lossless/images/one.png", picture)
    for split in ("train", "val", "test"):
        for kind, pixels in (("images", picture), ("labels", labels)):
            for data in ("CAMVID", "COCO", "MSRC"):
                write(f"{data}/{split}/{kind}/{data}.png", pixels)
    monkeypatch.chdir(folder)
    return folder


@pytest.mark.parametrize("document", documents())
def test_what_a_document_says_to_type_runs(
    document: str, here: Path, request: pytest.FixtureRequest
) -> None:
    if document in NEEDS_TORCH:
        request.getfixturevalue("torch")
        request.getfixturevalue("onnxruntime")
    found = examples(document)
    blocks = [example for example in found if not example.inline]
    assert bool(blocks) == (document not in WITHOUT_BLOCKS)
    names: dict[str, object] = {}
    for example in blocks:
        if example.runs:
            print(f"{example.where}: {example.text}")
            run(example, names)


def test_what_documents_say_to_type_elsewhere_is_parsed(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for package in ("torch", "onnx", "onnxscript", "onnxruntime"):  # to read options takes no extra
        monkeypatch.setitem(sys.modules, package, None)
    not_run = [example for name in documents() for example in examples(name) if not example.runs]
    assert len(not_run) > 50
    check_parsed(not_run)
    print(summary())


def test_the_quickstart_installs_what_the_readme_makes_of_its_results() -> None:
    script = (ROOT / "launch" / "quickstart.sh").read_text(encoding="utf-8")
    extras = script.partition('prepare_environment "[')[2].partition("]")[0].split(",")
    assert {"train", "evaluate", "report"} <= {*extras}


@pytest.mark.parametrize("name", ["convert", "train_step"])
def test_a_benchmark_says_in_a_line_which_package_it_lacks(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.setattr(sys, "argv", [name])
    with pytest.raises(SystemExit, match="1"):
        runpy.run_module(f"benchmarks.{name}", run_name="__main__")
    said = capsys.readouterr().err
    assert (
        said.startswith("error: this needs torch, of the extra [torch]") and said.count("\n") == 1
    )
