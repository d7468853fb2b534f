"""The command `dsslic convert`: files written, read back, and trained on."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

from dsslic_jax import cli
from dsslic_jax.bundle import directory as bundles
from dsslic_jax.bundle.known import model_directory
from dsslic_jax.bundle.model import Bundle
from dsslic_jax.errors import ConfigError
from dsslic_jax.models.parts import COARSE, SEGNET
from dsslic_jax.train import loop
from dsslic_jax.train.portable import start_from, training_arrays
from dsslic_jax.train.tasks.registry import make_task
from tests import reference_fixture as reference
from tests.configurations import small_compression, small_segmentation
from tests.convert import foreign
from tests.convert.models import same_arrays
from tests.model_fixture import without_weights

FOREIGN_TERMS = ("--trained-on", "ADE20K", "--terms", "research only")


def run(*arguments: object) -> int:
    return cli.main(["convert", *map(str, arguments)])


@pytest.mark.parametrize("layout", ["module", "reference"])
def test_a_model_there_and_back_is_the_same_model(
    layout: str, tiny_bundle: Bundle, tiny_model: Path, tmp_path: Path
) -> None:
    file, back = tmp_path / "weights.safetensors", tmp_path / "back"
    assert run("to-torch", tiny_model, file, "--layout", layout) == 0
    assert run("from-torch", file, back) == 0
    loaded = bundles.load(back)
    assert same_arrays(loaded.weights, tiny_bundle.weights)
    assert loaded.fingerprints == tiny_bundle.fingerprints
    assert loaded.settings(COARSE) == tiny_bundle.settings(COARSE)
    assert loaded.coding == tiny_bundle.coding and loaded.classes == tiny_bundle.classes
    for name, part in loaded.parts.items():
        known = dict(part.provenance)
        assert known.pop("converted_from") and known.pop("terms") == "unknown"
        assert known == tiny_bundle.parts[name].provenance


@pytest.mark.parametrize("name", ["natural", "natural_poster"])
def test_bundled_models_come_back(name: str, tmp_path: Path) -> None:
    assert run("to-torch", name, tmp_path / "weights.safetensors") == 0
    assert run("from-torch", tmp_path / "weights.safetensors", tmp_path / "back") == 0
    ours, back = bundles.load(model_directory(name)), bundles.load(tmp_path / "back")
    assert back.fingerprints == ours.fingerprints and back.parts.keys() == ours.parts.keys()
    assert back.part(SEGNET).provenance["terms"] == ours.part(SEGNET).provenance["terms"]


def test_the_authors_three_files_become_a_model(
    torch: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arrays, settings = reference.load()
    state_dict = reference.state_dict(arrays, "init")
    for network in "CGD":
        own = {
            key[2:]: torch.from_numpy(array)
            for key, array in state_dict.items()
            if key.startswith(f"{network}.")
        }
        torch.save(own, tmp_path / f"latest_net_{network}.pth")
    assert run("from-torch", tmp_path, tmp_path / "model") == 1
    assert "--classes" in capsys.readouterr().err
    table = tmp_path / "five.json"
    table.write_text(
        '{"name": "five", "classes": [["a", [0, 0, 0]], ["b", [0, 0, 0]], ["c", [0, 0, 0]], '
        '["d", [0, 0, 0]], ["e", [0, 0, 0]]], "void_ids": []}'
    )
    options = ("--classes", table, *FOREIGN_TERMS)
    assert run("from-torch", tmp_path, tmp_path / "model", *options) == 0
    model, training = bundles.load_with_training(tmp_path / "model")
    assert model.settings(COARSE).finenet_blocks == settings["n_blocks"]
    assert model.settings(COARSE).upsampling == "bilinear_corners"  # the authors' only mode
    assert model.part(COARSE).provenance == {
        "converted_from": "reference",
        "trained_on": "ADE20K",
        "terms": "research only",
    }
    assert {name.split("/")[0] for name in training} == {"discriminator"}
    assert (
        run("to-torch", tmp_path / "model", tmp_path / "x.safetensors", "--layout", "reference")
        == 0
    )
    assert same_arrays(load_file(tmp_path / "x.safetensors"), state_dict)


def test_folders_of_csailvision_become_a_segnet(torch: Any, tmp_path: Path) -> None:
    encoder = foreign.resnet(torch, (3, 4, 6, 3), 2, "csail")
    decoder = foreign.pyramid_decoder(torch, 64, 4, 150)
    torch.save(encoder.state_dict(), tmp_path / "encoder_epoch_20.pth")
    torch.save(decoder.half().state_dict(), tmp_path / "decoder_epoch_20.pth")
    assert run("from-torch", tmp_path, tmp_path / "model", "--classes", "ade20k") == 0
    model = bundles.load(tmp_path / "model")
    assert [*model.parts] == ["segnet"]
    segnet = model.settings(SEGNET)
    assert (segnet.input, segnet.classes) == ("imagenet", 151)
    assert {w.dtype for w in model.weights.values()} == {np.dtype(np.float32)}


@pytest.fixture(scope="module", params=["compression", "segmentation"])
def config(request: pytest.FixtureRequest) -> Any:
    make = small_compression if request.param == "compression" else small_segmentation
    return make(steps=4, save_every=2)


@pytest.fixture(scope="module")
def workdir(config: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of four steps with checkpoints of the second and the last."""
    workdir = tmp_path_factory.mktemp("runs") / config.task
    assert loop.train(make_task(config), workdir) is not None
    return workdir


def test_a_run_s_state_travels_whole_and_training_goes_on_from_it(
    config: Any, workdir: Path, tmp_path: Path
) -> None:
    file, started = tmp_path / "run.safetensors", tmp_path / "started"
    half = workdir / "checkpoints" / "2"
    assert run("to-torch", half, file, "--layout", "module", "--training-state") == 0
    arrays = load_file(file)
    assert arrays["step"] == 2
    moments = ("exp_avg", "exp_avg_sq") if config.task == "compression" else ("momentum_buffer",)
    learned = [k for k in arrays if k.startswith(("compnet", "finenet", "discriminator", "segnet"))]
    learned = [k for k in learned if not k.endswith(("running_mean", "running_var"))]
    assert {*arrays} >= {f"{moment}.{key}" for moment in moments for key in learned}
    assert run("from-torch", file, started) == 0
    model, training = bundles.load_with_training(started)
    assert run("to-torch", started, tmp_path / "again.safetensors", "--training-state") == 0
    assert same_arrays(load_file(tmp_path / "again.safetensors"), arrays)
    fresh = make_task(config).first_state()
    begun = start_from(fresh, model, training)
    assert same_arrays(training_arrays(begun), training)
    assert int(begun.step) == 2
    config = config.copy_and_resolve_references()
    config.train.start_from = str(started)
    directory = loop.train(make_task(config), tmp_path / "on")
    assert directory is not None
    ended = bundles.load(directory)
    assert [part.provenance["steps"] for part in ended.parts.values()] == [4]  # two more, not four
    assert not same_arrays(ended.weights, model.weights)


def test_a_model_alone_starts_a_run_at_its_first_step(config: Any, workdir: Path) -> None:
    model, training = bundles.load_with_training(workdir / "model")
    assert training == {}
    task = make_task(config)
    fresh = task.first_state()
    begun = start_from(fresh, model, {})
    assert same_arrays(task.bundle(begun).weights, model.weights)
    assert same_arrays(training_arrays(begun), training_arrays(fresh))
    wider = config.copy_and_resolve_references().unlock()
    wider.model.update({"width": 9} if config.task == "segmentation" else {"finenet_width": 5})
    other = make_task(wider).first_state()
    with pytest.raises(ConfigError, match=r"start_from .*stem.*kernel.* are missing or misshapen"):
        start_from(other, model, {})


def test_named_layers_begin_anew(config: Any, workdir: Path) -> None:
    model, _ = bundles.load_with_training(workdir / "model")
    task = make_task(config)
    first = task.first_state()
    layer = next(name for name in sorted(model.weights) if name.endswith("/kernel")).split("/")[-2]
    begun = task.bundle(start_from(first, model, {}, [layer])).weights
    drawn = task.bundle(first).weights
    for name, array in begun.items():
        fresh = layer in name.split("/")
        assert np.array_equal(array, (drawn if fresh else model.weights)[name])
    training = {name: array + 1 for name, array in training_arrays(first).items()}
    both = training_arrays(start_from(first, model, training, [layer]))
    drawn = training_arrays(first)
    for name, array in both.items():
        assert np.array_equal(array, (drawn if layer in name.split("/") else training)[name])
    with pytest.raises(ConfigError, match="start_anew: no layer is named lables"):
        start_from(first, model, {}, ["lables"])


def test_the_newest_checkpoint_of_a_run_is_its_model(workdir: Path, tmp_path: Path) -> None:
    for source in (workdir, workdir / "checkpoints" / "4", workdir / "model"):
        assert run("to-torch", source, tmp_path / f"{source.name}.safetensors") == 0
    newest, last, model = (
        load_file(tmp_path / f"{name}.safetensors") for name in (workdir.name, "4", "model")
    )
    assert same_arrays(newest, last) and "step" not in newest
    assert all(np.array_equal(newest[key], array) for key, array in model.items())


def test_what_is_no_model_is_told_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("to-torch", tmp_path, tmp_path / "x.safetensors") == 1
    assert (
        "neither a model directory nor a training run with checkpoints" in capsys.readouterr().err
    )
    assert run("from-torch", tmp_path / "none.pth", tmp_path / "model", "--classes", "ade20k") == 1
    assert capsys.readouterr().err.count("\n") == 1
    save_file({"a": np.zeros(1, np.float32)}, tmp_path / "x.safetensors")
    assert run("from-torch", tmp_path / "x.safetensors", tmp_path / "m", "--classes", "ade20k") == 1
    assert "no network is known by these keys" in capsys.readouterr().err
    assert not (tmp_path / "m").exists()


def test_the_file_says_what_model_it_is(
    tiny_model: Path, tiny_bundle: Bundle, tmp_path: Path
) -> None:
    from dsslic_jax.convert.files import read_description

    assert run("to-torch", tiny_model, tmp_path / "x.safetensors") == 0
    assert read_description(tmp_path / "x.safetensors") == without_weights(tiny_bundle)
    with safe_open(tmp_path / "x.safetensors", framework="numpy") as file:
        assert [*file.metadata()] == ["dsslic"]
