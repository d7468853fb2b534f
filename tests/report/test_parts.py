"""Rates to compare at, error maps, windows within a budget, and pictures in a page or beside it."""

import base64
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dsslic_jax.errors import ConfigError, DataError
from dsslic_jax.evaluate.measuring.store import Key, Measurement
from dsslic_jax.report.pictures import error_maps
from dsslic_jax.report.pictures.crops import Kept, Window, fit, window_of_most_error
from dsslic_jax.report.pictures.images import (
    BesidePage,
    InsidePage,
    palette_png,
    reduced,
    url_characters,
    webp,
)
from dsslic_jax.report.pictures.rates import common_rates, nearest, select
from dsslic_jax.report.tables import json_number
from tests.evaluate.folders import picture_of


def coded(picture: str, curve: str, setting: float, rate: float) -> Measurement:
    key = Key("", curve, "", setting, None, None, None)
    return Measurement(
        *(picture, key.sha256, 8, 8, *key[1:]),
        *("whole", int(8 * rate), None, f"{picture}/{curve}/{setting}", 0.0, 0.0),
        metrics={"psnr_rgb_db": 30.0},
    )


def test_rates_lie_where_all_curves_reach_evenly_in_their_logarithm() -> None:
    # In common: 0.5 to 8, a factor of 16, which four steps divide into doublings; 8 itself is left out.
    assert common_rates([[0.1, 1, 8], [0.5, 16]], 4) == [0.5, 1, 2, 4]


def test_curves_with_no_rate_in_common_are_compared_over_all_their_rates() -> None:
    assert common_rates([[0.1, 0.2], [1.0, 10.0]], 2) == [0.1, 1.0]
    assert common_rates([[0.5]], 3) == [0.5]


def test_the_nearest_rate_is_that_of_the_least_ratio() -> None:
    assert nearest([0.5, 1.9], 1.0) == 1  # 1.9 times as much is nearer than half


def test_each_picture_gets_its_own_nearest_files_and_may_lack_a_curve() -> None:
    files = [
        *(coded("a", "x", setting, rate) for setting, rate in ((1, 1.0), (2, 2.0), (3, 4.0))),
        *(coded("b", "x", setting, rate) for setting, rate in ((1, 1.0), (2, 4.0), (3, 4.0))),
        *(coded("a", "y", setting, rate) for setting, rate in ((1, 1.0), (2, 4.0))),
    ]
    chosen = select(files, ["b", "a"], 2)
    assert chosen.curves == ("x", "y")
    assert chosen.rates == (1.0, 2.0)
    assert [*chosen.nearest] == ["b", "a"]
    assert [file.setting for file in chosen.nearest["a"]["x"]] == [1, 2]
    assert [file.setting for file in chosen.nearest["b"]["x"]] == [1, 1]
    assert [*chosen.nearest["b"]] == ["x"]


def test_error_of_a_block_is_its_root_mean_square_over_channels_also_at_ragged_edges() -> None:
    a = np.zeros((3, 5, 3), np.uint8)
    b = a.copy()
    b[0, 0] = (3, 0, 0)  # 9 over 12 samples of a whole block
    b[2, 4] = (12, 12, 12)  # alone in its cut block
    errors = error_maps.block_rms(a, b, 2)
    assert errors.shape == (2, 3)
    assert errors[0, 0] == pytest.approx(np.sqrt(9 / 12))
    assert errors[1, 2] == pytest.approx(12)
    assert np.count_nonzero(errors) == 2
    assert np.array_equal(errors, error_maps.block_rms(b, a, 2))  # uint8 does not wrap round


def test_a_map_shows_no_error_dark_a_quarter_in_the_middle_and_the_most_bright() -> None:
    most = error_maps.MOST_LEVELS
    image = Image.open(io.BytesIO(error_maps.map_png(np.array([[0.0, most / 4, most, 255.0]]))))
    indices = np.asarray(image)[0].tolist()
    assert indices[0] == 0
    assert abs(indices[1] - (error_maps.STEPS - 1) / 2) <= 0.5
    assert indices[2:] == [error_maps.STEPS - 1] * 2
    luma = np.asarray(image.convert("L"))[0]
    assert luma[0] < luma[1] < luma[2]
    assert error_maps.ticks() == ["0", "2", "8", "18", "32 or more"]


def test_a_window_lies_where_the_most_error_is_and_keeps_the_proportions() -> None:
    errors = np.ones((8, 12))
    errors[5, 9] = 50
    window = window_of_most_error(errors, 8, 96, 64, 96 * 64 / 16)
    assert (window.width, window.height) == (24, 16)
    assert window.left <= 9 * 8 <= window.left + window.width - 8
    assert window.top <= 5 * 8 <= window.top + window.height - 8
    assert window_of_most_error(errors, 8, 96, 64, 1e9) == Window(0, 0, 96, 64)
    # The last blocks are cut: the window stays inside.
    corner = np.zeros((3, 3))
    corner[2, 2] = 1
    window = window_of_most_error(corner, 8, 17, 17, 64)
    assert (window.left + window.width, window.top + window.height) == (17, 17)


def test_windows_shrink_until_they_fit_and_each_part_shows_its_window() -> None:
    picture = picture_of(160, 240)
    darker = (picture // 2).astype(np.uint8)
    kept = Kept.of([picture, darker], error_maps.block_rms(picture, darker, 8), 8, 240 * 160)
    assert kept.window == Window(0, 0, 240, 160)
    (whole, parts), budget = fit([kept], 10**7)[0], 4000
    assert whole == kept.window
    assert sum(url_characters(len(part)) for part in parts) > budget
    window, parts = fit([kept], budget)[0]
    assert 0.5 * budget < sum(url_characters(len(part)) for part in parts) <= budget
    for part, shown in zip(parts, (picture, darker), strict=True):
        pixels = np.asarray(Image.open(io.BytesIO(part)).convert("RGB")).astype(float)
        assert pixels.shape[:2] == (window.height, window.width)
        assert np.abs(pixels - window.cut(shown)).mean() < 8
    with pytest.raises(ConfigError, match="--max-mb"):
        fit([kept], 100)


def test_pictures_inside_the_page_are_counted_as_they_are_written() -> None:
    place, data = InsidePage(), webp(picture_of(20, 30))
    urls = [place.put(data, "image/webp"), place.put(data[:-1], "image/webp")]
    assert place.characters == sum(map(len, urls))
    assert len(urls[0]) == url_characters(len(data))
    assert base64.b64decode(urls[1].removeprefix("data:image/webp;base64,")) == data[:-1]


def test_pictures_beside_the_page_write_over_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "my report_files"
    place = BesidePage(folder)
    assert place.put(b"one", "image/webp") == "my%20report_files/00001.webp"
    assert place.put(b"two", "image/png") == "my%20report_files/00002.png"
    assert (folder / "00002.png").read_bytes() == b"two"
    with pytest.raises(DataError, match="already there"):
        BesidePage(folder)


def test_lossless_pictures_and_maps_come_back_exactly() -> None:
    picture = picture_of(33, 47)
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(webp(picture, True)))), picture)
    labels = np.random.default_rng(0).integers(0, 3, (9, 7), dtype=np.uint8)
    palette = [(0, 0, 0), (255, 0, 0), (1, 2, 3)]
    shown = np.asarray(Image.open(io.BytesIO(palette_png(labels, palette))).convert("RGB"))
    assert np.array_equal(shown, np.array(palette, np.uint8)[labels])


def test_pictures_wider_than_webp_holds_are_refused_by_name_of_the_limit() -> None:
    with pytest.raises(DataError, match="16383"):
        webp(np.zeros((1, 16384, 3), np.uint8))


def test_reducing_averages_and_leaves_small_pictures_alone() -> None:
    picture = np.zeros((4, 8, 3), np.uint8)
    picture[:, ::2] = 200
    assert np.array_equal(reduced(picture, 4), np.full((2, 4, 3), 100))
    assert reduced(picture, 8) is picture


def test_numbers_for_json_keep_infinity_and_none() -> None:
    assert [json_number(value) for value in (None, float("inf"), 1.23456789)] == [
        None,
        "inf",
        1.234568,
    ]
