"""Whole runs: resume is exact, SIGTERM saves, bad settings and non-finite losses stop with a clear line."""

import gzip
import json
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

from dsslic_jax.bundle import directory as bundle
from dsslic_jax.bundle.verifying import verify
from dsslic_jax.codec.settings import coding_settings
from dsslic_jax.errors import ConfigError, ModelError, TrainingStopped
from dsslic_jax.system.locks import alone_in
from dsslic_jax.train import loop, portable
from dsslic_jax.train.running.checkpoint import CHECKPOINTS, claim
from dsslic_jax.train.running.monitor import Monitor
from dsslic_jax.train.tasks.registry import make_task
from tests.configurations import settings_of, small_compression, small_segmentation
from tests.conftest import ROOT
from tests.signals import hearing
from tests.train.reports import assert_each_report_is_there_once, json_lines, without_times
from tests.train.runs import (
    StoppedHere,
    assert_same_weights,
    command,
    environment,
    stop_after,
)


@pytest.mark.parametrize(
    ("task", "model", "ema_decay"),
    [
        ("compression", {}, 0.0),
        ("compression", {"norm": "batch"}, 0.9),
        ("segmentation", {}, 0.9),
    ],
)
def test_a_stopped_and_resumed_run_is_as_if_never_stopped(
    task: str,
    model: dict[str, str],
    ema_decay: float,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    make = small_compression if task == "compression" else small_segmentation
    config = make(steps=6, save_every=3, log_every=2, ema_decay=ema_decay)
    config.model.update(model)
    whole = loop.train(make_task(config), tmp_path / "whole")
    with monkeypatch.context() as patch:
        stop_after(5, patch)  # the newest checkpoint is that of step 3, the newest report of step 4
        with pytest.raises(StoppedHere):
            loop.train(make_task(config), tmp_path / "parts")
    assert [report["step"] for report in json_lines(tmp_path / "parts")] == [1, 2, 4]
    assert not (tmp_path / "parts" / "model").exists()
    parts = loop.train(make_task(config), tmp_path / "parts")
    assert_same_weights(whole, parts)
    has_statistics = any(name.endswith("/mean") for name in bundle.load(parts).weights)
    assert has_statistics == (config.model.norm == "batch")
    # Step 3 was in no report yet when it was saved: it is in that of step 4 all the same.
    expected = without_times(json_lines(tmp_path / "whole"))
    assert [report["step"] for report in expected] == [1, 2, 4, 6]
    assert without_times(json_lines(tmp_path / "parts")) == expected
    assert_each_report_is_there_once(tmp_path / "parts")


def test_a_work_directory_of_other_settings_is_refused(tmp_path: Path) -> None:
    other = small_compression()
    other.optimizer.learning_rate = 1.0
    claim(tmp_path, settings_of(other))  # nothing was trained with it yet: it may be corrected
    claim(tmp_path, settings_of(small_compression()))
    (tmp_path / "checkpoints" / "2").mkdir(parents=True)
    other = small_compression()
    other.model.finenet_width = 8
    with pytest.raises(ConfigError, match=r"model.finenet_width \(was 4, now 8\)"):
        claim(tmp_path, settings_of(other))
    moved = small_compression(log_every=1)
    moved.data.root = "/elsewhere"
    claim(tmp_path, settings_of(moved))


@pytest.mark.parametrize("text", ["[" * 100_000, "[]", "1e999", '{"task": ["segmentation"]}'])
def test_a_configuration_that_is_none_is_refused_by_its_file(text: str, tmp_path: Path) -> None:
    (tmp_path / "checkpoints" / "2").mkdir(parents=True)
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(ModelError, match=r"config\.json"):
        portable.read_run(tmp_path)
    with pytest.raises(ConfigError, match=r"config\.json|other settings.*train\.start_from="):
        claim(tmp_path, settings_of(small_compression()))


def test_a_loss_that_is_not_finite_stops_with_its_step_and_name(tmp_path: Path) -> None:
    monitor = Monitor(tmp_path, settings_of(small_compression()).train)
    for step in range(1, 5):
        value = jax.numpy.float32(np.nan if step >= 3 else 1.0)
        monitor.record(step, {"G/l1": value, "G/gan": jax.numpy.float32(1.0)}, 0.0)
    with pytest.raises(TrainingStopped, match="step 3: G/l1 is nan"):
        monitor.report(4, {})
    monitor.close()


def test_a_run_that_diverges_keeps_no_checkpoint_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = small_segmentation(steps=8, save_every=4, log_every=100)
    config.optimizer.learning_rate = 1e30
    with pytest.raises(TrainingStopped, match=r"step \d: S/"):
        loop.train(make_task(config), tmp_path)
    assert not [p for p in (tmp_path / "checkpoints").iterdir() if p.name.isdigit()]
    assert not (tmp_path / "model").exists()


def test_samples_logs_and_model_are_written(tmp_path: Path) -> None:
    config = small_compression(steps=4, sample_every=4)
    model = loop.train(make_task(config), tmp_path)
    with Image.open(tmp_path / "samples" / "00000004.png") as grid:
        assert grid.size == (5 * 64, 4 * 64)  # x, s, c, x', residual of four pictures
    assert list((tmp_path / "tensorboard").glob("events.out.tfevents.*"))
    loaded = bundle.load(model)
    assert loaded.classes.name == "scenes"
    assert loaded.parts["coarse"].provenance["steps"] == 4
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
        ("train.ema_decay", 1.0, r"train.ema_decay must be at least 0 and below 1"),
        ("train.best_metric", "eval/psnr_rgb_db", "measured every train.evaluate_every steps"),
        ("after.evaluate", True, "embedded scenes"),
        ("model.classes", 3, "model.classes is 3"),
        ("task", "colouring", "task must be one of"),
        ("data.root", "gs://bucket/set", "data.root must be a path on this machine"),
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
        loop.train(make_task(config), tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1, signal.SIGINT])
def test_a_signal_saves_and_the_same_command_goes_on(
    number: signal.Signals, tmp_path: Path
) -> None:
    settings = ["--config.train.steps=100000", "--config.train.save_every=100000"]
    settings += ["--profile"] if number == signal.SIGUSR1 else []
    process = subprocess.Popen(
        hearing(number, command(tmp_path, *settings, "--config.train.sample_every=0")),
        cwd=ROOT,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    before = []
    for line in process.stdout:
        before.append(line)
        if line.startswith("step 6/"):
            break
    process.send_signal(number)
    said, _ = process.communicate(timeout=300)
    assert process.returncode == 75, said
    (saved,) = (p for p in (tmp_path / "checkpoints").iterdir() if p.name.isdigit())
    assert int(saved.name) >= 6
    assert f"stopped at step {saved.name}" in said
    if number != signal.SIGUSR1:
        return
    assert any(line.startswith(f"profile: {tmp_path / 'profile'}") for line in before)
    (trace,) = (tmp_path / "profile").rglob("perfetto_trace.json.gz")
    events = json.loads(gzip.decompress(trace.read_bytes()))["traceEvents"]
    assert any("train_step" in event.get("name", "") for event in events)
    assert list((tmp_path / "profile").rglob("*.xplane.pb"))  # TensorBoard's


def test_a_second_run_in_a_work_directory_is_refused_and_the_first_goes_on(tmp_path: Path) -> None:
    with alone_in(tmp_path, "run"):
        done = ended(command(tmp_path))
    assert done.returncode == 1
    assert f"another run is at work in {tmp_path}" in done.stderr.splitlines()[-1]
    assert [path.name for path in tmp_path.iterdir()] == [".lock"]


@pytest.mark.parametrize("workdir", ["gs://bucket/run", "l\udce9"])
def test_work_directories_that_are_no_folders_of_this_machine_are_refused(workdir: str) -> None:
    done = ended(command(Path("x"), f"--workdir={workdir}"))
    assert done.returncode == 1
    assert done.stderr.startswith("error: ") and len(done.stderr.splitlines()) == 1


def test_ctrl_c_before_the_first_step_ends_without_a_traceback(tmp_path: Path) -> None:
    words = hearing(signal.SIGINT, command(tmp_path, "--config.train.steps=100000"))
    for wait_for in ("", "training on"):
        process = subprocess.Popen(
            words,
            cwd=ROOT,
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        if wait_for:
            assert any(wait_for in line for line in process.stdout)
        else:
            time.sleep(1.5)  # amid its imports
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=300)
        assert process.returncode in (75, 130), said
        assert "Traceback" not in said


def ended(words: list[str]) -> subprocess.CompletedProcess[str]:
    """A command that has run to its end, well or not."""
    return subprocess.run(
        words,
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_a_full_disk_ends_the_command_with_one_line(tmp_path: Path) -> None:
    small_files = ["bash", "-c", 'ulimit -f 20; exec "$@"', "-"]  # of 20 KiB at most
    process = ended([*small_files, *command(tmp_path, "--config.train.sample_every=0")])
    assert process.returncode == 1
    said = "error: a checkpoint could not be written, and there is none before it"
    # Threads of Orbax that are writing other arrays say something too, at times in the same line.
    assert process.stderr.count(said) == 1


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["--config=configs/none.py"], "none.py"),
        (["--config=configs/quickstart.py:huge"], "huge"),
        (["--config=configs/quickstart.py:tiny", "--config.model.nokey=1"], "nokey"),
        (["--config=configs/camvid.py:tiny", "--config.data.root=/none"], "error: data.root"),
        (
            ["--config=configs/quickstart.py:tiny", "--config.coding.layers=99"],
            "coding.layers must be at least 1 and at most 16",
        ),
        (["--config=configs/quickstart.py:tiny", "--process_id=1"], "give --coordinator"),
    ],
)
def test_the_training_command_tells_mistakes_in_one_line(
    tmp_path: Path, settings: list[str], message: str
) -> None:
    training = [sys.executable, "-m", "dsslic_jax.main", f"--workdir={tmp_path / 'run'}"]
    process = ended([*training, *settings])
    assert process.returncode == 1
    assert message in process.stderr.strip().splitlines()[-1]
    assert "Traceback" not in process.stderr


def test_a_model_is_written_before_its_first_step(tmp_path: Path) -> None:
    # Without data: there is no folder at data.root.
    config = "--config=configs/best_natural.py:tiny"
    workdir = f"--workdir={tmp_path}"
    process = ended([sys.executable, "-m", "dsslic_jax.main", config, workdir, "--untrained"])
    assert process.returncode == 0, process.stderr
    model = verify(tmp_path / "model", coding_settings)
    assert set(model.parts) == {"coarse", "enhancenet"}
    assert model.parts["enhancenet"].provenance["steps"] == 0
    assert not (tmp_path / CHECKPOINTS).exists()
