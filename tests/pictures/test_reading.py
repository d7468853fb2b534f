"""Reading pictures and label maps: what is converted, and what is refused by name."""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dsslic_jax.classes.table import class_table
from dsslic_jax.errors import DataError
from dsslic_jax.pictures import reading as pictures
from dsslic_jax.pictures.reading import UnreadablePicture, read_label_map, read_picture

CAMVID = class_table("camvid")


def png_of(array: np.ndarray, mode: str | None = None) -> io.BytesIO:
    image = Image.fromarray(array)
    file = io.BytesIO()
    (image.convert(mode) if mode else image).save(file, "PNG")
    return io.BytesIO(file.getvalue())


def png_header(width: int, height: int) -> io.BytesIO:
    """A PNG that declares a size and holds no pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    size = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = chunk(b"IHDR", size) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")
    return io.BytesIO(b"\x89PNG\r\n\x1a\n" + data)


def test_png_picture_is_read_exactly() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    np.testing.assert_array_equal(read_picture(png_of(picture), "x"), picture)


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "LA", "1"])
def test_other_colour_modes_become_rgb(mode: str) -> None:
    white = np.full((4, 6, 3), 255, np.uint8)
    read = read_picture(png_of(white, mode), "x")
    assert read.dtype == np.uint8
    np.testing.assert_array_equal(read, white)


def test_transparent_pictures_are_refused() -> None:
    clear = np.zeros((4, 6, 4), np.uint8)
    with pytest.raises(DataError, match="x: is transparent; lay it on a colour first"):
        read_picture(png_of(clear), "x")


def test_pictures_are_turned_as_exif_wants_where_no_label_map_belongs_to_them() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    exif = Image.Exif()
    exif[0x0112] = 6  # a quarter to the right
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "PNG", exif=exif)
    np.testing.assert_array_equal(read_picture(file, "x"), picture)
    np.testing.assert_array_equal(read_picture(file, "x", upright=True), np.rot90(picture, -1))


def test_16_bit_grey_picture_is_refused() -> None:
    with pytest.raises(DataError, match="deep: has more than 8 bits"):
        read_picture(png_of(np.full((4, 4), 40000, np.uint16)), "deep")


def test_16_bit_colour_picture_is_refused() -> None:
    rows = b"".join(b"\x00" + b"\x12\x34" * 3 * 2 for _ in range(2))
    file = png_header(2, 2).getvalue()
    header = b"IHDR" + struct.pack(">IIBBBBB", 2, 2, 16, 2, 0, 0, 0)
    body = b"IDAT" + zlib.compress(rows)
    file = file[:8] + b"".join(
        struct.pack(">I", len(part) - 4) + part + struct.pack(">I", zlib.crc32(part))
        for part in (header, body, b"IEND")
    )
    with pytest.raises(DataError, match="more than 8 bits"):
        read_picture(io.BytesIO(file), "deep")


@pytest.mark.parametrize("content", [b"", b"not a picture", b"\xff\xd8\xff\xe0broken"])
def test_undecodable_picture_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "bad.jpg"
    path.write_bytes(content)
    with pytest.raises(UnreadablePicture, match=r"bad\.jpg: cannot be read"):
        read_picture(path)


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UnreadablePicture, match=r"gone\.png"):
        read_picture(tmp_path / "gone.png")


@pytest.mark.parametrize("suffix", ["JPEG", "PNG"])
def test_truncated_picture_is_refused(suffix: str) -> None:
    file = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).save(file, suffix)
    half = file.getvalue()[: len(file.getvalue()) // 2]
    with pytest.raises(UnreadablePicture):
        read_picture(io.BytesIO(half), "half")


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("side", [11_586, 20_000, 60_000])
def test_picture_over_the_pixel_limit_is_refused_before_decoding(side: int) -> None:
    with pytest.raises(DataError, match="big: ") as caught:
        read_picture(png_header(side, side), "big")
    assert not isinstance(caught.value, UnreadablePicture)


def test_picture_at_the_pixel_limit_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "MAX_PIXELS", 12)
    assert read_picture(png_of(np.zeros((3, 4, 3), np.uint8)), "x").shape == (3, 4, 3)
    with pytest.raises(DataError, match="limit of 12"):
        read_picture(png_of(np.zeros((3, 5, 3), np.uint8)), "x")


def test_format_other_than_jpeg_and_png_is_refused() -> None:
    file = io.BytesIO()
    Image.new("RGB", (4, 4)).save(file, "GIF")
    with pytest.raises(UnreadablePicture, match="JPEG or PNG"):
        read_picture(io.BytesIO(file.getvalue()), "x")


def test_label_map_is_read_exactly() -> None:
    labels = np.random.default_rng(0).integers(0, 12, (5, 7), dtype=np.uint8)
    np.testing.assert_array_equal(read_label_map(png_of(labels), CAMVID, "x"), labels)


def test_palette_label_map_gives_indices_not_colours() -> None:
    labels = np.array([[0, 1, 2], [3, 11, 5]], np.uint8)
    image = Image.fromarray(labels)
    image.putpalette([value for colour in CAMVID.palette for value in colour])
    for bits in (8, 4):
        file = io.BytesIO()
        image.save(file, "PNG", bits=bits)
        read = read_label_map(io.BytesIO(file.getvalue()), CAMVID, "x")
        np.testing.assert_array_equal(read, labels)


def test_cityscapes_255_is_remapped_on_reading() -> None:
    read = read_label_map(png_of(np.array([[7, 255]], np.uint8)), class_table("cityscapes"), "x")
    np.testing.assert_array_equal(read, [[7, 34]])


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "LA", "1"])
def test_label_map_with_other_samples_is_refused(mode: str) -> None:
    with pytest.raises(DataError, match="8-bit single-channel PNG"):
        read_label_map(png_of(np.zeros((4, 4), np.uint8), mode), CAMVID, "x")


def test_16_bit_label_map_is_refused() -> None:
    with pytest.raises(DataError, match="8-bit single-channel PNG"):
        read_label_map(png_of(np.zeros((4, 4), np.uint16)), CAMVID, "x")


def test_4_bit_grey_label_map_is_refused() -> None:
    header = b"IHDR" + struct.pack(">IIBBBBB", 2, 1, 4, 0, 0, 0, 0)
    body = b"IDAT" + zlib.compress(b"\x00\x12")
    file = b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(part) - 4) + part + struct.pack(">I", zlib.crc32(part))
        for part in (header, body, b"IEND")
    )
    with pytest.raises(DataError, match="L;4"):
        read_label_map(io.BytesIO(file), CAMVID, "x")


def test_jpeg_label_map_is_refused() -> None:
    file = io.BytesIO()
    Image.new("L", (8, 8)).save(file, "JPEG")
    with pytest.raises(DataError, match="must be a PNG"):
        read_label_map(io.BytesIO(file.getvalue()), CAMVID, "x")


def test_label_id_outside_the_table_is_refused() -> None:
    with pytest.raises(DataError, match="x: label id 12"):
        read_label_map(png_of(np.full((2, 2), 12, np.uint8)), CAMVID, "x")
