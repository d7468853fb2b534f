"""`dsslic search` as it is used: what it prints, in which order, and when it fails."""

import argparse
import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dsslic_jax.classes.table import class_table
from dsslic_jax.codec.stream import container
from dsslic_jax.commands import search
from dsslic_jax.errors import ConfigError, DataError
from dsslic_jax.search import query as query_module
from dsslic_jax.search.reading import read_label_map
from tests.search.streams import (
    CAMVID,
    CAR,
    MSRC,
    PEDESTRIAN,
    REST,
    ROAD,
    SKY,
    own_table,
    save,
    stream,
)

Run = Callable[..., tuple[str, str]]


@pytest.fixture(params=["files", "index"])
def run(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Run:
    """Runs the command in an empty folder, without an index or (twice) with one; returns what it says."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    parser = argparse.ArgumentParser()
    search.add_arguments(parser)

    def run_once(*arguments: str) -> tuple[str, str]:
        search.run(parser.parse_args(arguments))
        said = capsys.readouterr()
        return said.out, said.err

    def run_twice(*arguments: str) -> tuple[str, str]:
        with_index = (*arguments, "--index", str(tmp_path / "index"))
        first = run_once(*with_index)
        assert run_once(*with_index) == first
        return first

    return run_twice if request.param == "index" else run_once


def names(said: tuple[str, str]) -> list[str]:
    assert said[1] == ""
    return [Path(line.split("  ")[0]).stem for line in said[0].splitlines()]


def street_scenes() -> None:
    save(Path("d/few_cars.dsslic"), {SKY: 880, ROAD: 100, CAR: 20})
    save(Path("d/many_cars.dsslic"), {SKY: 10, ROAD: 30, CAR: 60})
    save(Path("d/people.dsslic"), {ROAD: 50, CAR: 40, PEDESTRIAN: 10})
    save(Path("d/sky.dsslic"), {SKY: 100})
    save(Path("d/same.dsslic"), {ROAD: 40, CAR: 60})


def test_files_are_sorted_by_the_area_of_what_is_wanted_then_by_path(run: Run) -> None:
    street_scenes()
    assert run("car and not pedestrian", "d") == (
        "d/many_cars.dsslic  Car 60.0%  Road 30.0%  Sky 10.0%\n"
        "d/same.dsslic  Car 60.0%  Road 40.0%\n"
        "d/few_cars.dsslic  Car 2.0%  Sky 88.0%  Road 10.0%\n",
        "",
    )
    assert names(run("car or sky", "d")) == ["sky", "few_cars", "many_cars", "same", "people"]
    assert names(run("not car", "d")) == ["sky"]
    assert names(run("not sky", "d/same.dsslic", "d/people.dsslic")) == ["people", "same"]


def test_areas_select(run: Run) -> None:
    street_scenes()
    assert names(run("car", "d", "--min-area", "41%")) == ["many_cars", "same"]
    assert names(run("car", "d", "--min-area", "20px")) == [
        "many_cars",
        "same",
        "people",
        "few_cars",
    ]
    assert names(run("car < 41% and road", "d")) == ["people", "few_cars"]
    assert names(run("not pedestrian and car", "d", "--min-area", "11%")) == ["many_cars", "same"]


def test_a_line_shows_six_classes_of_more_than_one_percent_and_every_one_wanted(run: Run) -> None:
    save(
        Path("a.dsslic"), {SKY: 5, 1: 300, 2: 10, ROAD: 205, 4: 200, 5: 180, 6: 70, 7: 20, CAR: 10}
    )
    wide = "Building 30.0%  Road 20.5%  Pavement 20.0%  Tree 18.0%"
    assert run("sky", "a.dsslic")[0] == f"a.dsslic  Sky 0.5%  {wide}  SignSymbol 7.0%\n"
    every = " and ".join(["sky", "pole", "road", "pavement", "tree", "signsymbol", "fence", "car"])
    assert run(every, "a.dsslic")[0].count("%") == 8


def test_json_tells_every_share(run: Run) -> None:
    table = class_table("ade20k")  # 3 sky, 13 person, …, 20 chair, 26 house
    save(Path("b.dsslic"), {13: 25, 20: 150, 3: 25}, table)
    out, _ = run('not house and person and "CHAIR" >= 0% and sky < 50%', "b.dsslic", "--json")
    assert json.loads(out) == [
        {
            "file": "b.dsslic",
            "width": 10,
            "height": 20,
            "classes": {
                "chair": 0.75,
                "person, individual, someone, somebody, mortal, soul": 0.125,
                "sky": 0.125,
            },
            "matched": {"person": 0.125, "CHAIR": 0.75},
        }
    ]
    assert run("house", "b.dsslic", "--json") == ("[]\n", "")


def test_each_file_follows_its_own_class_table(run: Run) -> None:
    save(Path("camvid.dsslic"), {SKY: 60, CAR: 40}, CAMVID)
    save(Path("msrc.dsslic"), {7: 70, 12: 30}, MSRC)
    save(Path("own.dsslic"), {0: 50, 1: 50}, own_table("night sky, sky", "Car"))
    out, err = run("car and sky", ".")
    assert out == (
        "./camvid.dsslic  Sky 60.0%  Car 40.0%\n"
        "./msrc.dsslic  sky 70.0%  car 30.0%\n"
        "./own.dsslic  night sky 50.0%  Car 50.0%\n"
    )
    assert err == ""


def test_a_name_that_only_some_tables_have_says_nothing_of_the_other_files(run: Run) -> None:
    save(Path("camvid.dsslic"), {SKY: 60, CAR: 40}, CAMVID)
    save(Path("msrc.dsslic"), {7: 70, 12: 30}, MSRC)
    for expression, found in {
        "cow": "",
        "not cow": "./msrc.dsslic",
        "car and not cow": "./msrc.dsslic",
        "car or cow": "./camvid.dsslic",  # has more cars, and comes first
    }.items():
        out, err = run(expression, ".")
        assert out.split("  ")[0] == found, expression
        assert err == (
            'dsslic search: note: 1 of 2 files follow a class table without "cow": nothing is known of '
            "it there\n"
        )


def test_a_name_that_no_table_has_is_an_error_with_close_ones(run: Run) -> None:
    street_scenes()
    with pytest.raises(ConfigError, match=r'a class "Pedestrain": did you mean pedestrian\?'):
        run("not Pedestrain", "d")
    with pytest.raises(ConfigError, match="classes are sky, building, pole, "):
        run("car or xyzzy", "d")


def test_files_without_labels_match_nothing_not_even_not(run: Run) -> None:
    save(Path("none.dsslic"), None)
    save(Path("some.dsslic"), {SKY: 100})
    note = "dsslic search: note: 1 of 2 files have no labels: they match nothing\n"
    for expression in ("sky", "not car", "sky or not sky", "car < 5%"):
        out, err = run(expression, ".")
        assert (out.split("  ")[0].strip(), err) == ("./some.dsslic", note), expression


def test_damaged_files_are_named_and_the_search_goes_on(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    save(Path("a.dsslic"), {CAR: 100})
    save(Path("c.dsslic"), {CAR: 100})
    Path("b.dsslic").write_bytes(b"no stream")
    Path("bad\n\x1b[2J.dsslic").write_bytes(stream(None)[:20])
    with pytest.raises(DataError, match="2 of the files and folders could not be searched"):
        run("car", ".", "c.dsslic")
    said = capsys.readouterr()
    assert said.out == "./a.dsslic  Car 100.0%\n./c.dsslic  Car 100.0%\n"
    assert said.err.splitlines() == [
        "dsslic search: ./b.dsslic: not a .dsslic stream: it does not begin with a DSLC header",
        "dsslic search: ./bad\\n\\x1b[2J.dsslic: the stream is cut inside its header: nothing can be decoded",
    ]


def test_names_in_a_stream_cannot_command_the_terminal(run: Run) -> None:
    turned = "\N{RIGHT-TO-LEFT OVERRIDE}cat"
    save(Path("a.dsslic"), {0: 100}, own_table(turned, "car"))
    assert run("not car", "a.dsslic")[0] == "a.dsslic  \\u202ecat 100.0%\n"
    with pytest.raises(ConfigError) as caught:
        run("cat5", "a.dsslic")
    assert str(caught.value).isprintable()


def test_one_bad_file_among_many_is_named_and_passed_over(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    save(Path("d/a.dsslic"), {CAR: 100})
    save(Path("d/z.dsslic"), {CAR: 100})
    os.mkfifo("d/pipe.dsslic")
    Path("d/zero.dsslic").symlink_to("/dev/zero")
    Path("d/gone.dsslic").symlink_to("nowhere")
    hostile: tuple[Any, ...] = ("\x1b[2J", "\ud800", 5, 1e999, {"a": [[[]]]})
    for i, name in enumerate(hostile):
        save(Path(f"d/hostile{i}.dsslic"), None, replace(own_table("a"), name=name))
    with pytest.raises(DataError, match="8 of the files and folders could not be searched"):
        run("car", "d")
    said = capsys.readouterr()
    assert [line.split("  ")[0] for line in said.out.splitlines()] == ["d/a.dsslic", "d/z.dsslic"]
    assert said.err.count("\n") == 8 and said.err.count("the stream's class table: ") == 5
    assert said.err.replace("\n", "").isprintable()


def test_a_search_of_nothing_is_an_error(run: Run) -> None:
    Path("empty").mkdir()
    with pytest.raises(DataError, match=r"no \.dsslic files in empty"):
        run("car", "empty")


def random_maps() -> dict[str, np.ndarray]:
    """Maps whose classes lie in different places, with boundaries at any pixel."""
    generator = np.random.default_rng(0)
    maps = {}
    for i in range(30):
        height, width = generator.integers(3, 20, 2)
        labels = np.full((height, width), generator.choice([SKY, ROAD]), np.uint8)
        for class_id in generator.choice([CAR, PEDESTRIAN, SKY], 2):
            top, left = generator.integers(height), generator.integers(width)
            labels[top : top + 6, left : left + 6] = class_id
        maps[f"{i:02d}.dsslic"] = labels
        Path(f"{i:02d}.dsslic").write_bytes(stream(labels))
    return maps


@pytest.mark.parametrize(
    ("expression", "holds"),
    [
        ("car", lambda share: share[CAR] > 0),
        ("not car", lambda share: share[CAR] == 0),
        (
            "car > 10% and not pedestrian",
            lambda share: share[CAR] > 0.1 and share[PEDESTRIAN] == 0,
        ),
        (
            "sky <= 40% and (pedestrian or not road >= 50%)",
            lambda share: share[SKY] <= 0.4 and (share[PEDESTRIAN] > 0 or share[ROAD] < 0.5),
        ),
    ],
)
def test_a_region_is_searched_as_if_the_picture_were_cropped(
    expression: str, holds: Callable[[np.ndarray], bool], run: Run
) -> None:
    expected = {}
    for name, labels in random_maps().items():
        height, width = labels.shape
        inside = labels[height // 2 :, : -(-width // 4)]  # floor and ceiling: every pixel touched
        share = np.bincount(inside.ravel(), minlength=256) / inside.size
        if holds(share):
            expected[name] = share
    out, _ = run(expression, ".", "--region", "0,50%,25,100%", "--json")
    found = {Path(match["file"]).name: match["classes"] for match in json.loads(out)}
    assert 0 < len(found) < 30 and found.keys() == expected.keys()
    for name, classes in found.items():
        assert classes == {
            CAMVID.names[i]: expected[name][i] for i in np.flatnonzero(expected[name])
        }


def test_maps_are_decoded_only_where_the_whole_picture_leaves_it_open(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    street_scenes()
    decoded = []

    def watched(entry: query_module.Entry) -> np.ndarray:
        decoded.append(Path(entry.path).stem)
        return read_label_map(entry)

    monkeypatch.setattr(query_module, "read_label_map", watched)
    half = ("--region", "0,0,100,50")
    run("car", "d/many_cars.dsslic")
    assert decoded == []
    # many_cars: 50 of 100 pixels are inside, of 60 of cars at least 10. sky: none.
    for expression, expected in {
        "car and not pedestrian": {"few_cars", "many_cars", "same", "people"},
        "pedestrian >= 20%": {"people"},
        "pedestrian > 20%": set(),
        "not car": {"few_cars", "sky", "people"},
        "sky > 99%": {"few_cars", "sky"},
    }.items():
        decoded.clear()
        run(expression, "d", *half)
        assert set(decoded) == expected, expression


def test_coarse_maps_match_by_the_shares_of_their_samples(run: Run) -> None:
    """Of 6x10 pixels in blocks of 4x4: six samples, of which one is of cars, at the lower right, where 2x2 remain."""
    labels = np.zeros((6, 10), np.uint8)
    labels[4:, 8:] = CAR
    Path("a.dsslic").write_bytes(stream(labels, label_scale=4))
    (found,) = json.loads(run("car", "a.dsslic", "--json")[0])
    assert (found["width"], found["height"]) == (10, 6)
    assert found["classes"] == {"Sky": 5 / 6, "Car": 1 / 6}
    assert names(run("car > 16%", "a.dsslic")) == ["a"]
    assert names(run("car > 17%", "a.dsslic")) == []
    # Inside a region the pixels of the picture count: 4 cars of the right half's 30, none in the upper half.
    (found,) = json.loads(run("car", "a.dsslic", "--json", "--region", "50,0,100,100")[0])
    assert found["classes"] == {"Sky": 26 / 30, "Car": 4 / 30}
    assert names(run("car", "a.dsslic", "--region", "0,0,100,50")) == []


def test_a_map_that_is_not_what_layer_s_says_is_named(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    header = container.Header(10, 10, CAMVID, 8, bytes(8))
    layer = bytes([1, SKY, 50, CAR]) + b"no JPEG XL"
    Path("a.dsslic").write_bytes(container.write(header, [("s", "jxl", layer), *REST]))
    assert names(run("car", "a.dsslic")) == ["a"]
    with pytest.raises(DataError, match="1 of the files and folders"):
        run("car", "a.dsslic", "--region", "0,0,100,50")
    said = capsys.readouterr()
    assert said.out == "" and said.err.startswith(
        "dsslic search: a.dsslic: the JPEG XL layer is no bare codestream"
    )
