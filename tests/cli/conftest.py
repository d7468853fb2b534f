"""The folder that each test of the command runs in, and a stream."""

from pathlib import Path

import pytest
from PIL import Image

from dsslic_jax.bundle.model import Bundle
from dsslic_jax.codec.codec import Codec
from tests.cli.commands import LABELS, PICTURE


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Known models and the working directory are this test's own."""
    monkeypatch.setenv("DSSLIC_MODELS", str(tmp_path / "known"))
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    Image.fromarray(PICTURE).save("picture.png")
    Image.fromarray(LABELS).save("labels.png")


@pytest.fixture(scope="module")
def stream(tiny_bundle: Bundle) -> bytes:
    return Codec(tiny_bundle).encode(PICTURE, LABELS)
