"""A part that this file alone registers is saved, joined, verified, shown, exported and converted as the others are."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from jax import export
from safetensors.numpy import load_file

from dsslic_jax import cli
from dsslic_jax.bundle import directory as bundles
from dsslic_jax.bundle.joining import join
from dsslic_jax.bundle.listing import entries
from dsslic_jax.bundle.model import Bundle, Part
from dsslic_jax.convert import networks
from dsslic_jax.convert.transfer import Portable, from_state_dict, to_state_dict
from dsslic_jax.errors import ConfigError, ModelError
from dsslic_jax.models.parts import (
    COARSE,
    PartKind,
    part_kinds,
    register_part,
    unregister_part,
)
from dsslic_jax.models.programs import PICTURE, Program, Sizes
from dsslic_jax.settings.fields import Settings, setting
from tests.convert.models import apart, same_arrays
from tests.convert.models import inputs as inputs_of
from tests.model_fixture import changed, only

NAME = "sharpener"


@dataclass(frozen=True)
class SharpenerSettings(Settings):
    """A made-up network's."""

    classes: int = setting(0, "K", at_least=0, at_most=256)
    width: int = setting(4, "features", at_least=1, at_most=64)
    gain: float = setting(0.5, "of what is added", at_least=0, at_most=2)


def build(settings: SharpenerSettings) -> Any:
    import flax.linen as nn

    class Sharpener(nn.Module):
        @nn.compact
        def __call__(self, picture: jax.Array) -> jax.Array:
            seen = nn.Conv(settings.width, (3, 3), name="stem")(picture)
            return picture + settings.gain * nn.Conv(3, (3, 3), name="head")(nn.relu(seen))

    return Sharpener()


def inputs(module: Any) -> tuple[Any, ...]:
    return (jax.ShapeDtypeStruct(PICTURE.shape(1, 8, 8), np.float32),)


KIND = PartKind(
    name=NAME,
    title="A sharpener",
    settings=SharpenerSettings,
    build=build,
    inputs=inputs,
    in_decoder=lambda settings: {"width": settings.width, "gain": settings.gain},
    programs=(Program(NAME, lambda module: (PICTURE,), lambda module: Sizes(1, 3)),),
)
SETTINGS = SharpenerSettings(classes=12, width=5, gain=0.25)


@pytest.fixture(autouse=True)
def _registered() -> Iterator[None]:
    register_part(KIND)
    yield
    unregister_part(KIND)


@pytest.fixture
def alone(tiny_bundle: Bundle) -> Bundle:
    """A model of this part only."""
    part = Part(SETTINGS, KIND.drawn(SETTINGS), {"trained_on": "a few edges", "terms": "none"})
    return Bundle(tiny_bundle.classes, {NAME: part})


@pytest.fixture
def directory(alone: Bundle, tiny_model: Path, tmp_path: Path) -> Path:
    """The directory of the tiny model with the part joined, by the command line."""
    bundles.save(alone, tmp_path / "alone")
    given = ["--model", str(tiny_model), f"--{NAME}", str(tmp_path / "alone")]
    assert cli.main(["join", str(tmp_path / "joined"), *given]) == 0
    return tmp_path / "joined"


def run(*arguments: object) -> int:
    return cli.main([*map(str, arguments)])


def test_it_is_loaded_as_it_was_saved(alone: Bundle, tmp_path: Path) -> None:
    bundles.save(alone, tmp_path / "model")
    loaded = bundles.load(tmp_path / "model")
    assert loaded.settings(KIND) == SETTINGS and loaded.fingerprints == []
    assert loaded.part(KIND).provenance == alone.part(KIND).provenance
    assert same_arrays(loaded.weights, alone.weights)
    assert next(iter(loaded.weights)).startswith(f"{NAME}/params/")


def test_it_joins_a_model_whose_streams_are_then_others(
    directory: Path, alone: Bundle, tiny_bundle: Bundle
) -> None:
    joined = bundles.load(directory)
    assert [*joined.parts] == ["coarse", "segnet", NAME]
    assert same_arrays(joined.weights, {**tiny_bundle.weights, **alone.weights})
    assert joined.fingerprint != tiny_bundle.fingerprint
    other = changed(joined, NAME, settings={"gain": 1.0})
    assert other.fingerprint != joined.fingerprint
    assert only(joined, "coarse", "segnet").fingerprints == tiny_bundle.fingerprints
    with pytest.raises(ModelError, match="has no A sharpener, it holds CompNet and FineNet and S"):
        join(joined, {NAME: tiny_bundle})


def test_it_is_verified_listed_and_on_the_card(
    directory: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setenv("DSSLIC_MODELS", str(tmp_path / "known"))
    assert run("models", "verify", directory) == 0
    assert run("models", "card", directory) == 0
    card = capsys.readouterr().out
    assert "| A sharpener | classes 12, width 5, gain 0.25 |" in card
    assert "| trained on | a few edges |" in card
    from dsslic_jax.bundle.known import remember

    joined = bundles.load(directory)
    remember(joined.fingerprints, directory)
    (entry,) = [entry for entry in entries() if not entry.bundled]
    assert entry.parts == ("coarse", "segnet", NAME)
    kernel = {f"{NAME}/params/stem/kernel": np.zeros((3, 3, 3, 4), np.float32)}
    arrays = {**joined.part(KIND).arrays, **kernel}
    bundles.save(changed(joined, NAME, arrays=arrays), directory)
    assert run("models", "verify", directory) == 1
    assert f"misshapen: {NAME}/params/stem/kernel" in capsys.readouterr().out
    few = replace(SETTINGS, classes=3)
    bundles.save(replace(joined, parts={NAME: replace(joined.part(KIND), settings=few)}), directory)
    assert run("models", "verify", directory) == 1
    assert f"{NAME} is for 3 classes" in capsys.readouterr().out


def test_it_is_exported(
    directory: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    joined = bundles.load(directory)
    assert run("export", directory, tmp_path, "--format", "stablehlo", "--network", NAME) == 0
    program = export.deserialize(bytearray((tmp_path / f"{NAME}.stablehlo").read_bytes()))
    picture = np.random.default_rng(0).uniform(-1, 1, (2, 5, 9, 3)).astype(np.float32)
    expected = build(SETTINGS).apply(joined.variables(KIND), picture)
    np.testing.assert_allclose(program.call(picture), expected, rtol=1e-5, atol=1e-5)
    capsys.readouterr()


def test_without_a_pytorch_module_of_it_that_is_said(
    torch: Any, directory: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from dsslic_jax.convert.torch.loading import modules_of

    networks = ("--network", f"decoder,{NAME}")
    assert run("export", directory, tmp_path / "out", "--format", "torchscript", *networks) == 1
    assert f"{NAME} has no PyTorch module: export it as StableHLO" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    assert [*modules_of(bundles.load(directory))] == ["encoder", "decoder", "segnet"]


def test_it_goes_to_pytorch_s_names_and_back(directory: Path, tmp_path: Path) -> None:
    joined, file = bundles.load(directory), tmp_path / "weights.safetensors"
    assert run("convert", "to-torch", directory, file) == 0
    assert {f"{NAME}.stem.weight", f"{NAME}.head.bias"} <= load_file(file).keys()
    assert run("convert", "from-torch", file, tmp_path / "back") == 0
    back = bundles.load(tmp_path / "back")
    assert back.fingerprints == joined.fingerprints
    assert back.settings(KIND) == SETTINGS and same_arrays(back.weights, joined.weights)
    assert back.part(KIND).provenance["trained_on"] == "a few edges"
    assert run("convert", "from-torch", file, tmp_path / "other", "--gain", "1.5") == 0
    assert bundles.load(tmp_path / "other").settings(KIND).gain == 1.5
    assert run("convert", "from-torch", file, tmp_path / "none", "--gain", "3") == 1
    assert run("convert", "from-torch", file, tmp_path / "none", "--width", "6") == 1
    assert run("convert", "to-torch", directory, file, "--layout", "reference") == 1
    assert not (tmp_path / "none").exists()


def test_a_record_of_its_own_says_what_arrays_tell(
    alone: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = {"width": networks.Width(f"{NAME}/stem", 0)}
    monkeypatch.setattr(networks, "_NETWORKS", dict(networks._NETWORKS))
    networks.register_network(networks.Network(NAME, widths=told))
    arrays = to_state_dict(Portable(alone, {}), "module")
    back = from_state_dict(arrays, alone.classes).bundle  # with nothing else known
    assert back.settings(KIND) == replace(SETTINGS, gain=0.5)
    assert same_arrays(back.weights, alone.weights)


def test_a_pytorch_module_of_its_own_is_loaded(
    torch: Any, alone: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dsslic_jax.convert.torch import loading

    class Sharpener(torch.nn.Module):
        def __init__(self, settings: SharpenerSettings) -> None:
            super().__init__()
            self.stem = torch.nn.Conv2d(3, settings.width, 3, padding=1)
            self.head = torch.nn.Conv2d(settings.width, 3, 3, padding=1)
            self.gain = settings.gain

        def forward(self, picture: Any) -> Any:
            return picture + self.gain * self.head(torch.relu(self.stem(picture)))

    monkeypatch.setattr(loading, "_MODULES", dict(loading._MODULES))
    loading.register_torch_module(NAME, Sharpener)
    _, picture = inputs_of(16, 24)
    with torch.no_grad():
        made = loading.modules_of(alone)[NAME](torch.from_numpy(picture.transpose(0, 3, 1, 2)))
    assert apart(build(SETTINGS).apply(alone.variables(KIND), picture), made) < 1e-5


def test_names_are_taken_once_and_settings_are_checked() -> None:
    assert [*part_kinds()][-1] == NAME
    for taken in (KIND, replace(COARSE, name="other"), replace(KIND, name="other", key="segnet")):
        with pytest.raises(ValueError, match="is registered already"):
            register_part(taken)
    with pytest.raises(ConfigError, match="gain must be at least 0 and at most 2"):
        replace(SETTINGS, gain=3.0)
