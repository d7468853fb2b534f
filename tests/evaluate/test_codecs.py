"""The ordinary codecs: real files of their formats, in the colour mode that is claimed."""

import io
import struct
from functools import cache

import imagecodecs
import numpy as np
import pytest
from PIL import Image, JpegImagePlugin, features

from dsslic_jax.errors import CoderFailed, CoderUnavailable
from dsslic_jax.evaluate.codecs.codec import FileCodec
from dsslic_jax.evaluate.codecs.registry import FACTORIES, LAYERED, Sources, make_codec
from dsslic_jax.evaluate.protocols import PROTOCOLS
from dsslic_jax.metrics import psnr_rgb_db

NAMES = [name for name in FACTORIES if name not in LAYERED]
PLANES = [name for name in NAMES if name.endswith("_planes")]


@cache
def codec_of(name: str) -> FileCodec:
    if name == "heic":
        import pillow_heif  # noqa: F401  # of the extra [test]: its absence is a failure
    codec = make_codec(name, Sources())
    assert isinstance(codec, FileCodec)
    return codec


def colourful_picture(height: int = 64, width: int = 64) -> np.ndarray:
    rows, columns = np.mgrid[0:height, 0:width]
    red = 128 + 100 * np.sin(rows / 5)
    green = 128 + 100 * np.cos(columns / 3)
    blue = 255 * (rows + columns) / (height + width)
    return np.stack([red, green, blue], axis=-1).astype(np.uint8)


def encoded(name: str, setting: float, picture: np.ndarray | None = None) -> bytes:
    return codec_of(name).encode(colourful_picture() if picture is None else picture, setting)


def test_the_protocols_have_these_codecs() -> None:
    assert PROTOCOLS["fair"].codecs == (
        *("jpeg", "jpeg420", "jpeg2000", "webp", "avif", "jxl", "heic", "bpg", "dsslic"),
    )
    assert PROTOCOLS["paper"].codecs == (
        *("jpeg_planes", "jpeg2000_planes", "webp_planes", "bpg_rgb", "dsslic"),
    )
    assert set(FACTORIES) == {
        *PROTOCOLS["fair"].codecs,
        *PROTOCOLS["paper"].codecs,
        *("bpg420", "dsslic_flif"),
    }


@pytest.mark.parametrize("name", NAMES)
def test_settings_go_from_low_to_high_rate_and_quality(name: str) -> None:
    picture, codec = colourful_picture(), codec_of(name)
    codec.setting_range.check(name, codec.settings)
    files = [codec.encode(picture, setting) for setting in codec.settings]
    rates = [len(file) for file in files]
    psnrs = [psnr_rgb_db(picture, codec.decode(file, picture.shape)) for file in files]
    assert len(files) >= 8
    assert rates == sorted(rates) and rates[0] < rates[-1]
    assert psnrs == sorted(psnrs) and psnrs[-1] > psnrs[0] + 3
    assert psnrs[-1] > 28


@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 9, 3), (5, 3, 3), (17, 33, 3)])
@pytest.mark.parametrize("name", NAMES)
def test_odd_and_tiny_pictures_come_back_in_their_size(name: str, shape: tuple[int, ...]) -> None:
    picture = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    codec = codec_of(name)
    decoded = codec.decode(codec.encode(picture, codec.settings[0]), shape)
    assert decoded.shape == shape and decoded.dtype == np.uint8


@pytest.mark.parametrize("name", NAMES)
def test_a_file_of_another_size_or_format_is_refused(name: str) -> None:
    codec = codec_of(name)
    data = encoded(name, codec.settings[-1], colourful_picture(40, 48))
    with pytest.raises(CoderFailed):
        codec.decode(data, (40, 47, 3))
    for other in (b"not a picture", b"short", data[: len(data) // 8]):
        with pytest.raises(CoderFailed):
            codec.decode(other, (40, 48, 3))


@pytest.mark.parametrize("name", NAMES)
def test_versions_name_the_encoder_with_a_number(name: str) -> None:
    encoders = {
        **{"jpeg": "libjpeg-turbo ", "jpeg2000": "OpenJPEG ", "webp": "libwebp ", "avif": "aom "},
        **{"jxl": "libjxl ", "heic": "x265 ", "bpg": "x265 "},
    }
    (expected,) = [
        e for n, e in encoders.items() if name.partition("_")[0].removesuffix("420") == n
    ]
    version = codec_of(name).version
    assert version.startswith(expected) and any(c.isdigit() for c in version[len(expected) :])


@pytest.mark.parametrize(("name", "sampling"), [("jpeg", 0), ("jpeg420", 2)])
def test_jpeg_files_have_the_chroma_sampling_of_their_name(name: str, sampling: int) -> None:
    with Image.open(io.BytesIO(encoded(name, 75))) as image:
        assert JpegImagePlugin.get_sampling(image) == sampling


def test_jpeg_2000_uses_its_colour_transform_and_the_lossy_wavelet() -> None:
    data = encoded("jpeg2000", 20)
    # COD segment: marker, length(2), style(1), progression(1), layers(2), colour transform(1),
    # levels(1), block width and height(2), block style(1), wavelet(1): ISO/IEC 15444-1, A.6.1.
    segment = data.index(b"\xff\x52")
    assert data[segment + 8] == 1  # component transform used
    assert data[segment + 13] == 0  # 9-7 irreversible, so ICT and not RCT


def test_webp_files_are_lossy_ones() -> None:
    assert encoded("webp", 75)[12:16] == b"VP8 "


def test_avif_files_keep_full_chroma() -> None:
    data = encoded("avif", 60)
    # av1C box: its third byte holds, from bit 3 down, chroma_subsampling_x and _y.
    flags = data[data.index(b"av1C") + 4 + 2]
    assert (flags >> 3 & 1, flags >> 2 & 1) == (0, 0)


def test_heic_files_keep_full_chroma() -> None:
    data = encoded("heic", 60)
    # hvcC box: its 17th byte ends in chroma_format_idc, ISO/IEC 14496-15, 8.3.3.1.
    assert data[data.index(b"hvcC") + 4 + 16] & 3 == 3


@pytest.mark.parametrize(
    ("name", "pixel_format", "colour"), [("bpg", 3, 0), ("bpg420", 1, 0), ("bpg_rgb", 3, 1)]
)
def test_bpg_files_have_the_colour_of_their_name(name: str, pixel_format: int, colour: int) -> None:
    data = encoded(name, 30)
    assert data[:4] == b"BPG\xfb"
    assert data[4] >> 5 == pixel_format  # 1: 4:2:0, 3: 4:4:4
    assert data[5] >> 4 == colour  # 0: YCbCr, BT.601, 1: RGB


@pytest.mark.parametrize("name", PLANES)
def test_planes_are_three_files_of_one_channel_each_and_their_lengths(name: str) -> None:
    codec = codec_of(name)
    setting = codec.settings[4]
    data = encoded(name, setting)
    lengths = struct.unpack_from("<3I", data)
    assert codec.framing_bytes == 12 and len(data) == 12 + sum(lengths)
    decoded = codec.decode(data, (64, 64, 3))
    start = 12
    for channel, length in enumerate(lengths):
        with Image.open(io.BytesIO(data[start : start + length])) as image:
            # WebP has no grey pictures: it stores equal R, G and B, and shows G one less now and then.
            assert image.mode == ("RGB" if name == "webp_planes" else "L")
            colours = np.asarray(image.convert("RGB")).astype(int)
            np.testing.assert_array_equal(np.asarray(image.convert("L")), decoded[..., channel])
        assert np.ptp(colours, axis=-1).max() <= (1 if name == "webp_planes" else 0)
        start += length


def test_jpeg_planes_are_what_libjpeg_makes_of_each_channel_by_itself() -> None:
    picture = colourful_picture()
    # imagecodecs has a libjpeg of its own; both write the standard's tables and 4:0:0 when told nothing else.
    lengths = struct.unpack_from("<3I", encoded("jpeg_planes", 50))
    for channel, length in enumerate(lengths):
        plane = np.ascontiguousarray(picture[..., channel])
        assert abs(length - len(imagecodecs.jpeg8_encode(plane, level=50))) <= 32  # headers


def test_a_pillow_without_a_format_is_reported_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    check = features.check
    monkeypatch.setattr(features, "check", lambda name: name != "webp" and check(name))
    with pytest.raises(CoderUnavailable, match="webp needs a Pillow built with webp"):
        make_codec("webp", Sources())
