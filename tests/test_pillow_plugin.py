"""`.dsslic` as a format of Pillow's."""

import io
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageFile, UnidentifiedImageError

import dsslic_jax
from dsslic_jax import api
from dsslic_jax.bundle.model import Bundle
from dsslic_jax.codec.codec import Codec
from dsslic_jax.codec.stream import container
from dsslic_jax.errors import ConfigError, DataError
from tests.codec.pictures import smooth_picture
from tests.conftest import ROOT

PICTURE = smooth_picture(24, 40)
LABELS = (np.indices((24, 40)).sum(0) // 8).astype(np.uint8)


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DSSLIC_MODELS", str(tmp_path / "known"))
    monkeypatch.setattr(api, "_codecs", type(api._codecs)())  # a model loaded anew is remembered
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    dsslic_jax.register()


@pytest.fixture(scope="module")
def codec(tiny_bundle: Bundle) -> Codec:
    return Codec(tiny_bundle)


@pytest.fixture(scope="module")
def stream(codec: Codec) -> bytes:
    return codec.encode(PICTURE, LABELS)


def test_importing_the_plugin_registers_suffix_and_type_and_loads_nothing_heavy() -> None:
    program = (
        "import sys, dsslic_jax.pillow_plugin; from PIL import Image; "
        "print(Image.registered_extensions()['.dsslic'], Image.MIME['DSSLIC'], 'jax' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout == "DSSLIC image/x-dsslic False\n"


def test_a_saved_picture_opens_by_its_header_and_decodes_when_asked(
    tiny_model: Path, stream: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    Image.fromarray(PICTURE).save("a.dsslic", model=tiny_model, labels=LABELS)
    assert Path("a.dsslic").read_bytes() == stream
    decoded = []
    decode = api.decode
    monkeypatch.setattr(api, "decode", lambda *args: decoded.append(args) or decode(*args))
    with Image.open("a.dsslic") as image:
        assert (image.format, image.mode, image.size) == ("DSSLIC", "RGB", (40, 24))
        assert image.info == {
            "classes": "camvid",
            "layers": ("s", "c", "r1"),
            "fingerprint": container.read_header(stream).fingerprint.hex(),
        }
        assert image.get_format_mimetype() == "image/x-dsslic"
        assert decoded == []
        np.testing.assert_array_equal(image, decode(stream).pixels)
        image.load()
    assert len(decoded) == 1


def test_grey_pictures_open_in_mode_l(codec: Codec) -> None:
    Image.fromarray(PICTURE[..., 0]).save("a.dsslic", model=codec, labels=LABELS)
    with dsslic_jax.open("a.dsslic", codec) as image:
        assert image.mode == "L"
        wanted = dsslic_jax.decode("a.dsslic", codec).pixels
        np.testing.assert_array_equal(image, wanted)


def test_files_in_memory_open_and_save_like_any_format(codec: Codec, stream: bytes) -> None:
    file = io.BytesIO()
    Image.fromarray(PICTURE).save(file, "DSSLIC", model=codec, labels=LABELS)
    assert file.getvalue() == stream
    with Image.open(file) as image:
        assert image.size == (40, 24)


def test_metadata_pass_through_pillow(codec: Codec) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Artist] = "somebody"
    profile = b"\0" * 16 + b"RGB test"
    Image.fromarray(PICTURE).save("a.png", exif=exif, icc_profile=profile)
    with Image.open("a.png") as image:
        image.save("a.dsslic", model=codec, metadata="all")
    with dsslic_jax.open("a.dsslic", codec) as image:
        assert image.getexif()[ExifTags.Base.Artist] == "somebody"
        image.save("b.png")
    with Image.open("b.png") as image:
        assert image.info["icc_profile"] == profile


def test_saving_takes_no_unknown_options(codec: Codec) -> None:
    image = Image.fromarray(PICTURE)
    with pytest.raises(ConfigError, match="unknown setting optimize"):
        image.save("a.dsslic", model=codec, optimize=True)
    with pytest.raises(DataError, match="is transparent"):
        Image.new("RGBA", (4, 4)).save("a.dsslic", model=codec)
    assert not os.path.exists("a.dsslic")


def test_an_unknown_model_is_told_when_pixels_are_asked_for(stream: bytes) -> None:
    image = Image.open(io.BytesIO(stream))
    with pytest.raises(OSError, match="not known here"):
        image.load()


def test_what_is_no_stream_is_not_identified(tmp_path: Path) -> None:
    for content in (b"", b"DS", b"no stream", b"DSL" + bytes(100)):
        Path("a.dsslic").write_bytes(content)
        for open_it in (Image.open, dsslic_jax.open):
            with pytest.raises(UnidentifiedImageError):
                open_it("a.dsslic")


def test_other_formats_still_open(stream: bytes) -> None:
    Image.fromarray(PICTURE).save("a.dsslic", "PNG")  # the suffix does not count
    with Image.open("a.dsslic") as image:
        assert image.format == "PNG"
    with pytest.raises(UnidentifiedImageError):
        dsslic_jax.open("a.dsslic")


def test_damaged_headers_are_os_errors_at_once(stream: bytes) -> None:
    size = container.read_header(stream).size
    for at in range(4, size):
        damaged = stream[:at] + bytes([stream[at] ^ 0x55]) + stream[at + 1 :]
        with pytest.raises(OSError, match="stream") as caught:
            Image.open(io.BytesIO(damaged))
        assert not isinstance(caught.value, UnidentifiedImageError)
    for length in range(6, size):
        with pytest.raises(OSError, match="cut inside its header"):
            Image.open(io.BytesIO(stream[:length]))


def test_damaged_layers_are_os_errors_as_pixels_are_asked_for(stream: bytes, codec: Codec) -> None:
    Path("a.dsslic").write_bytes(stream[:-1] + bytes([stream[-1] ^ 1]))
    with dsslic_jax.open("a.dsslic", codec) as image, pytest.raises(OSError, match="r1 is damaged"):
        image.load()


def test_a_cut_stream_is_a_truncated_file(
    stream: bytes, codec: Codec, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("a.dsslic").write_bytes(stream[:-1])
    with dsslic_jax.open("a.dsslic", codec) as image, pytest.raises(OSError, match="truncated"):
        image.load()
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    with dsslic_jax.open("a.dsslic", codec) as image:
        np.testing.assert_array_equal(image, codec.decode(stream).coarse)
    lengths = container.layer_lengths(stream)
    Path("a.dsslic").write_bytes(stream[: lengths["header"] + lengths["s"]])
    with dsslic_jax.open("a.dsslic", codec) as image, pytest.raises(OSError, match="layer is s"):
        image.load()


def test_long_metadata_are_read_with_the_header(codec: Codec) -> None:
    profile = b"\0" * 16 + b"RGB " + np.random.default_rng(0).bytes(300_000)
    data = codec.encode(PICTURE, LABELS, metadata={"icc": profile})
    with Image.open(io.BytesIO(data)) as image:
        assert image.info["icc_profile"] == profile
