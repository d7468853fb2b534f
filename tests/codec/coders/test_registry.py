"""A coder that only this file knows codes layers through every door, and is told what it is promised."""

import hashlib
import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from dsslic_jax import api
from dsslic_jax.bundle.directory import Bundle
from dsslic_jax.codec.codec import Codec
from dsslic_jax.codec.coders import registry
from dsslic_jax.codec.coders.bpg.coder import BpgOptions
from dsslic_jax.codec.coders.coder import Coder, Context
from dsslic_jax.codec.coders.registry import Choice, known_coders, register_coder, unregister_coder
from dsslic_jax.codec.layers import residual
from dsslic_jax.codec.settings import coding_settings
from dsslic_jax.codec.stream import container
from dsslic_jax.errors import CoderFailed, ConfigError, StreamError
from dsslic_jax.settings.fields import Settings, setting
from tests.cli.commands import refusal, run
from tests.codec.pictures import smooth_picture
from tests.codec.streams import label_map
from tests.conftest import ROOT

PICTURE, LABELS = smooth_picture(33, 50), label_map(33, 50)


def digest(context: Context) -> bytes:
    """Of all that a coder is told of the picture."""
    told = [context.labels, context.compact, context.coarse]
    parts = [b"-" if each is None else repr(each.shape).encode() + each.tobytes() for each in told]
    model = b"-" if context.model is None else context.model.fingerprint
    return hashlib.sha256(model + b"|".join(parts)).digest()


class Plain:
    """Without loss: what it was told, and the samples."""

    def __init__(self) -> None:
        self.told: list[Context] = []

    def encode(self, picture: np.ndarray, context: Context) -> bytes:
        self.told.append(context)
        return digest(context) + zlib.compress(picture.tobytes())

    def decode(self, data: bytes, shape: tuple[int, ...], context: Context) -> np.ndarray:
        if data[:32] != digest(context):
            raise CoderFailed("encoder and decoder were told different things")
        return np.frombuffer(zlib.decompress(data[32:]), self.dtype).reshape(shape)

    dtype = np.dtype(np.uint8)


@dataclass(frozen=True)
class MadeOptions(Settings):
    made_bits: int = setting(12, "bits of the made coder's codes", choices=(8, 12))


@dataclass(frozen=True)
class Same(Settings):
    residual_bits: int = setting(8, "called as BPG's is")


class Made(Plain):
    """Quality q: the lowest (100 - q) / 12.5 bits of the codes are dropped; the depth leads its bytes."""

    error_power = 1.0

    def __init__(self, context: Context, options: MadeOptions | None) -> None:
        super().__init__()
        assert context.model is not None and context.labels is None
        self.bits = (options or MadeOptions()).made_bits

    def setting(self, quality: float, stretch: float = 1.0) -> tuple[int, float]:
        return round((100 - quality) / 12.5), 1.0

    def strength(self, quality: float) -> int:
        return 7

    def encode(self, picture: np.ndarray, setting: int, context: Context) -> bytes:
        assert picture.dtype == (np.uint8 if self.bits == 8 else np.uint16)
        return bytes([self.bits]) + super().encode(picture >> setting << setting, context)

    def decode(self, data: bytes, shape: tuple[int, ...], context: Context) -> np.ndarray:
        self.dtype = np.dtype(np.uint8 if data[0] == 8 else np.uint16)
        return super().decode(data[1:], shape, context)

    def coded_bits(self, data: bytes) -> int:
        return data[0]


opened: list[Plain] = []


def _open(coder: Any) -> Any:
    opened.append(coder)
    return coder


PLAIN = Coder("plain", 4, "raw", "sc", "samples", "nothing", lambda *_: _open(Plain()))
MADE = Coder(
    name="made",
    number=17,
    stream_name="made-up",
    layers="r",
    about="a test's own",
    needs="nothing",
    open=lambda context, options: _open(Made(context, options)),
    options=MadeOptions,
)


@pytest.fixture
def made_coders() -> Iterator[None]:
    opened.clear()
    for record in (PLAIN, MADE):
        register_coder(record)
    yield
    for record in (PLAIN, MADE):
        if record in known_coders():
            unregister_coder(record.name)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DSSLIC_MODELS", str(tmp_path / "known"))
    monkeypatch.chdir(tmp_path)
    Image.fromarray(PICTURE).save("picture.png")
    Image.fromarray(LABELS).save("labels.png")


def stream_coders(data: bytes) -> list[str]:
    return [layer.coder for layer in container.read_header(data).layers]


@pytest.mark.usefixtures("made_coders")
@pytest.mark.parametrize("labels", ["sent", "none", "decoder"])
def test_encoder_and_decoder_are_told_the_same(tiny_bundle: Bundle, labels: str) -> None:
    chosen = {"coders": {"s": "plain", "c": "plain", "r": "made"}, "layers": 2, "quality": 90}
    encoder, decoder = Codec(tiny_bundle), Codec(tiny_bundle)
    settings = coding_settings(encoder.bundle.coding, labels=labels, **chosen)
    data = encoder.encode(PICTURE, LABELS, settings)
    decoded = decoder.decode(data)
    assert np.abs(decoded.picture.astype(int) - PICTURE).mean() < 2
    told = [context for coder in opened for context in coder.told]
    assert len(told) == (labels == "sent") + 1 + 2  # s, c, r1, r2
    if labels == "sent":
        assert (told[0].model, told[0].labels, told[0].compact) == (None, None, None)
        np.testing.assert_array_equal(told[1].labels, LABELS)
    else:
        assert told[0].labels is None
    of_c, of_r = told[-3], told[-1]
    assert of_c.model is tiny_bundle and of_c.compact is None and of_c.coarse is None
    assert of_r.model is tiny_bundle
    np.testing.assert_array_equal(of_r.compact, decoded.compact)
    np.testing.assert_array_equal(of_r.coarse, decoded.coarse)
    if labels == "none":
        assert of_r.labels is None
    else:
        np.testing.assert_array_equal(of_r.labels, decoded.labels)


@pytest.mark.usefixtures("made_coders")
def test_a_tile_is_told_its_part(tiny_bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(residual, "TILED_FROM_PIXELS", 64 * 64)
    monkeypatch.setattr(residual, "LOG2_TILE", 8)
    picture, labels = smooth_picture(270, 300), label_map(270, 300)
    codec = Codec(tiny_bundle, coders={"r": "made"})
    decoded = Codec(tiny_bundle).decode(codec.encode(picture, labels))
    parts = {context.labels.shape: context for context in opened[0].told}
    assert {*parts} == {(256, 256), (256, 44), (14, 256), (14, 44)}
    corner = parts[14, 44]
    np.testing.assert_array_equal(corner.labels, labels[256:, 256:])
    np.testing.assert_array_equal(corner.compact, decoded.compact[32:, 32:])
    np.testing.assert_array_equal(corner.coarse, decoded.coarse[256:, 256:])
    assert corner.compact.shape == (2, 6, 3)  # alpha is 8


@pytest.mark.usefixtures("made_coders")
def test_the_coarse_picture_is_made_once_and_only_for_who_asks(tiny_bundle: Bundle) -> None:
    for coders, times in (("r=bpg", 0), ("r=made", 1)):
        phases: list[str] = []
        decoder = Codec(tiny_bundle, progress=lambda phase, *_: phases.append(phase))  # noqa: B023
        settings = replace(decoder.settings, coders=coders, prediction_gain=0.0, layers=2)
        data = decoder.encode(PICTURE, LABELS, settings)
        phases.clear()
        decoder.decode(data)
        assert phases.count("coarse picture") == times


@pytest.mark.usefixtures("made_coders", "folder")
def test_every_door_takes_it(tiny_model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = api.encode(
        PICTURE, tiny_model, labels=LABELS, coders={"r": "made", "c": "plain"}, made_bits=8
    )
    assert stream_coders(data) == ["context", "raw", "made-up"]
    picture = api.decode(data, tiny_model)
    np.testing.assert_array_equal(picture.labels, LABELS)

    model = ("--model", tiny_model)
    chosen = ("--coder", "c=plain", "--coder", "r=made", "--made-bits", 8)
    assert run("encode", "picture.png", "a.dsslic", *model, "--labels", "labels.png", *chosen) == 0
    assert Path("a.dsslic").read_bytes() == data
    capsys.readouterr()
    assert run("info", "a.dsslic", "--json") == 0
    layers = json.loads(capsys.readouterr().out)["layers"]
    assert [layer["coder"] for layer in layers] == ["context", "raw", "made-up"]
    assert run("decode", "a.dsslic", "a.png", *model) == 0
    with Image.open("a.png") as decoded:
        np.testing.assert_array_equal(np.asarray(decoded), picture.pixels)
    encode = ("encode", "picture.png", "b.dsslic", *model, "--labels", "labels.png")
    assert run(*encode, "--coder", "s=plain") == 0
    assert run("decode", "b.dsslic", "s.png", "--upto", "s") == 0
    capsys.readouterr()
    assert "coders of c are jxl, context, flif, plain" in refusal(capsys, *encode, "--coder=c=bpg")

    for record in (PLAIN, MADE):
        unregister_coder(record.name)
    for command in (("decode", "a.dsslic", "b.png", *model), ("info", "a.dsslic")):
        said = refusal(capsys, *command)
        assert "layer kind 1 with coder 4, which this program does not know" in said
    assert "coders of r are bpg, libbpg" in refusal(capsys, *encode, "--coder=r=made")


def test_a_models_own_coders_give_way_to_what_is_asked_for(
    tiny_bundle: Bundle, made_coders: None
) -> None:
    own = {**tiny_bundle.coding, "coders": "r=made", "made_bits": 8, "residual_bits": 10}
    codec = Codec(replace(tiny_bundle, coding=own))
    coder = codec.settings.encoders(codec.coders).residual.coder
    assert isinstance(coder, Made) and coder.bits == 8
    settings = coding_settings(own, coders="r=bpg")
    bpg = settings.encoders(codec.coders).residual
    assert bpg.record.name == "bpg" and bpg.coder.bits == 10
    assert settings.of(BpgOptions) == BpgOptions(10)
    with pytest.raises(ConfigError, match="made_bits must be one of 8, 12, not 9"):
        coding_settings(own, made_bits=9)


@pytest.mark.usefixtures("made_coders")
def test_the_sets_are_what_they_were() -> None:
    sets = {
        name: [[record.name for record in Choice(name).encoders(layer)] for layer in "scr"]
        for name in registry.set_names()
    }
    assert sets == {
        "embedded": [["context"], ["jxl", "context"], ["bpg"]],
        "external": [["flif"], ["flif"], ["libbpg"]],
    }


@pytest.mark.parametrize(
    ("codecs", "coders", "reader"),
    [
        ("embedded", "", "bpg"),
        ("external", "", "libbpg"),
        ("embedded", "r=libbpg", "libbpg"),
        ("external", "r=bpg", "bpg"),
        ("external", "r=made", "libbpg"),
    ],
)
@pytest.mark.usefixtures("made_coders")
def test_who_reads_a_number_that_two_know(codecs: str, coders: str, reader: str) -> None:
    assert Choice(codecs, coders).decoder("r", "bpg").name == reader


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": "bpg"}, "a coder named bpg is known already"),
        ({"number": 16}, "bpg is number 16, 'bpg', in the stream"),
        ({"stream_name": "jxl"}, "jxl is number 2, 'jxl', in the stream"),
        ({"number": 3, "stream_name": "context"}, "context of the same number codes other layers"),
        ({"number": 32}, "a number is 1 to 31"),
        ({"layers": ""}, "layers are of 'scr'"),
        ({"layers": "x"}, "layers are of 'scr'"),
        ({"sets": {"embedded": "r"}}, "cannot code r in the set embedded"),
        ({"sets": {"embedded": "c"}}, "cannot code c in the set embedded"),
        ({"options": Same}, "bpg has an option residual_bits too"),
    ],
)
def test_what_clashes_is_refused(changes: dict[str, Any], message: str) -> None:
    before = known_coders()
    with pytest.raises(ValueError, match=message):
        register_coder(replace(MADE, **changes))
    assert known_coders() == before


@pytest.mark.parametrize(
    "coders", ["r", "=bpg", "r=", "x=bpg", "r=jxl", "r=bpg,r=libbpg", "r=bpg,"]
)
def test_choices_that_cannot_be_are_refused(coders: str) -> None:
    with pytest.raises(ConfigError, match="write LAYER=NAME once a layer"):
        Choice(coders=coders)


def test_a_stream_without_a_known_coder_is_refused() -> None:
    with pytest.raises(StreamError, match="coder 'made-up' of layer r: none is known"):
        Choice().decoder("r", "made-up")


def test_the_documented_coders_are_the_known_ones() -> None:
    text = (ROOT / "docs" / "format.md").read_text()
    rows = [
        f"| {r.number} | {', '.join(r.layers)} | {r.about} | `{r.name}` | {r.needs} |\n"
        for r in sorted(known_coders(), key=lambda record: record.number)
    ]
    assert "".join(rows) in text
