"""Every command that writes: what stands at its output's name stays, unless it may be replaced."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dsslic_jax.bundle import directory as bundles
from dsslic_jax.bundle.model import Bundle
from tests.cli.commands import LABELS, PICTURE, refusal, run
from tests.model_fixture import segnet_part

THEIRS = b"somebody's own, worth keeping"
Arguments = Callable[[str], tuple[object, ...]]
# Command, the name of the file or model directory that it writes, and its arguments.
FILES: dict[str, tuple[str, Arguments]] = {
    "encode": ("out.dsslic", lambda out: ("encode", "picture.png", out)),
    "decode": ("out.tif", lambda out: ("decode", "in.dsslic", out)),
    "label map": ("out.png", lambda out: ("decode", "in.dsslic", out, "--upto", "s")),
    "inspect": ("out.html", lambda out: ("inspect", "in.dsslic", "--html", out)),
    "report": ("out.html", lambda out: ("report", ".", "--out", out)),
    "score": (
        "out.csv",
        lambda out: (
            *("score", "--model", "model", "--images", "train/images"),
            *("--labels", "train/labels", "--csv", out),
        ),
    ),
    "to-torch": ("out.safetensors", lambda out: ("convert", "to-torch", "model", out)),
    "export": (
        "encoder.stablehlo",
        lambda out: ("export", "model", ".", "--format", "stablehlo", "--network", "encoder"),
    ),
    "prepare": (
        "train.array_record",
        lambda out: ("prepare", ".", ".", "--classes", "camvid", "--splits", "train"),
    ),
}
FOLDERS: dict[str, Arguments] = {
    "join": lambda out: ("join", out, "--model", "model", "--segnet", "segnet"),
    "from-torch": lambda out: ("convert", "from-torch", "in.safetensors", out),
    "evaluate": lambda out: ("evaluate", "--images", "train/images", "--out", out),
}


@pytest.fixture(autouse=True)
def _inputs(
    tiny_model: Path, tiny_bundle: Bundle, stream: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("in.dsslic").write_bytes(stream)
    Path("model").symlink_to(tiny_model)
    bundles.save(segnet_part(tiny_bundle), Path("segnet"))
    for name, pixels in (("images", PICTURE), ("labels", LABELS)):
        path = Path("train", name, "a.png")
        path.parent.mkdir(parents=True)
        Image.fromarray(pixels).save(path)


@pytest.mark.parametrize("command", FILES)
def test_a_file_of_another_program_stays(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    name, arguments = FILES[command]
    Path(name).write_bytes(THEIRS)
    assert f"{name} is there and not" in refusal(capsys, *arguments(name))
    assert Path(name).read_bytes() == THEIRS
    Path(name).unlink()
    Path(name).mkdir()
    if command not in ("encode", "decode", "label map"):  # which write into a folder
        assert f"{name} is a folder" in refusal(capsys, *arguments(name))


@pytest.mark.parametrize("command", FOLDERS)
def test_a_folder_of_other_files_or_another_model_stays(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("convert", "to-torch", "model", "in.safetensors") == 0
    capsys.readouterr()
    Path("out").mkdir()
    Path("out/notes.txt").write_bytes(THEIRS)
    assert "out holds other files, not a" in refusal(capsys, *FOLDERS[command]("out"))
    if command != "evaluate":
        said = refusal(capsys, *FOLDERS[command]("segnet"))
        assert said.startswith(("segnet is a model directory already", "segnet is an input"))


@pytest.mark.parametrize("command", ["encode", "to-torch", "export", "prepare"])
def test_told_to_overwrite_a_command_does(command: str) -> None:
    name, arguments = FILES[command]
    Path(name).write_bytes(THEIRS)
    given = arguments(name) + (("--model", "model") if command == "encode" else ())
    assert run(*given, "--overwrite") == 0
    assert Path(name).read_bytes() != THEIRS


def test_a_decoded_png_is_replaced_and_a_photograph_is_not(
    capsys: pytest.CaptureFixture[str],
) -> None:
    for _ in range(2):
        assert run("decode", "in.dsslic", "out.png", "--model", "model") == 0
    assert "picture.png is there" in refusal(capsys, "decode", "in.dsslic", "picture.png")
    with Image.open("picture.png") as image:
        np.testing.assert_array_equal(image, PICTURE)
