"""What is stored is found again, and nothing else."""

import json
import math
import os
from dataclasses import replace
from pathlib import Path

import pytest

from dsslic_jax.errors import DataError
from dsslic_jax.evaluate.measuring.store import Measurement, Store

WHOLE = Measurement(
    picture="a",
    sha256="ab" * 32,
    width=4,
    height=2,
    codec="jpeg",
    version="libjpeg 9",
    setting=50,
    model=None,
    labels=None,
    labels_sha256=None,
    layer="whole",
    prefix_bytes=100,
    layers=None,
    stream="streams/jpeg/50/a.jpg",
    encode_s=0.5,
    decode_s=0.25,
    metrics={"psnr_rgb_db": 30.5, "psnr_y_db": math.inf, "ms_ssim": None},
)
LAYERS = {"header": 10, "s": 20, "c": 30, "r1": 40}
LAYERED = [
    replace(WHOLE, codec="dsslic", labels="none", layer=layer, prefix_bytes=end, layers=LAYERS)
    for layer, end in (("s", 30), ("c", 60), ("r1", 100))
]
METRICS = ("psnr_rgb_db", "ms_ssim")


def stored(run: Path) -> Path:
    return run / "measurements.jsonl"


def test_measurements_come_back_as_they_were(tmp_path: Path) -> None:
    for store in (Store(tmp_path / "run"), Store(tmp_path / "run")):
        assert store.find(WHOLE.key, METRICS) == []
    store.append([WHOLE])
    store.append(LAYERED)
    for again in (store, Store(tmp_path / "run")):
        assert again.find(WHOLE.key, METRICS) == [WHOLE]
        assert again.find(LAYERED[0].key, METRICS) == LAYERED
        assert [*again.measurements()] == [WHOLE, *LAYERED]


def test_a_line_is_plain_json_with_the_bytes_up_to_its_layer(tmp_path: Path) -> None:
    Store(tmp_path).append([replace(WHOLE, picture="ä\n\u2028")])
    (line,) = stored(tmp_path).read_text().splitlines()
    found = json.loads(line, parse_constant=pytest.fail)
    assert found["bytes"] == 100 and found["picture"] == "ä\n\u2028"
    assert found["metrics"] == {"psnr_rgb_db": 30.5, "psnr_y_db": None, "ms_ssim": None}
    assert found["infinite"] == ["psnr_y_db"]


@pytest.mark.parametrize(
    "change",
    [
        {"sha256": "cd" * 32},
        {"codec": "webp"},
        {"version": "libjpeg 10"},
        {"setting": 51},
        {"model": "01fe"},
        {"labels": "files"},
        {"labels_sha256": "ab" * 32},
    ],
    ids=lambda change: next(iter(change)),
)
def test_whatever_the_file_depends_on_tells_measurements_apart(
    tmp_path: Path, change: dict[str, object]
) -> None:
    store = Store(tmp_path)
    store.append([WHOLE])
    assert store.find(replace(WHOLE, **change).key, METRICS) == []  # type: ignore[arg-type]


def test_a_file_is_not_found_without_all_its_layers_and_metrics(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.append([WHOLE])
    store.append(LAYERED[:2])
    assert store.find(LAYERED[0].key, METRICS) == []
    assert store.find(WHOLE.key, (*METRICS, "lpips")) == []


def test_what_is_measured_anew_takes_the_place_of_the_old(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.append(LAYERED)
    anew = [replace(line, encode_s=9.0) for line in LAYERED]
    store.append(anew)
    for again in (store, Store(tmp_path)):
        assert again.find(LAYERED[0].key, METRICS) == anew


def test_a_line_that_was_taken_out_comes_back_when_the_file_is_measured_again(
    tmp_path: Path,
) -> None:
    Store(tmp_path).append(LAYERED[1:])
    store = Store(tmp_path)
    assert store.find(LAYERED[0].key, METRICS) == []
    store.append(LAYERED)
    assert store.find(LAYERED[0].key, METRICS) == LAYERED


@pytest.mark.parametrize("kept_bytes", [1, 50, -1])
def test_a_last_line_cut_by_a_kill_is_dropped_and_written_over(
    tmp_path: Path, kept_bytes: int
) -> None:
    Store(tmp_path).append([WHOLE])
    whole = stored(tmp_path).read_bytes()
    stored(tmp_path).write_bytes(whole + whole[:kept_bytes])
    store = Store(tmp_path)
    assert [*store.measurements()] == [WHOLE]
    store.append(LAYERED)
    assert [*Store(tmp_path).measurements()] == [WHOLE, *LAYERED]


def with_field(name: str, value: object) -> str:
    return json.dumps({**json.loads(WHOLE.to_json()), name: value})


@pytest.mark.parametrize(
    "line",
    [
        *("{}", "[]", "1", "{", '{"bytes": 1, "metrics": {}}', "\x00\xff", "[" * 9999),
        *(with_field(*field) for field in (("width", "4"), ("width", 4.5), ("width", True))),
        *(with_field(*field) for field in (("layers", [1]), ("infinite", 5), ("metrics", {"a": "b"}))),
        *(with_field(*field) for field in (("setting", math.inf), ("picture", "\ud800"), ("more", 1))),
        '"' + "x" * (1 << 20) + '"',
    ],
    ids=lambda line: line[:5] + line[-40:],
)  # fmt: skip
def test_a_damaged_line_is_named_and_passed_over(tmp_path: Path, line: str) -> None:
    Store(tmp_path).append([WHOLE])
    with stored(tmp_path).open("a", encoding="latin-1") as file:
        file.write(f"{line}\n")
    Store(tmp_path).append(LAYERED)
    store = Store(tmp_path)
    assert [*store.measurements()] == [WHOLE, *LAYERED]
    (told,) = store.damaged
    assert "measurements.jsonl: line 2 is passed over: no measurement" in told
    assert len(told) < 300 + len(str(tmp_path))


def test_a_pipe_in_a_run_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(stored(tmp_path))
    with pytest.raises(DataError, match="not a regular file"):
        Store(tmp_path)
