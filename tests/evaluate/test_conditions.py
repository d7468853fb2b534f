"""What a run says of how it was made."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from dsslic_jax.evaluate.measuring import conditions
from dsslic_jax.evaluate.request import Request
from dsslic_jax.evaluate.run import evaluate
from tests.conftest import ROOT
from tests.evaluate.fake_codec import FakeCodec


def test_conditions_name_protocol_versions_settings_and_pictures_but_no_paths(
    images: Path,
    labels: Path,
    fake: FakeCodec,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "argv", [f"{tmp_path}/dsslic", "--images", str(images), "--x=/a/b"])
    request = Request(
        images,
        tmp_path / "run",
        codecs=("dsslic", "jpeg"),
        settings={"jpeg": (5, 50)},
        labels=labels,
        label_sources=("files", "none"),
    )
    evaluate(request)
    text = (tmp_path / "run" / "conditions.json").read_text()
    found = json.loads(text)
    assert str(tmp_path) not in text
    assert found["command"] == ["dsslic", "--images", "images", "--x=b"]
    assert found["protocols"]["fair"]["rate"] == "bits_per_pixel"
    assert found["picture_files"] == ["a.png", "b.png"]
    assert found["labels"] == ["files", "none"]
    assert found["class_table"] == "camvid" and found["model_fingerprint"] == "01fe" * 4
    assert [(c["codec"], c["labels"], c["settings"]) for c in found["codecs"]] == [
        ("dsslic", "files", [30, 80]),
        ("dsslic", "none", [30, 80]),
        ("jpeg", None, [5, 50]),
    ]
    assert "libjpeg-turbo" in found["codecs"][2]["version"]
    assert found["software"]["numpy"] == np.__version__
    assert found["machine"]["cores"] >= 1 and found["machine"]["processor"]


def test_the_commit_is_that_of_the_checkout() -> None:
    if not (ROOT / ".git").exists():
        assert conditions.commit() is None
        return
    command = ["git", "-C", str(ROOT), "rev-parse", "HEAD"]
    head = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    assert conditions.commit() in (head, f"{head}+")
