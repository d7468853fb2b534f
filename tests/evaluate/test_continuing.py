"""Runs that are stopped, repeated, extended, or that lose a worker."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dsslic_jax.errors import CoderFailed, CoderUnavailable, DataError
from dsslic_jax.evaluate import run
from dsslic_jax.evaluate.codecs import registry
from dsslic_jax.evaluate.codecs.codec import FileCodec
from dsslic_jax.evaluate.measuring import workers
from dsslic_jax.evaluate.measuring.points import Curve, PictureFile, Point
from dsslic_jax.evaluate.measuring.store import Measurement, Store
from dsslic_jax.evaluate.request import Request
from dsslic_jax.evaluate.run import Report, evaluate
from dsslic_jax.system.locks import alone_in
from tests.evaluate.folders import read_csv, write_picture

SETTINGS = {"jpeg": (20.0, 50.0), "webp": (20.0, 50.0)}


@pytest.fixture
def encoded(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The name of the codec of every call of encode."""
    calls: list[str] = []
    for name in SETTINGS:
        monkeypatch.setitem(registry.FACTORIES, name, _counting(registry.FACTORIES[name], calls))
    yield calls


def _counting(factory: Callable[..., FileCodec], calls: list[str]) -> Callable[..., FileCodec]:
    def make(name: str, sources: registry.Sources) -> FileCodec:
        codec = factory(name, sources)

        def encode(picture: np.ndarray, setting: float) -> bytes:
            calls.append(name)
            return codec.encode(picture, setting)

        return replace(codec, encode=encode)

    return make


def measure(images: Path, out: Path, **options: object) -> Report:
    request = Request(images, out, codecs=("jpeg", "webp"), settings=SETTINGS)
    return evaluate(replace(request, **options))  # type: ignore[arg-type]


def tables(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.suffix == ".csv"}


def test_a_repeated_run_codes_nothing_and_writes_the_same_tables(
    images: Path, tmp_path: Path, encoded: list[str]
) -> None:
    report = measure(images, tmp_path / "run")
    assert len(encoded) == 8
    first = tables(tmp_path / "run")
    assert measure(images, tmp_path / "run") == report
    assert len(encoded) == 8 and tables(tmp_path / "run") == first


def test_what_is_new_is_measured_and_nothing_else(
    images: Path, tmp_path: Path, encoded: list[str]
) -> None:
    measure(images, tmp_path / "run")
    write_picture(images / "c.png", 30, 20)
    report = measure(images, tmp_path / "run", settings={**SETTINGS, "jpeg": (20.0, 50.0, 90.0)})
    assert encoded[8:] == ["jpeg", "jpeg", "jpeg", "jpeg", "jpeg", "webp", "webp"]
    assert [line.picture for line in report.measurements] == [*"aaaaabbbbbccccc"]
    assert {mean.pictures for mean in report.means} == {3}


def test_a_file_that_no_longer_lies_there_as_measured_is_measured_again(
    images: Path, tmp_path: Path, encoded: list[str]
) -> None:
    streams = tmp_path / "run" / "streams"
    measure(images, tmp_path / "run")
    (streams / "jpeg" / "20" / "a.jpg").unlink()
    (streams / "webp" / "50" / "b.webp").write_bytes(b"another model's")
    measure(images, tmp_path / "run")
    assert encoded[8:] == ["jpeg", "webp"]
    assert (streams / "webp" / "50" / "b.webp").read_bytes()[:4] == b"RIFF"


def test_no_table_of_an_earlier_request_is_left_beside_the_conditions_of_a_later(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_folder = tmp_path / "run"
    settings = {name: (20.0, 40.0, 60.0, 80.0) for name in SETTINGS}
    measure(images, run_folder, anchor="jpeg", protocols=("paper",), settings=settings)
    made = {"per_picture.csv", "mean.csv", "bd.csv", "rate_distortion_paper.png"}
    assert made <= {path.name for path in run_folder.iterdir()}
    measure(images, run_folder)
    names = {path.name for path in run_folder.iterdir()}
    assert names & made == {"per_picture.csv", "mean.csv"}
    assert "rate_distortion_fair.png" in names
    write_picture(images / "c.png", 30, 20)
    monkeypatch.setattr(run.Store, "append", lambda *_: os.kill(os.getpid(), signal.SIGTERM))
    with pytest.raises(KeyboardInterrupt):
        measure(images, run_folder)
    kept = {".lock", "conditions.json", "measurements.jsonl", "streams"}
    assert {path.name for path in run_folder.iterdir()} == kept


def test_a_metric_that_is_asked_for_later_is_measured(
    images: Path, tmp_path: Path, encoded: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    measure(images, tmp_path / "run")
    # By its name: worker processes import this module, and need no JAX.
    load_lpips = "dsslic_jax.metrics.lpips.load_lpips"
    monkeypatch.setattr(load_lpips, lambda path: lambda a, b: float(path.name))
    report = measure(images, tmp_path / "run", lpips_weights=Path("0.25"))
    assert len(encoded) == 16
    assert {line.metrics["lpips"] for line in report.measurements} == {0.25}
    measure(images, tmp_path / "run")
    assert len(encoded) == 16


def test_a_renamed_picture_is_known_by_its_pixels(
    images: Path, tmp_path: Path, encoded: list[str]
) -> None:
    measure(images, tmp_path / "run")
    (images / "a.png").rename(images / "z.png")
    report = measure(images, tmp_path / "run")
    assert len(encoded) == 8
    assert [line.picture for line in report.measurements] == [*"bbbbzzzz"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stopped_run_keeps_what_is_measured_and_goes_on_from_there(
    images: Path,
    tmp_path: Path,
    encoded: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    number: signal.Signals,
) -> None:
    write = run.Store.append

    def append(store: Store, lines: list[Measurement]) -> None:
        write(store, lines)
        if len(encoded) == 3:
            os.kill(os.getpid(), number)

    monkeypatch.setattr(run.Store, "append", append)
    with pytest.raises(KeyboardInterrupt):
        measure(images, tmp_path / "run")
    assert "stopped: 3 of 8 files are measured" in capsys.readouterr().err
    assert len([*Store(tmp_path / "run").measurements()]) == 3
    assert not tables(tmp_path / "run")
    report = measure(images, tmp_path / "run")
    assert len(encoded) == 8 and len(report.measurements) == 8


def test_a_second_evaluation_of_a_folder_at_work_is_refused(images: Path, tmp_path: Path) -> None:
    measure(images, tmp_path / "run")
    before = tables(tmp_path / "run")
    with alone_in(tmp_path / "run", "evaluation"):
        with pytest.raises(DataError, match="another evaluation is at work in"):
            measure(images, tmp_path / "run", limit=1)
    assert tables(tmp_path / "run") == before
    measure(images, tmp_path / "run")


def test_a_codec_that_fails_on_a_picture_costs_that_file_alone(
    images: Path,
    tmp_path: Path,
    encoded: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    webp = registry.FACTORIES["webp"]

    def failing(name: str, sources: registry.Sources) -> FileCodec:
        codec = webp(name, sources)
        assert isinstance(codec, FileCodec)

        def decode(data: bytes, shape: tuple[int, ...]) -> np.ndarray:
            if shape[0] == 61:
                raise CoderFailed("webp cannot decode its own file")
            return codec.decode(data, shape)

        return replace(codec, decode=decode)

    with monkeypatch.context() as patch:
        patch.setitem(registry.FACTORIES, "webp", failing)
        with pytest.raises(CoderFailed, match=r"2 of 8 files.*b\.png, webp at 20: webp cannot"):
            measure(images, tmp_path / "run")
    assert capsys.readouterr().err.count("b.png, webp at ") == 2
    assert not tables(tmp_path / "run")
    measure(images, tmp_path / "run")
    assert len(encoded) == 8 + 2


def test_missing_codecs_are_named_and_left_out_only_when_allowed(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pillow_heif", None)  # importing it fails
    request = Request(images, tmp_path / "run", codecs=("heic", "jpeg"), settings={"jpeg": (20.0,)})
    with pytest.raises(CoderUnavailable, match=r"heic needs pillow-heif: pip .*--skip-missing"):
        evaluate(request)
    assert not (tmp_path / "run").exists()
    report = evaluate(replace(request, skip_missing=True))
    assert "pillow-heif" in report.left_out["heic"]
    assert {mean.codec for mean in report.means} == {"jpeg"}
    with pytest.raises(CoderUnavailable, match="no codec is left"):
        evaluate(replace(request, codecs=("heic",), settings={}, skip_missing=True))


def test_several_workers_measure_what_one_does_in_the_same_order(
    images: Path, tmp_path: Path
) -> None:
    measure(images, tmp_path / "one")
    measure(images, tmp_path / "two", workers=2)
    one, two = (read_csv(tmp_path / name / "per_picture.csv") for name in ("one", "two"))
    for row in (*one, *two):
        for time_column in ("encode_s", "decode_s"):
            assert float(row.pop(time_column)) >= 0
    assert one == two and len(one) == 8


class DeadlyMeasurer:
    """Its process dies at the settings below 0; the measurement tells which process made it."""

    def measure(self, point: Point) -> list[Measurement]:
        if point.setting < 0:
            os._exit(1)
        made_here = {
            "prefix_bytes": os.getpid(),
            "metrics": {"core": float(point.curve.codec == "dsslic")},
        }
        return [
            Measurement(
                picture=point.picture.path.stem,
                width=1,
                height=1,
                **point.key._asdict(),
                layer="whole",
                layers=None,
                stream="",
                encode_s=0,
                decode_s=0,
                **made_here,  # type: ignore[arg-type]
            )
        ]


def outcomes(*points: tuple[str, float]) -> list[tuple[str, workers.Outcome]]:
    picture = PictureFile(Path("a.png"), "", 1, 1)
    points = [
        Point(picture, Curve(codec, None, (setting,), "", None, ""), setting)
        for codec, setting in points
    ]
    found = workers.measured(points, DeadlyMeasurer, 2, threading.Event())  # type: ignore[arg-type]
    return [(str(point), outcome) for point, outcome in found]


def test_a_worker_that_dies_is_reported_with_its_task_and_replaced() -> None:
    found = dict(outcomes(*(("jpeg", setting) for setting in (1, 2, -1, 3, 4, -2, 5))))
    assert len(found) == 7
    for setting in (-1, -2):
        assert "its process died" in str(found[f"a.png, jpeg at {setting}"])
    assert sum(isinstance(outcome, list) for outcome in found.values()) == 5


def test_workers_that_keep_dying_end_the_run() -> None:
    with pytest.raises(CoderFailed, match=r"a\.png, jpeg at -.: its process died"):
        outcomes(*(("jpeg", -setting) for setting in range(1, 10)))


def test_networks_run_in_one_worker_alone() -> None:
    codecs = ["dsslic", "jpeg"] * 8
    found = [outcome for _, outcome in outcomes(*((c, float(i)) for i, c in enumerate(codecs)))]
    processes: dict[str, set[int]] = {"dsslic": set(), "jpeg": set()}
    for outcome in found:
        assert isinstance(outcome, list)
        processes[outcome[0].codec].add(outcome[0].prefix_bytes)
    assert len(processes["dsslic"]) == 1
    assert processes["jpeg"] - processes["dsslic"]


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="looks for processes in /proc")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_a_signalled_run_leaves_no_process_and_no_part_of_a_file_behind(
    tmp_path: Path, number: signal.Signals
) -> None:
    for name in "abcdef":
        write_picture(tmp_path / "images" / f"{name}.png", 200, 200 + ord(name))
    command = [sys.executable, "-m", "dsslic_jax", "evaluate", "--workers=2", "--codecs=webp,jpeg"]
    command += [f"--images={tmp_path / 'images'}", f"--out={tmp_path / 'run'}"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True)
    stored = tmp_path / "run" / "measurements.jsonl"
    _wait_until(lambda: stored.exists() and stored.read_bytes().count(b"\n") >= 2)
    children = _children(process.pid)
    assert len(children) >= 2
    if number == signal.SIGINT:
        os.killpg(process.pid, number)  # as Ctrl-C does, workers included
    else:
        process.send_signal(number)
    _, said = process.communicate(timeout=60)
    if number != signal.SIGKILL:
        assert process.returncode == 130 and "the same command goes on from there" in said
    _wait_until(lambda: not any(Path(f"/proc/{child}").exists() for child in children))
    lines = [*Store(tmp_path / "run").measurements()]
    assert 2 <= len(lines) < 6 * 18
    for line in lines:
        assert (tmp_path / "run" / line.stream).stat().st_size == line.prefix_bytes
    assert not [path for path in (tmp_path / "run").rglob("*.tmp")]


def _wait_until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def _children(pid: int) -> list[int]:
    return [
        int(child)
        for task in Path(f"/proc/{pid}/task").iterdir()
        for child in (task / "children").read_text().split()
    ]
