"""Small runs whose files were really coded and measured, and what a page of one holds."""

import base64
import io
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from dsslic_jax.cli import main
from dsslic_jax.evaluate.run import Request, evaluate
from tests.evaluate.folders import write_picture

SETTINGS = {"jpeg": (10, 30, 60, 90), "webp": (0, 30, 75, 95), "dsslic": (20, 60)}
MARKUP = "<img src=x onerror=window.ran=1>"  # as a name: it would run, were it not text
PICTURES = {"first": (168, 200), "second": (176, 164)}  # large enough for MS-SSIM


@dataclass(frozen=True)
class SmallRun:
    """A folder of pictures and the run on it."""

    images: Path
    folder: Path


def make_run(
    folder: Path,
    codecs: tuple[str, ...],
    model: Path | None = None,
    anchor: str | None = None,
    pictures: Mapping[str, tuple[int, int]] = PICTURES,
) -> SmallRun:
    """Codes and measures pictures of (height, width) under protocol fair."""
    for name, size in pictures.items():
        write_picture(folder / "images" / f"{name}.png", *size)
    settings = {name: SETTINGS[name] for name in codecs}
    images, run = folder / "images", folder / "run"
    request = Request(images, run, codecs=codecs, settings=settings, model=model, anchor=anchor)
    with pytest.MonkeyPatch.context() as patch:  # a session's fixture comes before a test's
        patch.setenv("DSSLIC_MODELS", str(folder / "known"))
        evaluate(request)
    return SmallRun(images, run)


def write_page(run: SmallRun, out: Path, *options: str) -> str:
    """`dsslic report` with the pictures; the page."""
    arguments = ["report", str(run.folder), "--images", str(run.images), "--out", str(out)]
    assert main([*arguments, *options]) == 0
    return out.read_text(encoding="utf-8")


def data_of(page: str) -> Any:
    """What the page's scripts build it from."""
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    assert found is not None
    return json.loads(found[1])


def pixels_of(url: str) -> np.ndarray:
    """The picture in a data URL, as RGB."""
    data = base64.b64decode(url.partition(",")[2])
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


class Elements(HTMLParser):
    """Every element of a page: (tag, attributes), and the text of its scripts."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if self.found and self.found[-1][0] == "script" and data.strip():
            self.scripts.append(data)
