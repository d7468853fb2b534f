"""ICC profiles, EXIF and the way up: what is carried, what is turned, what is refused."""

import io
import struct
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageCms, ImageOps

from dsslic_jax.errors import ConfigError, DataError
from dsslic_jax.pictures.files import read_size, read_source
from dsslic_jax.pictures.metadata import turn
from dsslic_jax.pictures.reading import read_picture
from dsslic_jax.pictures.writing import picture_file
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
    source = read_source(path, metadata="all")
    np.testing.assert_array_equal(source.pixels, PIXELS)
    assert read_size(path, metadata="all") == PIXELS.shape[:2]
    carried = Image.Exif()
    carried.load(source.metadata["exif"])
    assert carried[ORIENTATION] == orientation and carried[ExifTags.Base.Artist] == "somebody"


def test_a_labelled_picture_is_never_turned_without_a_word(tmp_path: Path) -> None:
    file = file_of(PIXELS, "PNG", exif=exif_of(3)).getvalue()
    with pytest.raises(DataError, match="its label map is for the pixels as stored"):
        read_source(io.BytesIO(file), labelled=True)
    source = read_source(io.BytesIO(file), labelled=True, metadata="all")
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
    for metadata in ("usual", "all"):
        source = read_source(path, metadata=metadata, deep="round")
        np.testing.assert_array_equal(source.pixels, wanted)
        assert read_size(path, metadata=metadata) == wanted.shape[:2]
    carried = Image.Exif()
    carried.load(source.metadata["exif"])
    assert dict(carried) == {ExifTags.Base.Artist: "somebody"}
    with pytest.raises(DataError, match="label map"):
        read_source(path, metadata="all", labelled=True, deep="round")


def test_an_orientation_that_only_xmp_tells_is_carried_as_exif() -> None:
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf tiff:Orientation="6"/></x:xmpmeta>'
    artist = Image.Exif()
    artist[ExifTags.Base.Artist] = "somebody"
    for exif in (Image.Exif(), artist):
        file = file_of(PIXELS, "WEBP", lossless=True, xmp=xmp, exif=exif).getvalue()
        np.testing.assert_array_equal(read_source(io.BytesIO(file)).pixels, turn(PIXELS, 6))
        carried = Image.Exif()
        carried.load(read_source(io.BytesIO(file), metadata="all").metadata["exif"])
        assert dict(carried) == {**exif, ORIENTATION: 6}


def test_damaged_exif_leaves_a_picture_as_it_is_stored() -> None:
    file = file_of(PIXELS, "PNG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        np.testing.assert_array_equal(read_source(file).pixels, PIXELS)


def test_what_colours_mean_is_carried_and_exif_without_place_unless_told() -> None:
    exif = exif_of(6)
    exif[ExifTags.Base.ImageWidth] = 7  # describes pixels
    exif.get_ifd(ExifTags.IFD.GPSInfo)[ExifTags.GPS.GPSLatitudeRef] = "N"
    exposure = exif.get_ifd(ExifTags.IFD.Exif)
    exposure[ExifTags.Base.FNumber] = 2.0
    exposure[ExifTags.Base.MakerNote] = b"maker"
    exposure[ExifTags.Base.ExifImageWidth] = 7
    file = file_of(PIXELS, "PNG", icc_profile=SRGB, exif=exif).getvalue()

    def carried(mode: str) -> tuple[set[str], Image.Exif]:
        metadata = read_source(io.BytesIO(file), metadata=mode).metadata
        tags = Image.Exif()
        tags.load(metadata.get("exif", b""))
        return set(metadata), tags

    assert carried("none") == (set(), Image.Exif())
    assert carried("colour")[0] == {"icc"}
    names, tags = carried("usual")
    assert names == {"icc", "exif"} and tags[ExifTags.Base.Artist] == "somebody"
    assert ORIENTATION not in tags and not tags.get_ifd(ExifTags.IFD.GPSInfo)
    assert tags.get_ifd(ExifTags.IFD.Exif) == {ExifTags.Base.FNumber: 2.0}
    names, tags = carried("all")
    assert tags[ORIENTATION] == 6 and ExifTags.Base.ImageWidth not in tags
    assert tags.get_ifd(ExifTags.IFD.GPSInfo)[ExifTags.GPS.GPSLatitudeRef] == "N"
    exposure = tags.get_ifd(ExifTags.IFD.Exif)
    assert exposure == {ExifTags.Base.FNumber: 2.0, ExifTags.Base.MakerNote: b"maker"}
    with pytest.raises(ConfigError, match="metadata must be one of usual, none, colour, all"):
        carried("some")


def png_with(*chunks: tuple[bytes, bytes]) -> bytes:
    data = file_of(PIXELS, "PNG").getvalue()
    added = [
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in chunks
    ]
    return data[:33] + b"".join(added) + data[33:]


PQ, LINEAR = (b"cICP", bytes([9, 16, 0, 1])), (b"gAMA", struct.pack(">I", 100_000))
SAME_AS_SRGB = (b"gAMA", struct.pack(">I", 45455))


@pytest.mark.parametrize(
    ("chunks", "carried"),
    [
        ((PQ, LINEAR), {"cicp": PQ[1]}),
        ((LINEAR,), {"gama": LINEAR[1]}),
        ((SAME_AS_SRGB,), {}),
        ((LINEAR, (b"sRGB", b"\0")), {}),
        (((b"gAMA", b"too long"),), {}),
    ],
)
def test_what_a_png_says_of_its_colours_comes_back(
    chunks: tuple[tuple[bytes, bytes], ...], carried: dict[str, bytes]
) -> None:
    metadata = read_source(io.BytesIO(png_with(*chunks))).metadata
    assert metadata == carried
    data, notes = picture_file("out.png", PIXELS, metadata=metadata)
    assert notes == [] and read_source(io.BytesIO(data)).metadata == carried
    data, notes = picture_file("out.webp", PIXELS, metadata=metadata)
    assert [f"no room for what colours mean ({name})" in notes[0] for name in carried] == [
        True
    ] * len(notes)


@pytest.mark.parametrize(
    "chunk",
    [
        (b"zTXt", b"note\0\0" + zlib.compress(bytes(2_000_000))),
        (b"iTXt", b"note\0\1\0\0\0" + zlib.compress(bytes(2_000_000))),
        (b"tEXt", b"note\0" + b"x" * 2_000_000),
        (b"iCCP", b"icc\0\0" + zlib.compress(bytes(2_000_000))),
        (b"zTXt", b"note\0\0not compressed"),
    ],
)
def test_a_png_is_read_without_the_chunks_that_pillow_refuses_it_for(
    chunk: tuple[bytes, bytes],
) -> None:
    data = png_with(chunk)
    broken = bytearray(png_with((b"tEXt", b"note\0text")))
    broken[33 + 8] ^= 1  # its checksum is wrong now
    for file in (data, bytes(broken)):
        np.testing.assert_array_equal(read_source(io.BytesIO(file)).pixels, PIXELS)
        np.testing.assert_array_equal(read_picture(io.BytesIO(file)), PIXELS)
    notes = read_source(io.BytesIO(data), name="a.png").notes
    wanted = ("a.png: its ICC profile cannot be read and left out: colours are taken for sRGB",)
    assert notes == (wanted if chunk[0] == b"iCCP" else ())


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
        assert read_source(io.BytesIO(file), metadata="all").metadata["icc"] == profile
        return
    named = space.decode() or "nothing"
    source = read_source(io.BytesIO(file))
    assert "icc" not in source.metadata
    assert f"its ICC profile is for {named} and left out" in source.notes[0]
    with pytest.raises(DataError, match=f"ICC profile is for {named}, but RGB is coded"):
        read_source(io.BytesIO(file), metadata="all")


@pytest.mark.parametrize("suffix", [".png", ".tif", ".TIFF", ".webp"])
def test_pictures_are_written_with_what_they_carry(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"out{suffix}"
    metadata = read_source(
        file_of(PIXELS, "PNG", icc_profile=SRGB, exif=exif_of(1)), metadata="all"
    ).metadata
    path.write_bytes(picture_file(path.name, PIXELS, metadata=metadata)[0])
    with Image.open(path) as image:
        np.testing.assert_array_equal(image, PIXELS)
        assert image.info["icc_profile"] == SRGB
        assert image.getexif()[ExifTags.Base.Artist] == "somebody"
    again = read_source(path, metadata="all")
    assert again.metadata["icc"] == SRGB and "exif" in again.metadata


def test_tiff_and_ppm_are_turned_as_exif_wants() -> None:
    exif = exif_of(6).tobytes().removeprefix(b"Exif\0\0")
    for name, lost in (("out.ppm", "icc"), ("out.tif", "")):
        data, notes = picture_file(name, PIXELS, metadata={"exif": exif, "icc": SRGB})
        with Image.open(io.BytesIO(data)) as image:
            np.testing.assert_array_equal(image, turn(PIXELS, 6))
        assert [f"({lost})" in note for note in notes] == [True] * bool(lost)


@pytest.mark.parametrize("tags", [{256: 9, 257: 6}, {256: 4000}, {262: 6}, {284: 2}, {258: 16}])
def test_exif_that_describes_other_pixels_never_reaches_a_file(tags: dict[int, int]) -> None:
    exif = exif_of(1)
    for tag, value in tags.items():
        exif[tag] = value
    stored = {"exif": exif.tobytes().removeprefix(b"Exif\0\0")}  # a stream of another program
    for name in ("out.png", "out.tif", "out.webp"):
        data, _ = picture_file(name, PIXELS, metadata=stored)
        with Image.open(io.BytesIO(data)) as image:
            np.testing.assert_array_equal(image.convert("RGB"), PIXELS)
            assert image.getexif()[ExifTags.Base.Artist] == "somebody"
