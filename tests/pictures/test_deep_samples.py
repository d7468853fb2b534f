"""Pictures of more than 8 bits a sample: found out, refused, or rounded to the nearest."""

import io
from itertools import product

import imagecodecs
import numpy as np
import pytest
from PIL import Image

from dsslic_jax.errors import DataError
from dsslic_jax.pictures.deep_samples import to_8_bits
from dsslic_jax.pictures.files import (
    read_source,
)
from tests.codec.pictures import smooth_picture
from tests.pictures.fixture import file_of, nearest, noise

PIXELS = smooth_picture(12, 18)


@pytest.mark.parametrize("most", [255, 256, 1023, 1000, 65535])
def test_deep_samples_are_rounded_to_the_nearest(most: int) -> None:
    samples = np.arange(most + 1, dtype=np.uint16)
    np.testing.assert_array_equal(to_8_bits(samples, most), nearest(samples, most))


def deep_file(kind: str, samples: np.ndarray) -> bytes:
    """A file of 16-bit samples by other writers than the code under test reads with."""
    if kind == "png":
        return imagecodecs.png_encode(samples)
    if kind == "ppm":
        head = b"P6" if samples.ndim == 3 else b"P5"
        return head + b"\n%d %d\n65535\n" % samples.shape[1::-1] + samples.astype(">u2").tobytes()
    import tifffile

    file = io.BytesIO()
    alpha = samples.ndim == 3 and samples.shape[2] == 4
    tifffile.imwrite(
        file,
        np.moveaxis(samples, 2, 0) if kind == "planar tiff" else samples,
        photometric="rgb" if samples.ndim == 3 else "minisblack",
        planarconfig="separate" if kind == "planar tiff" else None,
        extrasamples=["unassalpha"] if alpha else None,
        compression="lzw" if kind == "lzw tiff" else None,
    )
    return file.getvalue()


@pytest.mark.parametrize(
    ("kind", "channels"),
    [*product(["png", "ppm", "tiff", "lzw tiff"], [(), (3,)]), ("planar tiff", (3,))],
)
def test_16_bit_pictures_are_refused_or_rounded(kind: str, channels: tuple[int, ...]) -> None:
    samples = noise(5, 7, *channels)
    file = deep_file(kind, samples)
    with pytest.raises(DataError, match=r"x: has more than 8 bits per sample.*deep: round"):
        read_source(io.BytesIO(file), name="x")
    source = read_source(io.BytesIO(file), deep="round")
    wanted = nearest(samples)
    assert source.grey == (not channels)
    np.testing.assert_array_equal(source.pixels, wanted if channels else np.dstack([wanted] * 3))


def test_16_bit_tiffs_may_count_down_from_white() -> None:
    import tifffile

    samples, file = noise(5, 7), io.BytesIO()
    tifffile.imwrite(file, samples, photometric="miniswhite")
    np.testing.assert_array_equal(
        read_source(file, deep="round").pixels[..., 0], nearest(65535 - samples)
    )


@pytest.mark.parametrize("kind", ["png", "tiff"])
def test_16_bit_alpha_is_treated_like_any(kind: str) -> None:
    samples = noise(5, 7, 4)
    file = deep_file(kind, samples)
    with pytest.raises(DataError, match="is transparent"):
        read_source(io.BytesIO(file), deep="round")
    source = read_source(io.BytesIO(file), deep="round", alpha="drop")
    np.testing.assert_array_equal(source.pixels, nearest(samples[..., :3]))


def test_deep_pictures_of_other_formats_are_not_rounded_unasked() -> None:
    samples = noise(16, 16, 3)
    jpeg_2000 = imagecodecs.jpeg2k_encode(samples >> 4, level=0, bitspersample=12)
    avif = imagecodecs.avif_encode(samples >> 6, level=100, bitspersample=10)
    sgi = file_of(Image.new("RGB", (4, 4)), "SGI", bpc=2).getvalue()
    floats = file_of(Image.new("F", (4, 4)), "TIFF").getvalue()
    for file in (jpeg_2000, avif, sgi, floats):
        with pytest.raises(DataError, match="more than 8 bits"):
            read_source(io.BytesIO(file))
    for file in (jpeg_2000, sgi, floats):
        with pytest.raises(DataError, match="convert it to a 16-bit PNG"):
            read_source(io.BytesIO(file), deep="round")
    decoded = imagecodecs.avif_decode(avif)
    np.testing.assert_array_equal(
        read_source(io.BytesIO(avif), deep="round").pixels, nearest(decoded, 1023)
    )


def test_8_bit_files_of_the_same_formats_are_not_deep() -> None:
    eight = (noise(16, 16, 3) >> 8).astype(np.uint8)
    for file in (imagecodecs.jpeg2k_encode(eight, level=0), imagecodecs.avif_encode(eight)):
        assert read_source(io.BytesIO(file)).pixels.shape == eight.shape


def test_a_deep_picture_of_pillow_is_rounded_too() -> None:
    samples = noise(5, 7)
    source = read_source(Image.fromarray(samples), deep="round")
    np.testing.assert_array_equal(source.pixels[..., 0], nearest(samples))
    with pytest.raises(DataError, match="beyond 16 bits"):
        read_source(Image.new("I", (2, 2), 65536), deep="round")
