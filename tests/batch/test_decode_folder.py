"""Folders of streams: what is decoded, kept, told and refused."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import dsslic_jax
from dsslic_jax import api
from dsslic_jax.batch.folders import decode_folder
from dsslic_jax.bundle.model import Bundle
from dsslic_jax.codec.codec import Codec
from dsslic_jax.codec.stream import container
from dsslic_jax.errors import DataError
from tests.codec.pictures import smooth_picture

STREAMS, DECODED = Path("streams"), Path("decoded")
PICTURE = smooth_picture(32, 32)


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DSSLIC_MODELS", str(tmp_path / "known"))
    monkeypatch.setattr(api, "_codecs", type(api._codecs)())  # a model loaded anew is remembered
    monkeypatch.chdir(tmp_path)
    (STREAMS / "inner").mkdir(parents=True)


@pytest.fixture(scope="module")
def codec(tiny_bundle: Bundle) -> Codec:
    return Codec(tiny_bundle)


@pytest.fixture(scope="module")
def stream(codec: Codec) -> bytes:
    return codec.encode(PICTURE)


def read(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image)


def test_streams_decode_to_pictures_layers_and_label_maps(codec: Codec, stream: bytes) -> None:
    for name in ("a.dsslic", "inner/b.dsslic"):
        (STREAMS / name).write_bytes(stream)
    (STREAMS / "broken.dsslic").write_bytes(b"no stream")
    wanted = codec.decode(stream)
    summary = decode_folder(STREAMS, DECODED, [codec], suffix=".tif")
    assert (summary.written, summary.kept, summary.bits_per_pixel) == (2, 0, None)
    assert [path.name for path, _ in summary.failed] == ["broken.dsslic"]
    decode_folder(STREAMS, Path("coarse"), [codec], upto="c")
    decode_folder(STREAMS, Path("labels"), upto="s")  # needs no model
    for name in ("a", "inner/b"):
        np.testing.assert_array_equal(read(DECODED / f"{name}.tif"), wanted.picture)
        np.testing.assert_array_equal(read(Path("coarse", f"{name}.png")), wanted.coarse)
        np.testing.assert_array_equal(read(Path("labels", f"{name}.png")), wanted.labels)


def test_pictures_that_are_current_are_kept(codec: Codec, stream: bytes) -> None:
    (STREAMS / "a.dsslic").write_bytes(stream)
    for overwrite, wanted in ((False, (1, 0)), (False, (0, 1)), (True, (1, 0))):
        summary = decode_folder(STREAMS, DECODED, [codec], overwrite=overwrite)
        assert (summary.written, summary.kept) == wanted


def test_suffixes_that_cannot_be_written_are_refused_before_any_work(
    codec: Codec, stream: bytes
) -> None:
    (STREAMS / "a.dsslic").write_bytes(stream)
    with pytest.raises(DataError, match="written without loss"):
        decode_folder(STREAMS, DECODED, [codec], suffix=".jpg")
    with pytest.raises(DataError, match=r"label maps are written as \.png"):
        decode_folder(STREAMS, DECODED, [codec], suffix=".tif", upto="s")
    assert not DECODED.exists()


def test_cut_streams_decode_as_far_as_they_go_and_are_told(codec: Codec, stream: bytes) -> None:
    lengths = container.layer_lengths(stream)
    (STREAMS / "a.dsslic").write_bytes(stream[:-1])
    (STREAMS / "b.dsslic").write_bytes(stream[: lengths["header"] + lengths["s"]])
    told: list[str] = []
    summary = decode_folder(STREAMS, DECODED, [codec], report=told.append)
    assert told == [f"{STREAMS / 'a.dsslic'}: cut; decoded up to layer c"]
    assert summary.written == 1 and "before the end of layer c" in summary.failed[0][1]
    np.testing.assert_array_equal(read(DECODED / "a.png"), codec.decode(stream).coarse)


def test_grey_streams_decode_to_grey_pictures(codec: Codec) -> None:
    (STREAMS / "a.dsslic").write_bytes(dsslic_jax.encode(PICTURE[..., 0], codec))
    decode_folder(STREAMS, DECODED, [codec])
    assert read(DECODED / "a.png").shape == (32, 32)


def test_streams_find_their_known_models_by_themselves(tiny_model: Path) -> None:
    data = dsslic_jax.encode(PICTURE, tiny_model)
    (STREAMS / "a.dsslic").write_bytes(data)
    assert decode_folder(STREAMS, DECODED).written == 1
    np.testing.assert_array_equal(read(DECODED / "a.png"), dsslic_jax.decode(data).pixels)
