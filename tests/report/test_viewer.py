"""The picture viewer and the layers in a real browser: dividers, zoom, keys and choices."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from dsslic_jax.bundle import directory as bundle
from dsslic_jax.cli import main
from tests.evaluate.folders import write_picture
from tests.model_fixture import make_bundle
from tests.report.browser import Browser, open_browser
from tests.report.runs import MARKUP, SmallRun, data_of, make_run, pixels_of, write_page

CANVAS = "#viewer .stage canvas"
DIVIDER = "#viewer .divider"
SMALL = {"first": (64, 64), "second": (64, 56)}


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with open_browser(tmp_path_factory.mktemp("browser")) as opened:
        yield opened


@pytest.fixture(scope="module")
def run(browser: Browser, tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> SmallRun:
    """Two pictures by JPEG and our codec; made only where there is a browser."""
    folder = tmp_path_factory.mktemp("browsed")
    return make_run(folder, ("jpeg", "dsslic"), tiny_model, pictures=SMALL)


@pytest.fixture(scope="module")
def page(run: SmallRun, tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of `run`, with everything in it."""
    out = tmp_path_factory.mktemp("page") / "page.html"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DSSLIC_MODELS", str(out.parent / "known"))
        write_page(run, out, "--anchors", "--anchor", "jpeg", "--model", str(tiny_model))
    return out


def test_the_stage_shows_the_pixels_of_the_two_pictures_on_either_side_of_the_divider(
    browser: Browser, page: Path
) -> None:
    browser.open(page)
    viewer = data_of(page.read_text(encoding="utf-8"))["viewer"]
    entry, rate = viewer["pictures"][0], len(viewer["rates"]) // 2
    left, right = (
        pixels_of(viewer["files"][entry["files"][codec][rate]]["picture"])
        for codec in viewer["codecs"]
    )
    assert np.abs(left.astype(int) - right).mean() > 3
    shown = browser.canvas(CANVAS)
    height, width = left.shape[:2]
    rows = ((np.arange(height) + 0.5) * shown.shape[0] / height).astype(int)
    columns = ((np.arange(width) + 0.5) * shown.shape[1] / width).astype(int)
    sampled = shown[np.ix_(rows, columns)].astype(int)
    half = width // 2
    assert np.abs(sampled[:, : half - 1] - left[:, : half - 1]).max() <= 2
    assert np.abs(sampled[:, half + 1 :] - right[:, half + 1 :]).max() <= 2


def test_keys_move_the_divider_and_the_pixels_under_it(browser: Browser, page: Path) -> None:
    from selenium.webdriver.common.keys import Keys

    browser.open(page)
    before = browser.canvas(CANVAS)
    divider = browser.element(DIVIDER)
    assert divider.get_attribute("aria-valuenow") == "50"
    divider.send_keys(Keys.ARROW_LEFT * 3)
    assert divider.get_attribute("aria-valuenow") == "44"
    changed = (browser.canvas(CANVAS) != before).any(axis=(0, 2))
    moved = np.flatnonzero(changed)
    assert 0.43 < moved.min() / len(changed)
    assert 0.47 < moved.max() / len(changed) < 0.51
    divider.send_keys(Keys.END)
    assert divider.get_attribute("aria-valuenow") == "100"
    divider.send_keys(Keys.PAGE_DOWN)
    assert divider.get_attribute("aria-valuenow") == "90"
    divider.send_keys(Keys.HOME)
    assert divider.get_attribute("aria-valuenow") == "0"
    assert browser.complaints() == []


def test_dragging_moves_the_divider(browser: Browser, page: Path) -> None:
    from selenium.webdriver.common.action_chains import ActionChains

    browser.open(page)
    width = browser.run(f"return document.querySelector('{CANVAS}').getBoundingClientRect().width")
    divider = browser.element(DIVIDER)
    ActionChains(browser.driver).drag_and_drop_by_offset(divider, int(width / 4), 0).perform()
    assert divider.get_attribute("aria-valuenow") == "75"


def test_zoom_enlarges_the_middle_and_arrow_keys_pan(browser: Browser, page: Path) -> None:
    from selenium.webdriver.common.keys import Keys

    browser.open(page)
    whole = browser.canvas(CANVAS)
    canvas = browser.element(CANVAS)
    canvas.send_keys("+")
    zoomed = browser.canvas(CANVAS)
    height, width = whole.shape[:2]
    assert zoomed.shape == whole.shape
    # The top left corner of what is enlarged twice is what lay a quarter in from the edges.
    assert (zoomed[2, 2] == whole[height // 4 + 1, width // 4 + 1]).all()
    canvas.send_keys(Keys.ARROW_RIGHT)
    panned = browser.canvas(CANVAS)
    assert (panned[:, : width // 3] != zoomed[:, : width // 3]).any()
    canvas.send_keys("-")
    assert np.array_equal(browser.canvas(CANVAS), whole)
    assert "1×" in browser.element("#viewer .controls").text


def test_other_pictures_codecs_rates_and_difference_maps_are_shown_with_their_numbers(
    browser: Browser, page: Path
) -> None:
    browser.open(page)
    viewer = data_of(page.read_text(encoding="utf-8"))["viewer"]
    shown = browser.canvas(CANVAS)
    choose = """const [label, value] = arguments;
        const labels = [...document.querySelectorAll("#viewer label")];
        const input = labels.find((l) => l.textContent.trim().startsWith(label)).querySelector("select, input");
        if (input.type === "checkbox") return input.click();
        input.value = value;
        input.dispatchEvent(new Event(input.tagName === "SELECT" ? "change" : "input"));"""
    for label, value in (
        ("Picture", "1"),
        ("Rate", str(len(viewer["rates"]) - 1)),
        ("Left", ""),
        ("Right", viewer["codecs"][0]),
        ("Difference", None),
    ):
        browser.run(choose, label, value)
        browser.run("return new Promise((done) => setTimeout(done, 150))")
        now = browser.canvas(CANVAS)
        assert now.shape != shown.shape or (now != shown).any(), label
        shown = now
    file = viewer["files"][viewer["pictures"][1]["files"][viewer["codecs"][0]][-1]]
    caption = browser.element("#viewer .facts:last-child").text
    assert caption.startswith(f"{viewer['codecs'][0]} setting {file['setting']}")
    assert f"{file['bits_per_pixel']:.3f} bits per pixel" in caption
    assert f"PSNR {file['psnr_rgb_db']:.2f} dB" in caption
    assert browser.element("#viewer .colour-key").is_displayed()
    browser.screenshot("difference_maps")
    assert browser.complaints() == []


def test_tab_reaches_the_divider_and_focus_shows(browser: Browser, page: Path) -> None:
    from selenium.webdriver.common.keys import Keys

    browser.open(page)
    seen = []
    for _ in range(60):
        browser.driver.switch_to.active_element.send_keys(Keys.TAB)
        focused = browser.driver.switch_to.active_element
        seen.append(focused.get_attribute("class") or focused.tag_name)
        if seen[-1] == "divider":
            break
    assert seen[0] == "skip"
    assert seen[-1] == "divider"
    assert {"select", "input", "button", "summary", "canvas"} <= set(seen)
    outline = browser.run("return getComputedStyle(document.activeElement, '::after').outlineStyle")
    assert outline == "solid"
    browser.driver.switch_to.active_element.send_keys(Keys.ARROW_RIGHT)
    assert browser.element(DIVIDER).get_attribute("aria-valuenow") == "52"


def test_every_control_has_a_name(browser: Browser, page: Path) -> None:
    browser.open(page)
    nameless = browser.run(
        """const named = (e) => e.getAttribute("aria-label") || e.labels?.length || e.textContent.trim() || e.alt;
        const all = document.querySelectorAll("main button, main input, main select, main canvas, main img, [role]");
        return [...all].filter((e) => !named(e)).map((e) => e.outerHTML.slice(0, 200))"""
    )
    assert nameless == []


def test_a_stream_with_hostile_class_names_is_inspected_safely(
    browser: Browser, run: SmallRun, tmp_path: Path
) -> None:
    table = tmp_path / "table.json"
    classes = [[f"{MARKUP} {i}", [80 * i, 0, 255 - 80 * i]] for i in range(3)]
    table.write_text(json.dumps({"name": MARKUP, "classes": classes, "void_ids": []}))
    model, stream = tmp_path / "model", tmp_path / f"{MARKUP}.dsslic"
    bundle.save(make_bundle(table=str(table)), model)
    picture = tmp_path / "images" / "a.png"
    write_picture(picture, 64, 64)
    assert main(["encode", str(picture), str(stream), "--model", str(model)]) == 0
    out = tmp_path / "page.html"
    assert main(["inspect", str(stream), "--html", str(out)]) == 0
    browser.open(out)
    assert MARKUP in browser.element("h1").text
    assert f"{MARKUP} " in browser.element(".classes").text
    assert browser.run("return window.ran") is None
    left = browser.canvas("#layers .stage canvas")
    browser.element("#layers .controls option").click()  # labels to the left
    browser.run("return new Promise((done) => setTimeout(done, 200))")
    assert (browser.canvas("#layers .stage canvas") != left).any()
    browser.screenshot("inspect_light_1200")
    assert browser.complaints() == []
    assert browser.requests() == [out.resolve().as_uri()]


def test_pictures_beside_the_page_are_found_and_missed(
    browser: Browser, run: SmallRun, tmp_path: Path
) -> None:
    out = tmp_path / "page.html"
    write_page(run, out, "--assets")
    browser.open(out)
    beside = (tmp_path / "page_files").as_uri()
    fetched = browser.requests()[1:]
    assert fetched
    assert all(url.startswith(beside) for url in fetched)
    assert browser.complaints() == []
    shutil.rmtree(tmp_path / "page_files")
    browser.open(out)
    assert "picture not found" in browser.element("#viewer .frame").text
