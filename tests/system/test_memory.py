"""Memory that networks may take: decided before they run."""

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dsslic_jax.bundle.model import Bundle
from dsslic_jax.codec.codec import Codec
from dsslic_jax.codec.networks import segmenter
from dsslic_jax.codec.networks.segmenter import SEGMENTED_PIXELS
from dsslic_jax.codec.stream.container import read_header, write
from dsslic_jax.errors import TooLarge
from dsslic_jax.system import memory
from tests.codec.pictures import smooth_picture


@pytest.fixture(autouse=True)
def _no_limit() -> Iterator[None]:
    yield
    memory.set_limit(None)


def test_sizes_are_written_with_their_units() -> None:
    sizes = {"4GiB": 4 << 30, "600MiB": 600 << 20, "1.5 KiB": 1536, "123": 123}
    assert {text: memory.parse_bytes(text) for text in sizes} == sizes
    for text in ("", "0", "4GB", "-1", "nan", "1e9", "4 G"):
        with pytest.raises(ValueError, match="no size such as 4GiB"):
            memory.parse_bytes(text)


def test_what_needs_more_than_is_allowed_is_refused_with_both_figures() -> None:
    memory.set_limit(1 << 30)
    memory.require(1 << 30, "it")
    with pytest.raises(
        TooLarge, match=r"it needs about 3\.0 GiB .* 1\.0 GiB are allowed.*--max-mem"
    ):
        memory.require(3 << 30, "it")
    memory.set_limit(None)
    memory.require(1 << 20, "it")
    with pytest.raises(TooLarge):
        memory.require(1e18, "it")


def test_shortage_is_told_whoever_meets_it() -> None:
    for error in (MemoryError(), RuntimeError("RESOURCE_EXHAUSTED: Out of memory")):
        with pytest.raises(TooLarge, match="not enough memory for it"), memory.shortage_told("it"):
            raise error
    with pytest.raises(RuntimeError, match="other"), memory.shortage_told("it"):
        raise RuntimeError("other")


def test_a_stream_is_refused_before_anything_of_it_is_decoded(tiny_bundle: Bundle) -> None:
    codec = Codec(tiny_bundle)
    data = codec.encode(smooth_picture(64, 64))
    memory.set_limit(1 << 10)
    codec.coders = None  # type: ignore[assignment]  # which decoding would ask for
    with pytest.raises(TooLarge, match="a picture of this size, by this model, needs"):
        codec.decode(data)


@pytest.mark.parametrize("size", [(1, 1 << 20), (1 << 20, 1), (3, 1 << 22), (5000, 5000)])
def test_what_segnet_sees_is_bounded_with_its_padding(
    size: tuple[int, int], tiny_bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []
    made = segmenter.Segmenter(tiny_bundle)

    def run(variables: object, picture: np.ndarray) -> np.ndarray:
        seen.append(picture[..., 0].size)
        return np.zeros(picture.shape[:2], np.uint8)

    monkeypatch.setattr(made, "_run", run)
    assert made(np.zeros((*size, 3), np.uint8)).shape == size
    assert seen[0] <= 2 * SEGMENTED_PIXELS


def test_hostile_sizes_are_refused_before_jax_is_loaded(
    tmp_path: Path, tiny_model: Path, tiny_bundle: Bundle
) -> None:
    header = read_header(Codec(tiny_bundle).encode(smooth_picture(64, 64)))
    large = replace(header, width=1 << 20, height=1, layers=())
    stream = tmp_path / "large.dsslic"
    stream.write_bytes(write(large, [("c", "context", b"x")]))
    code = (
        "import sys; from dsslic_jax.cli import main; "
        f"status = main(['decode', {str(stream)!r}, 'out.png', '--model', {str(tiny_model)!r}]); "
        "sys.exit(status if 'jax' not in sys.modules else 3)"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code], check=False, cwd=tmp_path, capture_output=True, text=True
    )
    assert ran.returncode == 1 and "a picture of this size, by this model, needs" in ran.stderr
