"""ICC profiles, EXIF and the way up: what is carried, what is turned, what is refused."""

import io
import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageCms, ImageOps

from dsslic_jax.errors import DataError
from dsslic_jax.pictures.files import (
    read_size,
    read_source,
    write_picture,
)
from dsslic_jax.pictures.metadata import turn
from tests.codec.pictures import smooth_picture
from tests.pictures.fixture import file_of, nearest, noise

PIXELS = smooth_picture(12, 18)
ORIENTATION = ExifTags.Base.Orientation
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def exif_of(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    exif[ExifTags.Base.Artist] = "somebody"
    return exif


@pytest.mark.parametrize("orientation", range(1, 9))
def test_turning_is_what_pillow_does(orientation: int) -> None:
    image = Image.fromarray(PIXELS)
    image.getexif()[ORIENTATION] = orientation
    np.testing.assert_array_equal(turn(PIXELS, orientation), ImageOps.exif_transpose(image))


@pytest.mark.parametrize("orientation", [3, 6])
@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_a_picture_that_exif_turns_is_turned_unless_exif_is_carried(
    kind: str, orientation: int, tmp_path: Path
) -> None:
    options = {"lossless": True} if kind == "WEBP" else {}
    file = file_of(PIXELS, kind, exif=exif_of(orientation), **options)
    path = tmp_path / "turned"
    path.write_bytes(file.getvalue())
    upright = turn(PIXELS, orientation)
    np.testing.assert_array_equal(read_source(path).pixels, upright)
    assert read_size(path) == upright.shape[:2]
    source = read_source(path, metadata=True)
    np.testing.assert_array_equal(source.pixels, PIXELS)
    assert read_size(path, metadata=True) == PIXELS.shape[:2]
    carried = Image.Exif()
    carried.load(source.metadata["exif"])
    assert carried[ORIENTATION] == orientation and carried[ExifTags.Base.Artist] == "somebody"


def test_a_labelled_picture_is_never_turned_without_a_word(tmp_path: Path) -> None:
    file = file_of(PIXELS, "PNG", exif=exif_of(3)).getvalue()
    with pytest.raises(DataError, match="its label map is for the pixels as stored"):
        read_source(io.BytesIO(file), labelled=True)
    source = read_source(io.BytesIO(file), labelled=True, metadata=True)
    np.testing.assert_array_equal(source.pixels, PIXELS)
    upright = file_of(PIXELS, "PNG", exif=exif_of(1))
    np.testing.assert_array_equal(read_source(upright, labelled=True).pixels, PIXELS)


@pytest.mark.parametrize("deep", [False, True])
def test_tiffs_are_always_turned(deep: bool, tmp_path: Path) -> None:
    stored = noise(4, 6) if deep else PIXELS
    file = file_of(stored, "TIFF", exif=exif_of(6))
    path = tmp_path / "turned.tif"
    path.write_bytes(file.getvalue())
    wanted = np.dstack([nearest(turn(stored, 6))] * 3) if deep else turn(stored, 6)
    for metadata in (False, True):
        source = read_source(path, metadata=metadata, deep="round")
        np.testing.assert_array_equal(source.pixels, wanted)
        assert read_size(path, metadata=metadata) == wanted.shape[:2]
    carried = Image.Exif()
    carried.load(source.metadata["exif"])
    assert dict(carried) == {ExifTags.Base.Artist: "somebody"}
    with pytest.raises(DataError, match="label map"):
        read_source(path, metadata=True, labelled=True, deep="round")


def test_an_orientation_that_only_xmp_tells_is_carried_as_exif() -> None:
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf tiff:Orientation="6"/></x:xmpmeta>'
    artist = Image.Exif()
    artist[ExifTags.Base.Artist] = "somebody"
    for exif in (Image.Exif(), artist):
        file = file_of(PIXELS, "WEBP", lossless=True, xmp=xmp, exif=exif).getvalue()
        np.testing.assert_array_equal(read_source(io.BytesIO(file)).pixels, turn(PIXELS, 6))
        carried = Image.Exif()
        carried.load(read_source(io.BytesIO(file), metadata=True).metadata["exif"])
        assert dict(carried) == {**exif, ORIENTATION: 6}


def test_damaged_exif_leaves_a_picture_as_it_is_stored() -> None:
    file = file_of(PIXELS, "PNG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        np.testing.assert_array_equal(read_source(file).pixels, PIXELS)


def test_metadata_are_carried_only_when_asked() -> None:
    file = file_of(PIXELS, "PNG", icc_profile=SRGB, exif=exif_of(1)).getvalue()
    assert read_source(io.BytesIO(file)).metadata == {}
    metadata = read_source(io.BytesIO(file), metadata=True).metadata
    assert metadata == {"icc": SRGB, "exif": exif_of(1).tobytes().removeprefix(b"Exif\0\0")}


@pytest.mark.parametrize(
    ("mode", "space", "fits"),
    [
        ("CMYK", b"CMYK", False),
        ("RGB", b"GRAY", False),
        ("RGB", b"RGB ", True),
        ("L", b"GRAY", True),
        ("RGB", b"", False),
    ],
)
def test_an_icc_profile_of_other_colours_is_not_carried_along(
    mode: str, space: bytes, fits: bool
) -> None:
    profile = SRGB[:16] + space + (SRGB[20:] if space else b"")
    file = file_of(Image.fromarray(PIXELS).convert(mode), "TIFF", icc_profile=profile).getvalue()
    assert read_source(io.BytesIO(file)).pixels.shape == PIXELS.shape
    if fits:
        assert read_source(io.BytesIO(file), metadata=True).metadata["icc"] == profile
        return
    named = space.decode() or "nothing"
    with pytest.raises(DataError, match=f"ICC profile is for {named}, but RGB is coded"):
        read_source(io.BytesIO(file), metadata=True)


@pytest.mark.parametrize("suffix", [".png", ".tif", ".TIFF", ".webp"])
def test_pictures_are_written_with_what_they_carry(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / "new" / f"out{suffix}"
    metadata = read_source(
        file_of(PIXELS, "PNG", icc_profile=SRGB, exif=exif_of(1)), metadata=True
    ).metadata
    write_picture(path, PIXELS, metadata=metadata)
    with Image.open(path) as image:
        np.testing.assert_array_equal(image, PIXELS)
        assert image.info["icc_profile"] == SRGB
        assert image.getexif()[ExifTags.Base.Artist] == "somebody"
    again = read_source(path, metadata=True)
    assert again.metadata["icc"] == SRGB and "exif" in again.metadata


def test_ppm_has_no_exif_so_the_picture_is_turned(tmp_path: Path) -> None:
    exif = exif_of(6).tobytes().removeprefix(b"Exif\0\0")
    write_picture(tmp_path / "out.ppm", PIXELS, metadata={"exif": exif, "icc": SRGB})
    with Image.open(tmp_path / "out.ppm") as image:
        np.testing.assert_array_equal(image, turn(PIXELS, 6))
