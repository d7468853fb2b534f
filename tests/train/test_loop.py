"""Whole runs: resume is exact, SIGTERM saves, bad settings and non-finite losses stop with a clear line."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from PIL import Image

from dsslic_jax import bundle
from dsslic_jax.errors import ConfigError, TrainingStopped
from dsslic_jax.train import loop
from dsslic_jax.train.monitor import Monitor
from dsslic_jax.train.settings import resolve
from tests.configurations import small_compression, small_segmentation

ROOT = Path(__file__).resolve().parents[2]


class StoppedHere(Exception):
    """Stands for a machine that goes away."""


def stop_after(step: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes the loop die right before step `step` + 1."""
    record = Monitor.record

    def dying(self: Monitor, number: int, metrics: Any) -> None:
        if number == step + 1:
            raise StoppedHere
        record(self, number, metrics)

    monkeypatch.setattr(Monitor, "record", dying)


@pytest.mark.parametrize(
    ("task", "model"),
    [("compression", {}), ("compression", {"norm": "batch"}), ("segmentation", {})],
)
def test_stopping_and_resuming_gives_bit_identical_weights(
    task: str, model: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make = small_compression if task == "compression" else small_segmentation
    config = make(steps=4, save_every=2)
    config.model.update(model)
    whole = loop.train(config, tmp_path / "whole")
    with monkeypatch.context() as patch:
        stop_after(3, patch)  # the checkpoint of step 2 is the newest
        with pytest.raises(StoppedHere):
            loop.train(config, tmp_path / "parts")
    assert not (tmp_path / "parts" / "model").exists()
    parts = loop.train(config, tmp_path / "parts")
    assert whole is not None and parts is not None
    expected, resumed = bundle.load(whole).weights, bundle.load(parts).weights
    assert expected.keys() == resumed.keys()
    for name, array in expected.items():
        np.testing.assert_array_equal(resumed[name], array, err_msg=name)
    has_statistics = any(name.endswith("/mean") for name in expected)
    assert has_statistics == (config.model.norm == "batch")


def test_a_work_directory_of_other_settings_is_refused(tmp_path: Path) -> None:
    other = small_compression()
    other.optimizer.learning_rate = 1.0
    loop.claim(tmp_path, resolve(other))  # nothing was trained with it yet: it may be corrected
    loop.claim(tmp_path, resolve(small_compression()))
    (tmp_path / "checkpoints" / "2").mkdir(parents=True)
    other = small_compression()
    other.model.finenet_width = 8
    with pytest.raises(ConfigError, match=r"model.finenet_width \(was 4, now 8\)"):
        loop.claim(tmp_path, resolve(other))
    moved = small_compression(log_every=1)
    moved.data.root = "/elsewhere"
    loop.claim(tmp_path, resolve(moved))


def test_a_loss_that_is_not_finite_stops_with_its_step_and_name(tmp_path: Path) -> None:
    monitor = Monitor(tmp_path, steps=10, batch_size=1)
    for step in range(1, 5):
        value = jax.numpy.float32(np.nan if step >= 3 else 1.0)
        monitor.record(step, {"G/l1": value, "G/gan": jax.numpy.float32(1.0)})
    with pytest.raises(TrainingStopped, match="step 3: G/l1 is nan"):
        monitor.report()
    monitor.close()


def test_a_run_that_diverges_keeps_no_checkpoint_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = small_segmentation(steps=8, save_every=4, log_every=100)
    config.optimizer.learning_rate = 1e30
    with pytest.raises(TrainingStopped, match=r"step \d: S/"):
        loop.train(config, tmp_path)
    assert not [p for p in (tmp_path / "checkpoints").iterdir() if p.name.isdigit()]
    assert not (tmp_path / "model").exists()


def test_samples_logs_and_model_are_written(tmp_path: Path) -> None:
    config = small_compression(steps=4, sample_every=4)
    model = loop.train(config, tmp_path)
    with Image.open(tmp_path / "samples" / "00000004.png") as grid:
        assert grid.size == (5 * 64, 4 * 64)  # x, s, c, x', residual of four pictures
    assert list((tmp_path / "tensorboard").glob("events.out.tfevents.*"))
    loaded = bundle.load(model)
    assert loaded.classes.name == "scenes"
    assert loaded.provenance["coarse"]["steps"] == 4
    assert {name.split("/")[0] for name in loaded.weights} == {"compnet", "finenet"}


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("model.alpha", 12, "model.alpha must be"),
        ("model.upsampling", "bilinear-corners", "model.upsampling must be one of bilinear,"),
        ("model.colour", "yuv", "model.colour must be one of rgb, ycbcr"),
        ("discriminator.norm", "batch", "discriminator.norm must be one of instance,"),
        ("data.crop", (60, 64), "must be multiples of 8, at least 32"),
        ("data.crop", (24, 64), "must be multiples of 8, at least 32"),
        ("train.log_every", 0, "train.log_every must be at least 1"),
        ("after.evaluate", True, "embedded scenes"),
        ("model.classes", 3, "model.classes is 3"),
        ("task", "colouring", "task must be one of"),
        ("losses.vgg_weight", 10.0, "the VGG loss needs ImageNet weights"),
    ],
)
def test_bad_settings_are_refused_before_anything_is_written(
    tmp_path: Path, key: str, value: Any, message: str
) -> None:
    config = small_compression()
    config.update_from_flattened_dict({key: value})
    if key == "after.evaluate":
        config.data.kind = "folders"
    with pytest.raises(Exception, match=message):
        loop.train(config, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def command(workdir: Path, *settings: str) -> list[str]:
    config = "--config=configs/quickstart.py:tiny"
    base = [sys.executable, "-m", "dsslic_jax.main", config, f"--workdir={workdir}"]
    return [*base, "--config.after.evaluate=False", *settings]


def environment() -> dict[str, str]:
    """The command's own: one device, the tests' compilation cache."""
    cache = jax.config.jax_compilation_cache_dir
    kept = {k: v for k, v in os.environ.items() if k != "XLA_FLAGS"}
    flags = "--xla_backend_optimization_level=0"
    return {**kept, "XLA_FLAGS": flags, "JAX_COMPILATION_CACHE_DIR": str(cache)}


def test_sigterm_saves_and_the_same_command_goes_on(tmp_path: Path) -> None:
    settings = ("--config.train.steps=100000", "--config.train.save_every=100000")
    process = subprocess.Popen(
        command(tmp_path, *settings, "--config.train.sample_every=0"),
        cwd=ROOT,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("step 4/"):
            break
    time.sleep(0.1)
    process.send_signal(signal.SIGTERM)
    said, _ = process.communicate(timeout=300)
    assert process.returncode == 75, said
    (saved,) = (p for p in (tmp_path / "checkpoints").iterdir() if p.name.isdigit())
    assert int(saved.name) >= 4
    assert f"stopped at step {saved.name}" in said


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["--config=configs/none.py"], "none.py"),
        (["--config=configs/quickstart.py:huge"], "huge"),
        (["--config=configs/quickstart.py:tiny", "--config.model.nokey=1"], "nokey"),
        (["--config=configs/camvid.py:tiny", "--config.data.root=/none"], "error: data.root"),
        (["--config=configs/quickstart.py:tiny", "--config.coding.layers=99"], "layers is 1 to 16"),
    ],
)
def test_the_training_command_tells_mistakes_in_one_line(
    tmp_path: Path, settings: list[str], message: str
) -> None:
    process = subprocess.run(
        [sys.executable, "-m", "dsslic_jax.main", f"--workdir={tmp_path / 'run'}", *settings],
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert process.returncode == 1
    assert message in process.stderr.strip().splitlines()[-1]
    assert "Traceback" not in process.stderr
