"""`dsslic_jax.encode` and `decode`: what goes in, what comes out, and which models stay loaded."""

import io
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image

import dsslic_jax
from dsslic_jax import api
from dsslic_jax.bundle import directory as bundles
from dsslic_jax.bundle import known as known_models
from dsslic_jax.bundle.model import Bundle
from dsslic_jax.codec.codec import Codec
from dsslic_jax.codec.settings import coding_settings
from dsslic_jax.codec.stream import container
from dsslic_jax.errors import ConfigError, DataError, DsslicError, ModelError, StreamError
from dsslic_jax.metrics import psnr_rgb_db
from tests.codec.pictures import smooth_picture
from tests.conftest import ROOT
from tests.model_fixture import make_bundle

SIZE = 32, 32
PICTURE = smooth_picture(*SIZE)
GREY = PICTURE[..., 0]
LABELS = (np.indices(SIZE).sum(0) // 8).astype(np.uint8)


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Known models, loaded models and the working directory are this test's own."""
    monkeypatch.setenv("DSSLIC_MODELS", str(tmp_path / "known"))
    monkeypatch.setattr(api, "_codecs", type(api._codecs)())
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")


@pytest.fixture(scope="module")
def codec(tiny_bundle: Bundle) -> Codec:
    return Codec(tiny_bundle)


@pytest.fixture(scope="module")
def layered(codec: Codec) -> bytes:
    """Layers s, c, r1, r2."""
    return dsslic_jax.encode(PICTURE, codec, labels=LABELS, layers=2)


def test_importing_the_package_and_its_interface_loads_nothing_heavy() -> None:
    heavy = {"jax", "flax", "av", "imagecodecs", "matplotlib", "scipy", "numba", "grain"}
    light = "import sys, dsslic_jax; print('numpy' in sys.modules, 'PIL' in sys.modules); "
    light += "dsslic_jax.encode, dsslic_jax.decode, dsslic_jax.open, dsslic_jax.register; "
    light += f"print(sorted({heavy!r} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", light], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.split("\n") == ["False False", "[]", ""]


def test_unknown_names_of_the_package_are_attribute_errors() -> None:
    with pytest.raises(AttributeError, match="no attribute 'encdoe'"):
        dsslic_jax.encdoe  # type: ignore[attr-defined]  # noqa: B018
    assert {"encode", "decode", "open", "register", "Picture"} <= set(dir(dsslic_jax))


def test_arrays_pictures_paths_and_files_code_alike(codec: Codec) -> None:
    wanted = codec.encode(PICTURE, LABELS)
    Image.fromarray(PICTURE).save("picture.png")
    Image.fromarray(LABELS).save("labels.png")
    for image in (PICTURE, Image.fromarray(PICTURE), "picture.png", Path("picture.png")):
        assert dsslic_jax.encode(image, codec, labels="labels.png") == wanted
    with open("picture.png", "rb") as file:
        assert dsslic_jax.encode(file, codec, labels=LABELS) == wanted


def test_a_stream_decodes_to_what_the_codec_decodes(codec: Codec, layered: bytes) -> None:
    picture = dsslic_jax.decode(layered, codec)
    wanted = codec.decode(layered)
    assert picture.pixels is not None and picture.labels is not None
    np.testing.assert_array_equal(picture.pixels, wanted.picture)
    np.testing.assert_array_equal(picture.labels, LABELS)
    np.testing.assert_array_equal(picture.compact, wanted.compact)
    np.testing.assert_array_equal(picture.coarse, wanted.coarse)
    assert (picture.upto, picture.complete) == ("r2", True)
    assert picture.classes.name == "camvid"
    assert psnr_rgb_db(PICTURE, picture.pixels) > psnr_rgb_db(PICTURE, wanted.coarse)
    np.testing.assert_array_equal(picture.image(), picture.pixels)
    Path("a.dsslic").write_bytes(layered)
    np.testing.assert_array_equal(dsslic_jax.decode("a.dsslic", codec).pixels, picture.pixels)


def test_layers_asked_for_or_left_tell_what_is_complete(codec: Codec, layered: bytes) -> None:
    lengths = container.layer_lengths(layered)
    first = codec.decode(layered, "r1").picture
    for data, upto, last, complete in (
        (layered, "r1", "r1", True),
        (layered[: -lengths["r2"]], "r1", "r1", True),
        (layered[:-1], "r", "r1", False),
    ):
        picture = dsslic_jax.decode(data, codec, upto)
        assert (picture.upto, picture.complete) == (last, complete)
        np.testing.assert_array_equal(picture.pixels, first)
    picture = dsslic_jax.decode(layered, codec, "c")
    assert picture.complete
    np.testing.assert_array_equal(picture.pixels, picture.coarse)
    only_labels = layered[: lengths["header"] + lengths["s"]]
    picture = dsslic_jax.decode(only_labels, codec)
    assert (picture.upto, picture.complete, picture.pixels) == ("s", False, None)
    np.testing.assert_array_equal(picture.image(), LABELS)


def test_labels_need_no_model_and_show_in_their_colours(layered: bytes) -> None:
    picture = dsslic_jax.decode(layered, upto="s")
    np.testing.assert_array_equal(picture.labels, LABELS)
    assert picture.complete and picture.pixels is None
    palette = np.array(picture.classes.palette, np.uint8)
    np.testing.assert_array_equal(picture.image().convert("RGB"), palette[LABELS])


def test_grey_pictures_come_back_grey(codec: Codec) -> None:
    for image in (GREY, Image.fromarray(GREY)):
        picture = dsslic_jax.decode(dsslic_jax.encode(image, codec, quality=90), codec)
        assert picture.pixels is not None and picture.image().mode == "L"
        assert picture.pixels.shape == SIZE
        assert np.abs(picture.pixels.astype(int) - GREY).mean() < 3


def test_coding_settings_reach_the_codec(codec: Codec) -> None:
    for chosen in ({"quality": 70.0}, {"layers": 3, "compact_step": 4}, {"weights": "sky=2"}):
        settings = coding_settings(codec.bundle.coding, **chosen)
        wanted = codec.encode(PICTURE, LABELS, settings)
        assert dsslic_jax.encode(PICTURE, codec, labels=LABELS, **chosen) == wanted  # type: ignore[arg-type]
    plain = dsslic_jax.encode(PICTURE, codec, label_layer="none")
    assert [layer.name for layer in container.read_header(plain).layers] == ["c", "r1"]
    assert dsslic_jax.decode(plain, codec).labels is None


def test_targets_are_met(codec: Codec) -> None:
    data = dsslic_jax.encode(PICTURE, codec, labels=LABELS, target_psnr_db=36.0)
    decoded = dsslic_jax.decode(data, codec).pixels
    assert decoded is not None and abs(psnr_rgb_db(PICTURE, decoded) - 36) <= 0.1


def test_metadata_come_back_when_they_were_asked_for(codec: Codec) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    Image.fromarray(PICTURE).save("picture.png", exif=exif, icc_profile=b"\0" * 16 + b"RGB test")
    picture = dsslic_jax.decode(dsslic_jax.encode("picture.png", codec, metadata="all"), codec)
    assert set(picture.metadata) == {"icc", "exif"}
    image = picture.image()
    assert image.getexif()[ExifTags.Base.Orientation] == 6
    assert image.info["icc_profile"] == b"\0" * 16 + b"RGB test"
    with pytest.raises(DataError, match="label map is for the pixels as stored"):
        dsslic_jax.encode("picture.png", codec, labels=LABELS)


def test_reading_options_reach_the_reader(codec: Codec) -> None:
    clear = Image.new("RGBA", SIZE, (10, 20, 30, 0))
    with pytest.raises(DataError, match="is transparent"):
        dsslic_jax.encode(clear, codec)
    white = dsslic_jax.encode(clear, codec, alpha="white", labels=LABELS)
    assert white == codec.encode(np.full((*SIZE, 3), 255, np.uint8), LABELS)
    with pytest.raises(DataError, match="more than 8 bits"):
        dsslic_jax.encode(Image.new("I;16", SIZE), codec)
    assert dsslic_jax.encode(Image.new("I;16", SIZE), codec, deep="round")


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.zeros((4, 4, 3), np.float32), "float32"),
        (np.zeros((4, 4, 4), np.uint8), r"\(4, 4, 4\)"),
        (np.zeros(4, np.uint8), r"\(4,\)"),
        (np.zeros((0, 4, 3), np.uint8), "4x0"),
        ("nowhere.png", r"nowhere\.png: cannot be read"),
    ],
)
def test_what_is_no_picture_is_refused(image: object, message: str, codec: Codec) -> None:
    with pytest.raises(DataError, match=message):
        dsslic_jax.encode(image, codec)  # type: ignore[arg-type]


def test_arguments_of_another_kind_are_refused_or_taken_for_what_they_hold(codec: Codec) -> None:
    data = dsslic_jax.encode(PICTURE, codec, labels=Image.fromarray(LABELS))
    assert data == dsslic_jax.encode(PICTURE, codec, labels=LABELS)
    wanted = dsslic_jax.decode(data, codec).pixels
    for given in (io.BytesIO(data), memoryview(data), bytearray(data)):
        np.testing.assert_array_equal(dsslic_jax.decode(given, codec).pixels, wanted)
    for act, message in (
        (lambda: dsslic_jax.encode(3, codec), "a picture is an array"),
        (lambda: dsslic_jax.encode(PICTURE, codec, labels=[[1]]), "a label map is an array"),
        (
            lambda: dsslic_jax.encode(PICTURE, codec, quality="30"),
            "quality must be float, not '30'",
        ),
        (lambda: dsslic_jax.decode(3, codec), "a stream is bytes"),
    ):
        with pytest.raises(DsslicError, match=message):
            act()


def test_wrong_settings_models_and_streams_are_refused(
    codec: Codec, layered: bytes, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match="unknown setting optimise"):
        dsslic_jax.encode(PICTURE, codec, optimise=True)
    with pytest.raises(ConfigError, match="not both"):
        dsslic_jax.encode(PICTURE, codec, target_psnr_db=30, target_bits_per_pixel=1)
    with pytest.raises(ModelError, match="nowhere is not a model directory"):
        dsslic_jax.encode(PICTURE, "nowhere")
    with pytest.raises(ModelError, match=container.read_header(layered).fingerprint.hex()):
        dsslic_jax.decode(layered)
    with pytest.raises(StreamError, match=r"not a \.dsslic stream"):
        dsslic_jax.decode(b"picture")
    with pytest.raises(StreamError, match="no layer r3; it has s, c, r1, r2"):
        dsslic_jax.decode(layered, codec, "r3")
    assert list(tmp_path.rglob("*")) == [tmp_path / "here"]


def test_a_model_directory_is_loaded_once_and_remembered(
    tiny_model: Path, layered: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    loads = []
    load = bundles.load
    monkeypatch.setattr(bundles, "load", lambda path: loads.append(path) or load(path))
    data = dsslic_jax.encode(PICTURE, tiny_model, labels=LABELS, layers=2)
    assert data == layered
    for _ in range(2):
        assert dsslic_jax.decode(data).complete  # finds the model that the stream names
    assert dsslic_jax.encode(PICTURE, str(tiny_model), labels=LABELS, layers=2) == data
    assert loads == [tiny_model]
    fingerprint = container.read_header(data).fingerprint
    assert known_models.find(fingerprint).resolve() == tiny_model


def test_streams_with_labels_made_at_the_decoder_find_their_model(tiny_model: Path) -> None:
    data = dsslic_jax.encode(PICTURE, tiny_model, label_layer="decoder")
    assert dsslic_jax.decode(data).labels is not None


def test_a_model_trained_anew_in_the_same_directory_is_loaded(
    tiny_bundle: Bundle, tmp_path: Path
) -> None:
    directory = tmp_path / "model"
    bundles.save(tiny_bundle, directory)
    dsslic_jax.encode(PICTURE, directory, labels=LABELS)
    other = make_bundle(seed=1)
    bundles.save(other, directory)
    data = dsslic_jax.encode(PICTURE, directory, labels=LABELS)
    assert container.read_header(data).fingerprint == other.fingerprint


def test_few_models_stay_loaded_and_the_one_used_last_does(tiny_bundle: Bundle) -> None:
    models = [replace(tiny_bundle) for _ in range(6)]
    codecs = [api._codec_of(model) for model in models]
    assert len(set(map(id, codecs))) == 6 and len(api._codecs) == 4
    assert api._codec_of(models[2]) is codecs[2]  # the oldest left, now the newest
    api._codec_of(replace(tiny_bundle))
    assert api._codec_of(models[2]) is codecs[2]
    assert api._codec_of(models[3]) is not codecs[3]
