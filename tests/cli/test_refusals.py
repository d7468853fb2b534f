"""The command `dsslic`: what cannot be done is told in one line and leaves nothing behind."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dsslic_jax import cli
from dsslic_jax.bundle import directory as bundles
from dsslic_jax.bundle import known as known_models
from dsslic_jax.bundle.model import Bundle
from tests.cli.commands import LABELS, refusal
from tests.model_fixture import coarse_part, make_bundle, segnet_part


def test_what_is_missing_or_unfit_is_told_in_one_line(
    tiny_model: Path, tiny_bundle: Bundle, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("no.dsslic").write_bytes(Path("picture.png").read_bytes())
    Path("folder").mkdir()
    Image.fromarray(LABELS + np.uint8(9)).save("unknown_ids.png")
    bundles.save(segnet_part(tiny_bundle), Path("segnet"))
    model = ("--model", tiny_model)
    encode, decode = ("encode", "picture.png", "out.dsslic"), ("decode", "no.dsslic", "out.png")
    for arguments, message in (
        (("encode", "none.png", "out.dsslic", *model), "none.png"),
        (("encode", "no.dsslic/x", "out.dsslic", *model), "no.dsslic/x"),
        ((*encode, "--model", "nowhere"), "nowhere is not a model directory: no model.json in it"),
        ((*encode, "--model", "segnet"), "has no CompNet and FineNet, it holds SegNet"),
        ((*encode, *model, "--labels", "none.png"), "none.png"),
        ((*encode, *model, "--labels", "picture.png"), "single-channel"),
        ((*encode, *model, "--labels", "unknown_ids.png"), "unknown_ids.png: label id 12"),
        (
            (*encode, *model, "--quality", 101),
            "--quality must be at least 0 and at most 100, not 101",
        ),
        ((*encode, *model, "--program", "flif"), "--program flif: write flif=PATH"),
        ((*encode, *model, "--program", "gcc=/bin/cc"), "--program gcc=/bin/cc: write flif=PATH"),
        (("encode", "picture.png", "folder", *model), "folder: Is a directory"),
        (("decode", "none.dsslic", "out.png"), "none.dsslic: No such file"),
        (decode, "not a .dsslic stream"),
        ((*decode, *model), "not a .dsslic stream"),
        ((*decode, "--upto", "s"), "not a .dsslic stream"),
        (("decode", "no.dsslic", "out.jpg"), "out.jpg"),
        (("info", "no.dsslic"), "not a .dsslic stream"),
        (("info", "folder"), "folder: Is a directory"),
        (("join", "out", "--model", "nowhere", "--segnet", tiny_model), "nowhere is not a model"),
        (("join", "out", *model, "--segnet", "nowhere"), "nowhere is not a model"),
        (
            ("evaluate", "--images", ".", *model, "--out", "out", "--settings", "dsslic=a"),
            "--settings",
        ),
    ):
        assert message in refusal(capsys, *arguments)


def test_decoding_finds_no_model_or_the_wrong_one(
    stream: bytes, tiny_bundle: Bundle, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("a.dsslic").write_bytes(stream)
    fingerprint = tiny_bundle.fingerprint.hex()
    said = refusal(capsys, "decode", "a.dsslic", "a.png")
    assert fingerprint in said and "--model" in said
    other = coarse_part(make_bundle(seed=1))
    bundles.save(other, Path("other"))
    said = refusal(capsys, "decode", "a.dsslic", "a.png", "--model", "other")
    assert fingerprint in said and other.fingerprint.hex() in said
    known_models.remember([tiny_bundle.fingerprint], Path("other"))  # trained anew since
    assert f"needs model {fingerprint}" in refusal(capsys, "decode", "a.dsslic", "a.png")


def test_a_damaged_stream_leaves_no_picture(
    stream: bytes, tiny_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    damaged = bytearray(stream)
    damaged[-1] ^= 1
    Path("a.dsslic").write_bytes(damaged)
    said = refusal(capsys, "decode", "a.dsslic", "a.png", "--model", tiny_model)
    assert "layer r1 is damaged" in said
    assert "layer r1 is damaged" in refusal(capsys, "info", "a.dsslic")


def test_a_full_disk_is_told_and_leaves_nothing(
    stream: bytes, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("a.dsslic").write_bytes(stream)

    def disk_full(temporary: Path, data: bytes) -> None:
        temporary.touch()
        raise OSError(28, "No space left on device")  # as write(2) reports it: no file's name

    monkeypatch.setattr(Path, "write_bytes", disk_full)
    said = refusal(capsys, "decode", "a.dsslic", "a.png", "--upto", "s")
    assert said == "No space left on device"


@pytest.mark.parametrize("arguments", [[], ["shrink"], ["decode", "a", "b", "--upto", "x"]])
def test_wrong_usage_exits_with_2(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(arguments)
    assert caught.value.code == 2


@pytest.mark.parametrize("missing", ["flif", "bpgenc", "bpgdec"])
def test_a_missing_program_is_named_and_nothing_written(
    missing: str,
    programs: dict[str, str],
    tiny_model: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    options = [f"--program={name}={path}" for name, path in programs.items() if name != missing]
    encode = ("encode", "picture.png", "a.dsslic", "--model", tiny_model, "--codecs", "external")
    said = refusal(capsys, *encode, "--labels", "labels.png", *options)
    assert said.startswith(f"{missing} is not on PATH") and "--codecs embedded" in said
