"""EnhanceNet's training: it corrects what it was trained on, on any mesh, and becomes a model that codes."""

from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from ml_collections import ConfigDict
from PIL import Image

from dsslic_jax.codec.codec import Codec
from dsslic_jax.configs import default
from dsslic_jax.errors import ConfigError
from dsslic_jax.evaluate.training import CodedPictures
from dsslic_jax.train.devices import sharding
from dsslic_jax.train.devices.sharding import make_mesh
from dsslic_jax.train.tasks.registry import make_task
from dsslic_jax.train.tasks.task import Task
from tests.configurations import settings_of

STEPS = 120
RNG = np.random.default_rng(5)
IMAGE = RNG.integers(40, 216, (8, 32, 32, 3), np.uint8)
BATCH = {
    "image": IMAGE,
    "labels": RNG.integers(0, 8, (8, 32, 32)).astype(np.uint8),
    "decoded": IMAGE // 16 * 16,  # too dark by 7.5 on average: a correction to be learned
    "strength": np.full(8, 100, np.uint8),
}


def config_of(**mesh: int) -> ConfigDict:
    config = default.tiny(default.enhancement())
    config.mesh.update(mesh)
    config.train.update({"batch_size": 8, "steps": STEPS})
    config.optimizer.learning_rate = 5e-3
    config.data.crop = (32, 32)
    return config


def run(steps: int, devices: int, **mesh: int) -> tuple[Task[Any], Any, list[dict[str, float]]]:
    task = make_task(config_of(**mesh))
    grid, first = make_mesh(task.settings.mesh, jax.devices()[:devices]), task.first_state()
    compiled = sharding.compile_step(task.step(), grid, first)
    state = sharding.place(first, sharding.state_sharding(first, grid))
    history = []
    for _ in range(steps):
        state, metrics = compiled(state, sharding.put_batch(BATCH, 8, grid))
        history.append({k: float(v) for k, v in metrics.items()})
    return task, sharding.on_host(state, grid), history


@pytest.fixture(scope="module")
def trained() -> tuple[Task[Any], Any, list[dict[str, float]]]:
    return run(STEPS, devices=1)


def test_the_error_falls_below_that_of_the_decoded_picture(trained: Any) -> None:
    history = trained[2]
    assert history[-1]["E/log_ratio"] < -0.5 < history[0]["E/log_ratio"]
    error = np.square(BATCH["image"] / 127.5 - BATCH["decoded"] / 127.5).mean()
    typical = (0.04 * 2 ** (-20 / 24)) ** 2
    assert history[0]["E/before"] == pytest.approx(error / typical, rel=1e-4)


@pytest.mark.parametrize("mesh", [{"data": 8}, {"data": 4, "rows": 2}, {"data": 2, "fsdp": 4}])
def test_eight_devices_give_the_step_of_one(mesh: dict[str, int], trained: Any) -> None:
    _, _, history = run(2, devices=8, **mesh)
    for ours, theirs in zip(history, trained[2], strict=False):
        assert ours == pytest.approx(theirs, rel=2e-4, abs=2e-5)


def test_what_was_trained_codes_pictures(trained: Any) -> None:
    task, state, _ = trained
    bundle = task.bundle(state)
    assert [*bundle.parts] == ["coarse", "enhancenet"]
    assert {name.split("/")[0] for name in bundle.weights} == {"enhancenet"}
    codec = Codec(bundle)
    picture = np.kron(IMAGE[0], np.ones((4, 4, 1), np.uint8))
    labels = np.zeros(picture.shape[:2], np.uint8)
    decoded = codec.decode(codec.encode(picture, labels))
    assert decoded.coarse is not None and decoded.picture is not None
    # Block averages in steps of 16 levels, enlarged: no more than the picture's own mean here.
    assert np.abs(decoded.coarse.mean((0, 1)) - picture.mean((0, 1))).max() < 16
    assert decoded.picture.shape == picture.shape


def test_the_untrained_fingerprint_depends_on_the_weights(trained: Any) -> None:
    task, state, _ = trained
    assert task.bundle(state).fingerprint != task.bundle(task.first_state()).fingerprint


def test_while_it_is_trained_pictures_are_coded_not_segmented(trained: Any, tmp_path: Path) -> None:
    for kind in ("images", "labels", "decoded/100"):
        (tmp_path / "val" / kind).mkdir(parents=True)
    for kind, name in (("images", "image"), ("labels", "labels"), ("decoded/100", "decoded")):
        Image.fromarray(BATCH[name][0]).save(tmp_path / "val" / kind / "a.png")
    config = config_of()
    config.data.update({"root": str(tmp_path), "eval_split": "val"})
    config.train.evaluate_every = 1
    evaluation = make_task(config).evaluation()
    assert isinstance(evaluation, CodedPictures)
    task, state, _ = trained
    measured = evaluation(task.bundle(state))
    assert measured["eval/psnr_rgb_db"] > measured["eval/psnr_coarse_rgb_db"]


@pytest.mark.parametrize(
    ("section", "name", "value", "message"),
    [
        ("data", "kind", "folders", "data.kind must be one of coded"),
        ("model", "alpha", 7, "model.alpha must be one of"),
        ("after", "evaluate", True, "after.evaluate: nothing is measured"),
    ],
)
def test_settings_that_it_cannot_follow_are_told_before_training(
    section: str, name: str, value: Any, message: str
) -> None:
    config = default.tiny(default.enhancement())
    config[section][name] = value
    with pytest.raises(ConfigError, match=message):
        settings_of(config)
