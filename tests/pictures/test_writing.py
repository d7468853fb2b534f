"""Decoded pictures as files: without loss, read back, told where something is lost."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dsslic_jax.errors import DataError
from dsslic_jax.pictures import writing
from dsslic_jax.pictures.writing import LABEL_MAP, PICTURE, label_file, one_channel, picture_file
from tests.codec.pictures import smooth_picture

PIXELS = smooth_picture(12, 18)


def test_grey_pictures_are_written_with_one_channel() -> None:
    for suffix, mode in ((".png", "L"), (".tif", "L"), (".ppm", "L"), (".webp", "RGB")):
        data, notes = picture_file(f"out{suffix}", np.dstack([PIXELS[..., 0]] * 3), grey=True)
        assert notes == []
        with Image.open(io.BytesIO(data)) as image:
            assert image.mode == mode
            np.testing.assert_array_equal(image.convert("L"), PIXELS[..., 0])


def test_one_channel_of_a_decoded_grey_picture_is_its_luma() -> None:
    pixels = np.array([[[10, 10, 10], [255, 255, 255], [100, 110, 90]]], np.uint8)
    # 0.299 * 100 + 0.587 * 110 + 0.114 * 90 = 104.73
    assert one_channel(pixels).tolist() == [[10, 255, 105]]


@pytest.mark.parametrize("name", ["out.jpg", "out.avif", "out.gif"])
def test_lossy_formats_are_not_written(name: str) -> None:
    with pytest.raises(DataError, match=f"{name}: decoded pictures are written without loss"):
        picture_file(name, PIXELS)


def test_what_a_format_does_not_take_is_told() -> None:
    with pytest.raises(DataError, match=r"out\.webp: cannot be written as WEBP .*try \.png"):
        picture_file("out.webp", np.zeros((1, 16384, 3), np.uint8))  # WebP ends at 16383
    with pytest.raises(DataError, match=r"out\.tif: cannot be written as TIFF"):
        picture_file("out.tif", PIXELS, metadata={"exif": b"no exif"})


def test_a_picture_that_comes_back_as_another_is_not_called_done(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(writing._SAVE_OPTIONS, "WEBP", {"quality": 10})  # with loss
    with pytest.raises(DataError, match="came back as another picture"):
        picture_file("out.webp", PIXELS)


def test_pngs_of_this_program_are_known_as_such(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(picture_file("a.png", PIXELS)[0])
    assert PICTURE.is_ours(path)
    path.write_bytes(label_file(PIXELS[..., 0], [(0, 0, 0)] * 256))
    assert LABEL_MAP.is_ours(path)
    Image.fromarray(PIXELS).save(path)
    assert not PICTURE.is_ours(path)
