"""A folder of two pictures with label maps, a codec without networks, and nothing of the user's own touched."""

from pathlib import Path

import pytest

from dsslic_jax.evaluate.codecs import registry
from tests.evaluate.fake_codec import FakeCodec, FakeDsslic
from tests.evaluate.folders import write_labels, write_picture


@pytest.fixture(autouse=True)
def _known_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DSSLIC_MODELS", str(tmp_path / "known"))


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Two pictures, one of them large enough for MS-SSIM, named against their order of making."""
    write_picture(tmp_path / "images" / "b.png", 61, 45)
    write_picture(tmp_path / "images" / "a.png", 163, 170)
    (tmp_path / "images" / "notes.txt").write_text("no picture")
    return tmp_path / "images"


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    write_labels(tmp_path / "labels" / "a.png", 163, 170)
    write_labels(tmp_path / "labels" / "b.png", 61, 45)
    return tmp_path / "labels"


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> FakeCodec:
    """The codec that "dsslic" is during the test; settings 30 and 80."""
    codec = FakeCodec()
    monkeypatch.setattr(FakeDsslic, "settings", (30, 80))
    monkeypatch.setitem(registry.FACTORIES, "dsslic", lambda name, sources: FakeDsslic(codec))
    return codec
