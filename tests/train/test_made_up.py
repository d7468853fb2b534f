"""A network with its task, and a term of the loss, that this file alone knows, go through every door."""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax import export
from ml_collections import ConfigDict

from dsslic_jax import cli
from dsslic_jax.bundle import directory as bundles
from dsslic_jax.configs import default
from dsslic_jax.models.layers import Conv
from dsslic_jax.models.parts import PartKind, register_part, unregister_part
from dsslic_jax.models.pixels import to_network, to_pixels
from dsslic_jax.models.programs import PICTURE, Program, Sizes
from dsslic_jax.settings.fields import Settings, group, setting
from dsslic_jax.train import loop
from dsslic_jax.train.losses.terms import TERMS, Seen, Term, register_term
from dsslic_jax.train.settings import RunSettings
from dsslic_jax.train.state import NetworkState, make_optimizer
from dsslic_jax.train.tasks.registry import (
    TASKS,
    default_config,
    make_task,
    register_task,
)
from dsslic_jax.train.tasks.task import Batch, Metrics, Task, TrainStep
from tests.configurations import on_small_scenes, small_compression
from tests.conftest import ROOT
from tests.train.runs import StoppedHere, assert_same_weights, environment, stop_after


@dataclass(frozen=True)
class TinterSettings(Settings):
    classes: int = setting(0, "K", at_least=0, at_most=256)
    width: int = setting(6, "features", at_least=1, at_most=64)


class Tinter(nn.Module):
    width: int

    @nn.compact
    def __call__(self, picture: jax.Array) -> jax.Array:
        seen = nn.relu(Conv(self.width, 3, padding=1, name="stem")(picture))
        return picture + Conv(3, 1, name="head")(seen)


TINTER = PartKind(
    name="tinter",
    title="Tinter",
    settings=TinterSettings,
    build=lambda settings: Tinter(settings.width),
    inputs=lambda module: (jax.ShapeDtypeStruct(PICTURE.shape(1, 8, 8), np.float32),),
    programs=(Program("tinter", lambda module: (PICTURE,), lambda module: Sizes(1, 1)),),
)


@dataclass(frozen=True)
class TintingSettings(RunSettings):
    """A made-up network that learns to give pictures another tint."""

    task: str = setting("tinting", "what is trained", choices=("tinting",))
    model: TinterSettings = group(TinterSettings, "the network")


class Tinting(Task[TintingSettings]):
    name = "tinting"
    settings_type = TintingSettings
    parts = (TINTER,)
    variants: ClassVar[Mapping[str, Mapping[str, Any]]] = {"tiny": {"model.width": 4}}

    @property
    def sizes(self) -> tuple[int, int]:
        return 1, 1

    def make_step(self) -> TrainStep:
        network, optimizer = TINTER.build(self.settings.model), make_optimizer(self.settings)

        def step(state: NetworkState, batch: Batch) -> tuple[NetworkState, Metrics]:
            picture = to_network(batch["image"])

            def loss(params: Any) -> jax.Array:
                made = network.apply({"params": params}, picture)
                return jnp.mean(jnp.square(made - picture[..., ::-1]))

            total, gradients = jax.value_and_grad(loss)(state.params)
            metrics = {"T/total": total, "T/gradient_norm": optax.tree.norm(gradients)}
            return state.updated(gradients, optimizer), metrics

        return step

    def run(self, variables: Any, batch: Batch) -> dict[str, jax.Array]:
        network = TINTER.build(self.settings.model)
        return {"tinted": to_pixels(network.apply(variables, to_network(batch["image"])))}

    def row(self, element: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        return [element["image"], element["tinted"]]


@dataclass(frozen=True)
class Tint(Term):
    name = "G/tint"
    weight_name = "tint_weight"

    tint_weight: float = setting(0.0, "of the squared error of mean colours", at_least=0)

    def __call__(self, seen: Seen) -> jax.Array:
        mean = jnp.mean(seen.picture - seen.made.coarse, (1, 2))
        return jnp.mean(jnp.square(mean))


def register() -> None:
    register_part(TINTER)
    register_task(Tinting)
    register_term(Tint)


@pytest.fixture(autouse=True)
def _registered() -> Iterator[None]:
    register()
    yield
    TERMS.remove(Tint)
    del TASKS[Tinting.name]
    unregister_part(TINTER)


def configuration(**train: Any) -> ConfigDict:
    return on_small_scenes(default_config("tinting"), train)


RECIPE = """
from dsslic_jax.configs import default
from tests.train import test_made_up

def get_config(variant=""):
    test_made_up.register()
    return default.finish(test_made_up.configuration(steps=2, sample_every=2), variant)
"""


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "tinting.py"
    path.write_text(RECIPE)
    return path


def door(module: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", module, *map(str, arguments)]
    return subprocess.run(
        command, cwd=ROOT, env=environment(), capture_output=True, text=True, check=False
    )


def test_it_is_trained_from_a_recipe_of_its_own_then_converted_and_exported(
    recipe: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    done = door("dsslic_jax.main", f"--config={recipe}", f"--workdir={run}")
    assert done.returncode == 0, done.stderr
    assert "T/total" in done.stdout and (run / "samples" / "00000002.png").exists()
    trained = bundles.load(run / "model")
    assert [*trained.parts] == ["tinter"]
    assert trained.settings(TINTER) == TinterSettings(classes=11, width=4)
    assert trained.part(TINTER).provenance["steps"] == 2
    assert cli.main(["models", "verify", str(run / "model")]) == 0

    weights, back = str(tmp_path / "weights.safetensors"), str(tmp_path / "back")
    assert cli.main(["convert", "to-torch", str(run), weights, "--training-state"]) == 0
    assert cli.main(["convert", "from-torch", weights, back]) == 0
    returned, training = bundles.load_with_training(back)
    assert_same_weights(run / "model", Path(back))
    assert returned.settings(TINTER) == trained.settings(TINTER)
    assert int(training["step"]) == 2 and "mu/tinter/params/stem/kernel" in training

    assert cli.main(["export", back, str(tmp_path), "--format", "stablehlo"]) == 0
    program = export.deserialize(bytearray((tmp_path / "tinter.stablehlo").read_bytes()))
    picture = np.random.default_rng(0).uniform(-1, 1, (2, 5, 9, 3)).astype(np.float32)
    expected = Tinter(4).apply(trained.variables(TINTER), picture)
    np.testing.assert_allclose(program.call(picture), expected, rtol=1e-5, atol=1e-5)


def test_it_is_planned(recipe: Path) -> None:
    done = door("dsslic_jax.plan", f"--config={recipe}", "--topology=h200", "--json")
    assert done.returncode == 0, done.stderr
    plan = json.loads(done.stdout)
    assert plan["task"] == "tinting" and plan["flops"] > 0


def test_stopped_and_resumed_it_is_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = make_task(configuration(steps=4, save_every=2, ema_decay=0.9))
    whole = loop.train(task, tmp_path / "whole")
    with monkeypatch.context() as patch:
        stop_after(3, patch)
        with pytest.raises(StoppedHere):
            loop.train(task, tmp_path / "parts")
    assert_same_weights(whole, loop.train(task, tmp_path / "parts"))
    another = configuration(steps=2, start_from=str(whole))
    moved = loop.train(make_task(another), tmp_path / "another")
    assert moved is not None and bundles.load(moved).part(TINTER).provenance["steps"] == 2


def test_a_term_of_its_own_is_weighed_summed_and_named() -> None:
    batch = {
        "image": np.random.default_rng(1).integers(0, 256, (2, 64, 64, 3), np.uint8),
        "labels": np.zeros((2, 64, 64), np.uint8),
    }
    config = default.use_pixel_error(small_compression())
    config.losses.mse_weight = 0.0
    found = []
    for weight in (1.0, 3.0):
        config.losses.tint_weight = weight
        task = make_task(config)
        _, metrics = jax.jit(task.step())(task.first_state(), batch)
        assert {name for name in metrics if name.startswith("G/")} == {
            "G/tint",
            "G/total",
            "G/gradient_norm",
        }
        found.append(float(metrics["G/tint"]))
        assert float(metrics["G/total"]) == found[-1] > 0
    assert found[1] == pytest.approx(3 * found[0])
    assert "G/tint" not in jax.eval_shape(*_step_of(small_compression(), batch))[1]


def _step_of(config: ConfigDict, batch: Any) -> tuple[Any, ...]:
    task = make_task(config)
    return task.step(), task.first_state(), batch
