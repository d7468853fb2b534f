"""What long runs need beside steps: seeds, averages, measuring on the way, the best model, traces."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from flax.struct import PyTreeNode

from dsslic_jax.bundle import directory as bundle
from dsslic_jax.codec.codec import Codec
from dsslic_jax.data.sources import open_source
from dsslic_jax.errors import CoderUnavailable, ConfigError, DataError
from dsslic_jax.evaluate.training import CodedPictures, SegmentedPictures
from dsslic_jax.metrics import psnr_rgb_db
from dsslic_jax.train import loop
from dsslic_jax.train.devices import sharding
from dsslic_jax.train.running.feed import Feed
from dsslic_jax.train.running.metrics_log import METRICS, MetricsLog
from dsslic_jax.train.running.monitor import Clock, Monitor
from dsslic_jax.train.state import begin_average, with_average
from dsslic_jax.train.tasks.registry import make_task
from tests.configurations import small_compression, small_segmentation
from tests.train.reports import assert_each_report_is_there_once, json_lines, scalars
from tests.train.runs import assert_same_weights


def test_the_seed_decides_the_weights(tmp_path: Path) -> None:
    models = []
    for name, seed in (("first", 3), ("again", 3), ("other", 4)):
        config = small_segmentation(steps=2)
        config.seed = seed
        models.append(loop.train(make_task(config), tmp_path / name))
    assert_same_weights(models[0], models[1])
    with pytest.raises(AssertionError):
        assert_same_weights(models[0], models[2])


def test_measuring_on_the_way_is_logged_and_changes_nothing(tmp_path: Path) -> None:
    quiet = loop.train(make_task(small_compression(steps=2)), tmp_path / "quiet")
    config = small_compression(
        steps=2,
        save_every=1,
        evaluate_every=1,
        evaluate_pictures=1,
        best_metric="eval/psnr_rgb_db",
    )
    measured = loop.train(make_task(config), tmp_path / "measured")
    assert_same_weights(quiet, measured)
    reports = json_lines(tmp_path / "measured")
    assert [report["step"] for report in reports] == [1, 2]
    assert_each_report_is_there_once(tmp_path / "measured")
    # The model of step 2 is the one exported, so what was logged can be measured again.
    assert measured is not None
    codec = Codec(bundle.load(measured))
    scene = open_source(config.data, "test")[0]
    data = codec.encode(scene["image"], scene["labels"])
    decoded = codec.decode(data)
    last = reports[-1]
    assert decoded.picture is not None and decoded.coarse is not None
    assert last["eval/bits_per_pixel"] == pytest.approx(8 * len(data) / 64**2)
    assert last["eval/psnr_rgb_db"] == pytest.approx(psnr_rgb_db(scene["image"], decoded.picture))
    assert last["eval/psnr_coarse_rgb_db"] == pytest.approx(
        psnr_rgb_db(scene["image"], decoded.coarse)
    )
    assert (
        0 < last["eval/bits_per_pixel_s"] < last["eval/bits_per_pixel_c"]
        and last["eval/bits_per_pixel_c"] < last["eval/bits_per_pixel"]
    )
    best = max(reports, key=lambda report: report["eval/psnr_rgb_db"])
    for name, report in (("model", last), ("best", best)):
        kept = bundle.load(tmp_path / "measured" / name)
        assert kept.parts["coarse"].provenance["steps"] == report["step"]
        (told,) = kept.metrics["coarse"]
        assert told["pictures"] == "1 of the 2 pictures of scenes/test, their middle 64x64"
        assert told["rows"] == [
            {n.removeprefix("eval/"): v for n, v in report.items() if n.startswith("eval/")}
        ]
    assert bundle.load(tmp_path / "quiet" / "model").metrics == {}


def test_segmentation_is_measured_on_the_way_too(tmp_path: Path) -> None:
    task = make_task(small_segmentation(evaluate_every=1))
    evaluation = task.evaluation()
    assert isinstance(evaluation, SegmentedPictures)
    values = evaluation(task.bundle(task.first_state()))
    assert 0 <= values["eval/mean_iou"] <= values["eval/pixel_accuracy"] <= 1


def test_pictures_to_measure_are_spread_and_cut_in_their_middle() -> None:
    config = small_compression(evaluate_every=1, evaluate_pictures=2)
    config.data.update({"scenes_test": 6, "crop": (32, 48)})
    task = make_task(config)
    source = open_source(task.settings.data, "test")
    measured = task.evaluation()
    assert isinstance(measured, CodedPictures)
    elements = measured._elements
    assert measured.pictures == "2 of the 6 pictures of scenes/test, their middle 32x48"
    assert [element["name"] for element in elements] == [source[0]["name"], source[3]["name"]]
    np.testing.assert_array_equal(elements[1]["image"], source[3]["image"][16:48, 8:56])
    np.testing.assert_array_equal(elements[1]["labels"], source[3]["labels"][16:48, 8:56])


def test_what_cannot_be_measured_is_told_before_training(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    config = small_compression(evaluate_every=1)
    config.coding.codecs = "external"
    with pytest.raises(CoderUnavailable):
        make_task(config).evaluation()
    config.coding.update({"codecs": "embedded", "labels": "decoder"})
    with pytest.raises(ConfigError, match="joined after training"):
        make_task(config).evaluation()


class Toy(PyTreeNode):
    """A state with one weight and one statistic."""

    step: Any
    weight: Any
    average: Any = None

    @property
    def variables(self) -> dict[str, Any]:
        return {"params": self.weight, "batch_stats": 10 * self.weight}


def test_the_average_follows_weights_and_statistics() -> None:
    def step(state: Toy, batch: float) -> tuple[Toy, dict[str, Any]]:
        return state.replace(step=state.step + 1, weight=state.weight + batch), {}

    state = begin_average(Toy(np.int32(0), np.float32(8.0)))
    averaging_step = jax.jit(with_average(step, 0.2))
    # d is 2/11 after the first step, then 0.2: 12 - 4 * 2/11, then 0.2 * that + 0.8 * 13.
    for added, expected in ((4.0, 12 - 8 / 11), (1.0, 0.2 * (12 - 8 / 11) + 0.8 * 13)):
        state, _ = averaging_step(state, added)
        np.testing.assert_allclose(state.average["params"], expected, rtol=1e-6)
        np.testing.assert_allclose(state.average["batch_stats"], 10 * expected, rtol=1e-6)


@pytest.mark.parametrize("make", [small_compression, small_segmentation])
def test_the_model_is_the_average(make: Any) -> None:
    task = make_task(make(ema_decay=0.99))
    first = task.first_state()
    state = first.replace(average=jax.tree.map(np.zeros_like, first.average))
    assert not any(weight.any() for weight in task.bundle(state).weights.values())
    plain = make_task(make())
    assert plain.first_state().average is None
    assert any(weight.any() for weight in plain.bundle(plain.first_state()).weights.values())


def test_a_copy_that_the_loop_does_not_ask_for_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sharding, "put_batch", lambda batch, *where: batch)
    with pytest.raises(Exception, match="Disallowed host-to-device transfer"):
        loop.train(make_task(small_segmentation()), tmp_path)


def test_one_batch_is_fetched_ahead() -> None:
    fetched = []

    def data() -> Iterator[Any]:
        for number in range(9):
            fetched.append(number)
            yield number

    feed = Feed(data(), lambda batch: {"put": batch})
    assert feed.take().host == 0 and fetched == [0]
    feed.look_ahead()
    assert fetched == [0, 1]
    ahead = feed.take()
    assert (ahead.host, ahead.batch, fetched) == (1, {"put": 1}, [0, 1])
    assert ahead.wait_s >= 0
    assert feed.take().host == 2


def test_the_best_checkpoint_is_kept_and_its_model_written(tmp_path: Path) -> None:
    config = small_segmentation(
        steps=4, save_every=1, log_every=1, keep=1, best_metric="pixel_accuracy"
    )
    config.optimizer.learning_rate = 1e-9  # so that chance decides which batch does best
    loop.train(make_task(config), tmp_path)
    best = max(json_lines(tmp_path), key=lambda report: report["pixel_accuracy"])
    kept = bundle.load(tmp_path / "best").parts["segnet"].provenance
    assert kept["steps"] == best["step"]
    steps = {int(path.name) for path in (tmp_path / "checkpoints").iterdir()}
    assert steps == {4, int(best["step"])}


def test_an_unknown_best_metric_names_those_there_are(tmp_path: Path) -> None:
    monitor = Monitor(tmp_path, small_compression(best_metric="G/loss").train, evaluated=["eval/x"])
    with pytest.raises(ConfigError, match=r"best_metric 'G/loss' is none of G/total, eval/x"):
        monitor.require_best_metric((None, {"G/total": None}))
    monitor.close()


def test_an_unknown_best_metric_is_told_before_the_first_step(tmp_path: Path) -> None:
    config = small_segmentation(steps=4, best_metric="accuracy")
    with pytest.raises(ConfigError, match=r"best_metric 'accuracy' is none of .*pixel_accuracy"):
        loop.train(make_task(config), tmp_path)
    assert not any((tmp_path / "checkpoints").iterdir()) and json_lines(tmp_path) == []


def test_the_last_state_is_measured_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    measured: list[int] = []

    def counted(evaluation: Any, bundle: Any, state: Any) -> dict[str, float]:
        measured.append(int(state.step))
        return dict.fromkeys(evaluation.names, 0.5)

    monkeypatch.setattr(loop, "evaluate", counted)
    for evaluate_every, steps in ((2, [2, 4]), (3, [3, 4])):
        config = small_segmentation(steps=4, evaluate_every=evaluate_every)
        model = loop.train(make_task(config), tmp_path / str(evaluate_every))
        assert measured == steps
        assert model and bundle.load(model).metrics["segnet"][0]["rows"]
        measured.clear()


def test_the_wait_for_data_is_reported_for_each_step(tmp_path: Path) -> None:
    monitor = Monitor(tmp_path, small_compression().train)
    for step, wait_s in ((1, 9.0), (2, 0.25), (3, 0.75)):  # the first is no part of the count
        monitor.record(step, {"G/total": jax.numpy.float32(step)}, wait_s)
    monitor.report(3, {})
    monitor.close()
    (report,) = json_lines(tmp_path)
    assert (report["step"], report["G/total"]) == (3, 2.0)
    assert report["input_wait_ms_per_step"] == 500.0
    assert report["pictures_per_second"] == pytest.approx(8 * report["steps_per_second"])


def test_time_spent_in_a_pause_or_before_the_first_step_ends_does_not_count(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 0.0
    monkeypatch.setattr("time.perf_counter", lambda: now)
    clock = Clock()
    clock.count(wait_s=7.0)
    assert clock.lap() == {}
    now = 100.0
    clock.start()
    for _ in range(4):
        now += 1.0
        clock.count(wait_s=0.5)
        with clock.pause():
            now += 50.0
    assert clock.lap() == {"steps_per_second": 1.0, "input_wait_ms_per_step": 500.0}
    assert clock.lap() == {}


def test_what_lies_after_the_start_counts_no_more_nor_does_a_torn_line(tmp_path: Path) -> None:
    log = MetricsLog(tmp_path, 0, json_lines=True)
    for step in (1, 2, 4):
        log.write(step, {"loss": step / 2, "eval/psnr_rgb_db": float("inf")})
    log.close()
    lines = tmp_path / METRICS
    lines.write_bytes(lines.read_bytes()[:-3])  # killed as it wrote step 4
    log = MetricsLog(tmp_path, 1, json_lines=True)
    log.write(2, {"loss": 7.0})
    log.close()
    first = {"step": 1, "loss": 0.5, "eval/psnr_rgb_db": None}  # JSON has no infinity
    assert json_lines(tmp_path) == [first, {"step": 2, "loss": 7.0}]
    assert scalars(tmp_path) == {
        1: {"loss": [0.5], "eval/psnr_rgb_db": [float("inf")]},
        2: {"loss": [7.0]},
    }


@pytest.mark.parametrize(
    "line", [b"\xff\n", b"[1]\n", b"{}\n", b"step\n", b'{"step": "1"}\n', b"[" * 9999 + b"\n"]
)
def test_a_damaged_log_is_named(line: bytes, tmp_path: Path) -> None:
    (tmp_path / METRICS).write_bytes(line)
    with pytest.raises(DataError, match=rf"{METRICS} is damaged .*: move it away"):
        MetricsLog(tmp_path, 1, json_lines=True)


def test_json_lines_can_be_left_out(tmp_path: Path) -> None:
    log = MetricsLog(tmp_path, 0, json_lines=False)
    log.write(1, {"loss": 1.0})
    log.close()
    assert not (tmp_path / METRICS).exists()
    assert scalars(tmp_path) == {1: {"loss": [1.0]}}
