"""The command `dsslic`: files and processes there and back, and what it tells of them."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dsslic_jax.bundle import directory as bundles
from dsslic_jax.bundle.model import Bundle
from dsslic_jax.classes.table import class_table
from dsslic_jax.codec.codec import Codec
from dsslic_jax.codec.stream import container
from tests.cli.commands import LABELS, PICTURE, read, refusal, run, subprocess_of
from tests.codec.pictures import smooth_picture
from tests.conftest import ROOT
from tests.model_fixture import coarse_part, segnet_part


def test_importing_the_command_loads_nothing_heavy() -> None:
    heavy = {
        "jax",
        "flax",
        "av",
        "imagecodecs",
        "matplotlib",
        "tensorflow",
        "grain",
        "scipy",
        "torch",
    }
    program = f"import sys, dsslic_jax.cli; print(sorted({heavy!r} & set(sys.modules)))"
    done = subprocess_of("-c", program)
    assert (done.returncode, done.stdout) == (0, "[]\n"), done.stderr


def test_a_fresh_process_decodes_to_the_encoders_pixels(
    tiny_bundle: Bundle, tiny_model: Path
) -> None:
    encode = ("encode", "picture.png", "picture.dsslic", "--model", tiny_model)
    done = subprocess_of("-m", "dsslic_jax", *encode, "--labels", "labels.png", "--quality", 80)
    assert done.returncode == 0, done.stderr
    here = Codec(tiny_bundle).decode(Path("picture.dsslic").read_bytes())
    for upto, expected in (("c", here.coarse), ("r", here.picture)):
        # No --model: the encoder left a link to it.
        arguments = ("decode", "picture.dsslic", f"{upto}.png", "--upto", upto)
        done = subprocess_of("-m", "dsslic_jax", *arguments)
        assert done.returncode == 0 and "note" not in done.stderr, done.stderr
        np.testing.assert_array_equal(read(f"{upto}.png"), expected)
    np.testing.assert_array_equal(here.labels, LABELS)


def test_encoding_without_labels_asks_segnet_and_reports_the_stream(
    tiny_bundle: Bundle, tiny_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("encode", "picture.png", "out/new.dsslic", "--model", tiny_model) == 0
    data = Path("out/new.dsslic").read_bytes()
    said = capsys.readouterr()
    assert f"{len(data)} bytes, {8 * len(data) / 640:.4f} bits per pixel" in said.out
    assert said.err == ""
    codec = Codec(tiny_bundle)
    np.testing.assert_array_equal(codec.decode(data, "s").labels, codec.segment(PICTURE))


def test_info_describes_a_stream(stream: bytes, capsys: pytest.CaptureFixture[str]) -> None:
    Path("a.dsslic").write_bytes(stream)
    assert run("info", "a.dsslic", "--json") == 0
    described = json.loads(capsys.readouterr().out)
    lengths = container.layer_lengths(stream)
    names = class_table("camvid").names
    assert described == {
        "width": 32,
        "height": 20,
        "grey": False,
        "classes": "camvid",
        "areas": {
            names[i]: n / 640
            for i, n in sorted(enumerate(np.bincount(LABELS.ravel())), key=lambda pair: -pair[1])
        },
        "labels_at_decoder": False,
        "label_scale": 1,
        "alpha": 8,
        "colour": "rgb",
        "model": container.read_header(stream).fingerprint.hex(),
        "bytes": len(stream),
        "bits_per_pixel": 8 * len(stream) / 640,
        "metadata_bytes": {},
        "header_bytes": lengths["header"],
        "layers": [
            {"layer": name, "coder": coder, "bytes": lengths[name], "whole": True}
            for name, coder in (("s", "context"), ("c", "context"), ("r1", "bpg"))
        ],
    }
    Path("a.dsslic").write_bytes(stream[:-1])
    assert run("info", "a.dsslic", "--json") == 0
    layers = json.loads(capsys.readouterr().out)["layers"]
    assert [layer["whole"] for layer in layers] == [True, True, False]
    assert run("info", "a.dsslic") == 0
    assert f"layer r1: bpg, {lengths['r1']} bytes (cut off)" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("given", "opening"), [("0.5", b"\x80\x08"), ("0", b"\x80\0"), ("1", b"\0")]
)
def test_the_prediction_gain_reaches_the_stream(
    given: str, opening: bytes, tiny_model: Path
) -> None:
    encoding = ("encode", "picture.png", "a.dsslic", "--model", tiny_model)
    assert run(*encoding, "--prediction-gain", given) == 0
    data = Path("a.dsslic").read_bytes()
    layers = container.read_layers(data, container.read_header(data))
    assert layers["r1"].startswith(opening)
    assert run(*encoding, "--prediction-gain", "auto", "--auto-labels") == 0
    assert container.read_header(Path("a.dsslic").read_bytes()).width == 32


def test_info_shares_are_of_a_coarse_maps_samples(
    tiny_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    labels = np.zeros((20, 32), np.uint8)
    labels[16:, :8] = 3  # of 3 x 4 blocks of 8 x 8 the lower left one, which the border cuts
    Image.fromarray(labels).save("labels.png")
    encoding = ("encode", "picture.png", "a.dsslic", "--model", tiny_model)
    assert run(*encoding, "--labels", "labels.png", "--label-scale", "8") == 0
    capsys.readouterr()
    assert run("info", "a.dsslic", "--json") == 0
    described = json.loads(capsys.readouterr().out)
    assert described["label_scale"] == 8
    assert described["areas"] == {"Sky": 11 / 12, "Road": 1 / 12}


def test_labels_decode_to_a_palette_picture_of_ids_without_a_model(
    stream: bytes, tiny_bundle: Bundle
) -> None:
    Path("a.dsslic").write_bytes(stream)
    assert run("decode", "a.dsslic", "s.png", "--upto", "s") == 0
    with Image.open("s.png") as picture:
        assert picture.mode == "P"
        np.testing.assert_array_equal(np.asarray(picture), LABELS)
        palette = np.array(tiny_bundle.classes.palette, np.uint8)
        np.testing.assert_array_equal(np.asarray(picture.convert("RGB")), palette[LABELS])


def test_decoded_labels_serve_to_encode_again(stream: bytes, tiny_model: Path) -> None:
    Path("a.dsslic").write_bytes(stream)
    assert run("decode", "a.dsslic", "s.png", "--upto", "s") == 0
    options = ("--model", tiny_model, "--labels", "s.png")
    assert run("encode", "picture.png", "b.dsslic", *options) == 0
    assert Path("b.dsslic").read_bytes() == stream


def test_a_cut_stream_decodes_to_its_last_whole_layer_and_says_so(
    stream: bytes, tiny_bundle: Bundle, tiny_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("a.dsslic").write_bytes(stream[:-1])
    assert run("decode", "a.dsslic", "a.png", "--model", tiny_model) == 0
    assert "decoded up to layer c" in capsys.readouterr().err
    np.testing.assert_array_equal(read("a.png"), Codec(tiny_bundle).decode(stream).coarse)
    lengths = container.layer_lengths(stream)
    Path("b.dsslic").write_bytes(stream[: lengths["header"] + lengths["s"]])
    said = refusal(capsys, "decode", "b.dsslic", "b.png", "--model", tiny_model)
    assert "only --upto s" in said
    assert run("decode", "b.dsslic", "b.png", "--upto", "s") == 0
    np.testing.assert_array_equal(read("b.png"), LABELS)


def test_join_adds_a_segnet(
    tiny_bundle: Bundle, tiny_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundles.save(coarse_part(tiny_bundle), Path("coarse"))
    bundles.save(segnet_part(tiny_bundle), Path("segnet"))
    assert "--labels" in refusal(capsys, "encode", "picture.png", "a.dsslic", "--model", "coarse")
    assert run("join", "joined", "--model", "coarse", "--segnet", "segnet") == 0
    assert tiny_bundle.fingerprint.hex() in capsys.readouterr().out
    for name in ("model.json", "weights.safetensors"):
        assert Path("joined", name).read_bytes() == (tiny_model / name).read_bytes()
    said = refusal(capsys, "join", "again", "--model", "segnet", "--segnet", "coarse")
    assert "has no CompNet and FineNet, it holds SegNet" in said


def test_streams_of_external_programs_decode_alike_with_and_without_them(
    programs: dict[str, str], tiny_model: Path
) -> None:
    options = [f"--program={name}={path}" for name, path in programs.items()]
    encode = ("encode", "picture.png", "a.dsslic", "--model", tiny_model, "--labels", "labels.png")
    encode += ("--quality", "60")
    assert run(*encode, "--codecs", "external", *options) == 0
    header = container.read_header(Path("a.dsslic").read_bytes())
    assert [layer.coder for layer in header.layers] == ["flif", "flif", "bpg"]
    assert run("decode", "a.dsslic", "external.png", "--codecs", "external", *options) == 0
    flif_only = f"--program=flif={programs['flif']}"
    assert run("decode", "a.dsslic", "embedded.png", "--codecs", "embedded", flif_only) == 0
    np.testing.assert_array_equal(read("external.png"), read("embedded.png"))
    assert np.abs(read("embedded.png").astype(int) - PICTURE).mean() < 8
    assert run("decode", "a.dsslic", "s.png", "--upto", "s", flif_only) == 0
    np.testing.assert_array_equal(read("s.png"), LABELS)


def test_options_of_encoding_reach_the_stream(
    tiny_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    encode = ("encode", "picture.png", "a.dsslic", "--model", tiny_model)
    for options, layers in (
        (("--layers", 3, "--labels", "labels.png"), ["s", "c", "r1", "r2", "r3"]),
        (("--no-labels",), ["c", "r1"]),
        (("--labels-at-decoder",), ["c", "r1"]),
        (("--label-loss", "1%", "--weights", "car=2,sky=0.5"), ["s", "c", "r1"]),
        (("--residual", "centred", "--residual-bits", 10, "--precision", "bfloat16"), None),
        (("--residual-colour", "ycbcr420", "--compact-step", 4), None),
    ):
        assert run(*encode, *options) == 0
        capsys.readouterr()
        assert run("info", "a.dsslic", "--json") == 0
        described = json.loads(capsys.readouterr().out)["layers"]
        assert [layer["layer"] for layer in described] == (layers or ["s", "c", "r1"])
        assert run("decode", "a.dsslic", "a.png") == 0


def test_a_target_is_met_or_its_reach_is_told(
    tiny_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Image.fromarray(smooth_picture(96, 96)).save("large.png")
    encode = ("encode", "large.png", "a.dsslic", "--model", tiny_model)
    assert run(*encode, "--target-bpp", 5) == 0
    assert abs(8 * Path("a.dsslic").stat().st_size / 96**2 - 5) <= 0.1
    assert run(*encode, "--target-psnr", 30) == 0
    Path("a.dsslic").unlink()
    capsys.readouterr()
    said = refusal(capsys, *encode, "--target-psnr", 90)
    assert "90 dB cannot be met: qualities 0 to 100 give" in said


def test_verbose_names_the_phases(tiny_model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("encode", "picture.png", "a.dsslic", "--model", tiny_model, "--verbose") == 0
    phases = ["picture", "model", "labels", "compact image", "coarse picture", "residual", "file"]
    assert capsys.readouterr().err.splitlines() == [f"phase: {phase}" for phase in phases]


def test_a_folder_is_encoded_and_its_failures_told_at_the_end(
    tiny_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for i in range(3):
        Path("in").mkdir(exist_ok=True)
        Image.fromarray(smooth_picture(20 + i, 32, seed=i)).save(f"in/{i}.png")
    Path("in/bad.png").write_bytes(b"no picture")
    assert run("encode", "in", "out", "--model", tiny_model) == 1
    said = capsys.readouterr()
    assert "3 encoded, 0 kept, 1 failed" in said.out and "bad.png" in said.err
    assert sorted(path.name for path in Path("out").glob("[!.]*")) == [
        f"{i}.dsslic" for i in range(3)
    ]
    Path("in/bad.png").unlink()
    assert run("encode", "in", "out", "--model", tiny_model) == 0
    assert "0 encoded, 3 kept, 0 failed" in capsys.readouterr().out
    assert run("encode", "in", "out", "--model", tiny_model, "--quality", 80) == 0
    assert "3 encoded, 0 kept, 0 failed" in capsys.readouterr().out
    Path("out/notes.txt").write_text("")
    assert run("decode", "out", "back") == 0
    said = capsys.readouterr()
    assert said.out == "3 decoded, 0 kept, 0 failed, 1 of other suffixes passed over\n"
    assert said.err == "passed over: out/notes.txt\n"
    for i in range(3):
        assert read(f"back/{i}.png").shape == (20 + i, 32, 3)
    assert run("decode", "out/0.dsslic", "out/1.dsslic", "tiffs", "--suffix", ".tif") == 0
    assert {path.name for path in Path("tiffs").glob("[!.]*")} == {"0.tif", "1.tif"}


def test_a_reader_that_has_enough_ends_a_command_without_a_word(stream: bytes) -> None:
    Path("a.dsslic").write_bytes(stream)
    command = f"{sys.executable} -m dsslic_jax info a.dsslic; echo $? >&2"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        ["bash", "-c", f"({command}) | true"], capture_output=True, env=environment, check=True
    )
    assert done.stderr in (b"141\n", b"0\n")  # it may have written all before


def test_standard_input_and_output_take_the_place_of_files(tiny_model: Path) -> None:
    def piped(data: bytes, *arguments: object) -> tuple[bytes, bytes]:
        command = [sys.executable, "-m", "dsslic_jax", *map(str, arguments)]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        done = subprocess.run(command, input=data, capture_output=True, env=environment, check=True)
        return done.stdout, done.stderr

    coded, said = piped(Path("picture.png").read_bytes(), "encode", "-", "-", "--model", tiny_model)
    assert coded.startswith(container.MAGIC) and b"layer r1" in said
    shown, _ = piped(coded, "info", "-")
    assert shown.startswith(b"32x20, classes camvid")
    decoded, _ = piped(coded, "decode", "-", "-", "--model", tiny_model)
    Path("a.dsslic").write_bytes(coded)
    assert run("decode", "a.dsslic", "a.png") == 0
    np.testing.assert_array_equal(read(io.BytesIO(decoded)), read("a.png"))
