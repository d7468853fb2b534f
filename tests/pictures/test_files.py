"""Picture files in and out: what is converted, what is refused by name, and what survives."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from dsslic_jax.errors import ConfigError, DataError
from dsslic_jax.metrics import psnr_rgb_db
from dsslic_jax.pictures import reading as pictures
from dsslic_jax.pictures.files import read_size, read_source, suffixes
from dsslic_jax.pictures.reading import UnreadablePicture
from tests.codec.pictures import smooth_picture
from tests.pictures.fixture import file_of

PIXELS = smooth_picture(12, 18)


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("PNG", {}),
        ("TIFF", {}),
        ("TIFF", {"compression": "tiff_lzw"}),
        ("BMP", {}),
        ("WEBP", {"lossless": True}),
        ("PPM", {}),
        ("JPEG2000", {"irreversible": False}),
        ("QOI", {}),
        ("SGI", {}),
        ("TGA", {}),
    ],
)
def test_lossless_formats_are_read_exactly(kind: str, options: dict[str, Any]) -> None:
    source = read_source(file_of(PIXELS, kind, **options))
    np.testing.assert_array_equal(source.pixels, PIXELS)
    assert not source.grey and source.metadata == {}


@pytest.mark.parametrize("kind", ["JPEG", "AVIF", "GIF"])
def test_lossy_formats_are_read_as_pillow_decodes_them(kind: str) -> None:
    file = file_of(PIXELS, kind)
    with Image.open(io.BytesIO(file.getvalue())) as image:
        np.testing.assert_array_equal(read_source(file).pixels, image.convert("RGB"))


@pytest.mark.parametrize("mode", ["1", "L"])
def test_grey_pictures_have_three_equal_channels_and_say_so(mode: str) -> None:
    grey = Image.fromarray(PIXELS).convert(mode)
    source = read_source(file_of(grey, "PNG"))
    assert source.grey
    for channel in range(3):
        np.testing.assert_array_equal(source.pixels[..., channel], grey.convert("L"))


def test_palette_pictures_become_rgb() -> None:
    palette = Image.fromarray(PIXELS).quantize(16)
    source = read_source(file_of(palette, "PNG"))
    assert not source.grey
    np.testing.assert_array_equal(source.pixels, palette.convert("RGB"))


@pytest.mark.parametrize("mode", ["RGBA", "LA", "PA"])
def test_transparency_is_refused_laid_on_a_colour_or_dropped(mode: str) -> None:
    image = Image.fromarray(PIXELS).convert("L" if mode == "LA" else "RGB")
    image.putalpha(Image.fromarray(np.repeat(np.arange(12, dtype=np.uint8)[:, None] * 20, 18, 1)))
    if mode == "PA":
        image = image.quantize(64, Image.Quantize.FASTOCTREE)  # a PNG with alphas in its palette
    file = file_of(image, "PNG").getvalue()
    with pytest.raises(DataError, match=r"x\.png: is transparent.*--alpha white or black"):
        read_source(io.BytesIO(file), name="x.png")
    rgba = np.asarray(image.convert("RGBA")).astype(float)
    colour, share = rgba[..., :3], rgba[..., 3:] / 255
    for alpha, wanted in (
        ("white", colour * share + 255 * (1 - share)),
        ("black", colour * share),
        ("drop", colour),
    ):
        source = read_source(io.BytesIO(file), alpha=alpha)
        assert source.grey == (mode == "LA")
        assert np.abs(source.pixels - wanted).max() <= 0.5 + 1e-9


def test_one_transparent_colour_is_transparency_too() -> None:
    grey = np.array([[10, 20, 30]], np.uint8)
    file = file_of(grey, "PNG", transparency=20).getvalue()
    with pytest.raises(DataError, match="is transparent"):
        read_source(io.BytesIO(file))
    source = read_source(io.BytesIO(file), alpha="white")
    assert source.grey and source.pixels[0, :, 0].tolist() == [10, 255, 30]


def test_alpha_that_is_opaque_everywhere_is_no_transparency() -> None:
    opaque = np.dstack([PIXELS, np.full(PIXELS.shape[:2], 255, np.uint8)])
    np.testing.assert_array_equal(read_source(file_of(opaque, "PNG")).pixels, PIXELS)


@pytest.mark.parametrize("kind", ["GIF", "PNG", "TIFF", "WEBP"])
def test_animations_and_pages_are_refused(kind: str) -> None:
    frames = [Image.fromarray(PIXELS), Image.fromarray(PIXELS[::-1])]
    file = file_of(frames[0], kind, save_all=True, append_images=frames[1:])
    with pytest.raises(DataError, match="holds several pictures"):
        read_source(file)


def test_the_first_picture_of_a_phone_s_mpo_is_the_picture() -> None:
    frames = [Image.fromarray(PIXELS), Image.fromarray(PIXELS[::2, ::2])]
    file = file_of(frames[0], "MPO", save_all=True, append_images=frames[1:])
    with Image.open(io.BytesIO(file.getvalue())) as image:
        assert image.n_frames == 2  # type: ignore[attr-defined]
        np.testing.assert_array_equal(read_source(file).pixels, image)


def test_formats_that_start_other_programs_are_not_read() -> None:
    postscript = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 4 4\n%%EndComments\nshowpage\n"
    with pytest.raises(UnreadablePicture, match="cannot be read as a picture"):
        read_source(io.BytesIO(postscript))
    assert {".png", ".jpg", ".tif", ".webp", ".avif"} <= suffixes()
    assert not {".eps", ".dsslic", ".mpg", ".wmf"} & suffixes()


@pytest.mark.parametrize("content", [b"", b"no picture", b"\x89PNG\r\n\x1a\nbroken"])
def test_what_is_no_picture_is_named(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "bad.png"
    path.write_bytes(content)
    for read in (read_source, read_size):
        with pytest.raises(UnreadablePicture, match=r"bad\.png: cannot be read as a picture"):
            read(path)  # type: ignore[operator]


def test_too_many_pixels_are_refused_before_decoding(monkeypatch: pytest.MonkeyPatch) -> None:
    file = file_of(PIXELS, "TIFF").getvalue()
    image = Image.fromarray(PIXELS)
    monkeypatch.setattr(pictures, "MAX_PIXELS", PIXELS[..., 0].size)
    assert read_source(io.BytesIO(file)).pixels.shape == PIXELS.shape
    monkeypatch.setattr(pictures, "MAX_PIXELS", PIXELS[..., 0].size - 1)
    for kind in (io.BytesIO(file), image):
        with pytest.raises(DataError, match="18x12 pixels are more than the limit"):
            read_source(kind)


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_pillow_does_not_warn_of_large_pictures_within_the_limit(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = file_of(PIXELS, kind).getvalue()
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", PIXELS[..., 0].size - 1)
    with pytest.raises(Image.DecompressionBombWarning), Image.open(io.BytesIO(file)):
        pass  # what Pillow says by itself
    np.testing.assert_array_equal(read_source(io.BytesIO(file)).pixels, PIXELS)


def test_unknown_options_are_refused() -> None:
    with pytest.raises(ConfigError, match="alpha must be one of refuse, white, black, drop"):
        read_source(file_of(PIXELS, "PNG"), alpha="green")
    with pytest.raises(ConfigError, match="deep must be one of refuse, round"):
        read_source(file_of(PIXELS, "PNG"), deep="clip")


def test_heic_photographs_are_read_where_their_package_is_there(tmp_path: Path) -> None:
    import pillow_heif

    path = tmp_path / "photo.heic"
    picture = smooth_picture(48, 64)
    pillow_heif.from_bytes("RGB", (64, 48), picture.tobytes()).save(path, quality=100)
    assert ".heic" in suffixes() and read_size(path) == (48, 64)
    assert psnr_rgb_db(read_source(path).pixels, picture) > 35
