"""The command `dsslic export`: which files it writes, and what it refuses before it writes any."""

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from jax import export

from dsslic_jax import cli
from dsslic_jax.bundle import directory as bundles
from dsslic_jax.bundle.model import Bundle
from tests.convert import models
from tests.model_fixture import coarse_part


def run(*arguments: object) -> int:
    return cli.main(["export", *map(str, arguments)])


def refusal(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    """The one line that a failing call says."""
    assert run(*arguments) == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    return said


def test_every_network_of_a_model_is_written_and_runs(
    tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(tiny_model, tmp_path / "out", "--format", "stablehlo", "--size", "48x64") == 0
    names = ["decoder", "encoder", "segnet"]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        f"{name}.stablehlo" for name in names
    ]
    assert capsys.readouterr().out.count(" MB\n") == 3
    labels, picture = models.inputs(48, 64, 1)
    programs = {
        name: export.deserialize(bytearray((tmp_path / f"out/{name}.stablehlo").read_bytes()))
        for name in names
    }
    compact = programs["encoder"].call(labels, picture)
    assert programs["decoder"].call(labels, compact).shape == (1, 48, 64, 3)
    assert programs["segnet"].call(picture).shape == (1, 6, 8, models.CLASSES)


def test_a_model_without_segnet_is_exported_for_all_sizes(
    tiny_bundle: Bundle, tmp_path: Path
) -> None:
    bundles.save(coarse_part(tiny_bundle), tmp_path / "model")
    assert run(tmp_path / "model", tmp_path / "out", "--format", "stablehlo") == 0
    assert len(list((tmp_path / "out").iterdir())) == 2


def test_networks_and_sizes_that_do_not_go_are_refused_before_any_file_is_written(
    tiny_model: Path, tiny_bundle: Bundle, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    bundles.save(coarse_part(tiny_bundle), tmp_path / "coarse")
    for format_ in ("stablehlo", "onnx"):
        said = refusal(capsys, tiny_model, out, "--format", format_)
        assert "give --size" in said and "--network encoder,decoder" in said
    said = refusal(
        capsys, tmp_path / "coarse", out, "--format", "stablehlo", "--network", "encoder,segnet"
    )
    assert "has no segnet: it has encoder, decoder" in said
    said = refusal(capsys, tiny_model, out, "--format", "torchscript", "--size", "64x64")
    assert "leave --size out" in said
    said = refusal(capsys, tiny_model, out, "--format", "stablehlo", "--size", "60x64")
    assert "multiples of 8" in said
    for wrong in (("--size", "64"), ("--size", "0x64x3"), ("--network", "discriminator")):
        with pytest.raises(SystemExit):
            run(tiny_model, out, "--format", "stablehlo", *wrong)
    assert not out.exists()


def test_without_pytorch_the_extra_is_named(
    tiny_model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    found = importlib.util.find_spec
    for missing, format_ in (("torch", "torchscript"), ("torch", "onnx"), ("onnxscript", "onnx")):
        monkeypatch.setattr(
            importlib.util,
            "find_spec",
            lambda name, missing=missing: None if name == missing else found(name),
        )
        options = ("--format", format_, "--network", "decoder")
        said = refusal(capsys, tiny_model, tmp_path / "out", *options)
        assert "pip install 'onnx>=" in said
        assert missing in said or found("torch") is None


@pytest.mark.filterwarnings("ignore:.*torch.jit.load. is deprecated:DeprecationWarning")
def test_torchscript_and_onnx_come_from_the_same_command(
    torch: Any, onnxruntime: Any, tiny_model: Path, tmp_path: Path
) -> None:
    labels, picture = models.inputs(48, 64, 1)
    compact = np.ascontiguousarray(picture[:, ::8, ::8].transpose(0, 3, 1, 2))
    decoder = ("--network", "decoder")
    assert run(tiny_model, tmp_path, "--format", "torchscript", *decoder) == 0
    assert run(tiny_model, tmp_path, "--format", "onnx", *decoder, "--size", "48x64") == 0
    with torch.no_grad():
        scripted = torch.jit.load(tmp_path / "decoder.pt")(
            torch.from_numpy(labels), torch.from_numpy(compact)
        )
    session = onnxruntime.InferenceSession(tmp_path / "decoder.onnx")
    (made,) = session.run(None, {"labels": labels.astype(np.int64), "compact": compact})
    np.testing.assert_allclose(made, scripted.numpy(), rtol=1e-4, atol=1e-5)
