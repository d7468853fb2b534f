"""The pages in a real browser: what people click, type and see."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from dsslic_jax import bundle
from dsslic_jax.cli import main
from tests.evaluate.folders import write_picture
from tests.evaluate.html_browser import Browser, open_browser
from tests.evaluate.html_runs import SmallRun, data_of, make_run, pixels_of, write_page
from tests.model_fixture import make_bundle

CANVAS = "#viewer .stage canvas"
DIVIDER = "#viewer .divider"
MARKUP = "<img src=x onerror=window.ran=1>"


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    folder = tmp_path_factory.mktemp("browser")
    screenshots = Path(os.environ.get("DSSLIC_SCREENSHOTS", folder / "screenshots"))
    with open_browser(folder / "profile", screenshots) as opened:
        yield opened


@pytest.fixture(scope="module")
def run(browser: Browser, tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> SmallRun:
    """Two pictures by JPEG and our codec; made only where there is a browser."""
    folder = tmp_path_factory.mktemp("browsed")
    return make_run(folder, ("jpeg", "dsslic"), tiny_model, first=(168, 176), second=(176, 164))


@pytest.fixture(scope="module")
def page(run: SmallRun, tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of `run`, with everything in it."""
    out = tmp_path_factory.mktemp("page") / "page.html"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DSSLIC_MODELS", str(out.parent / "known"))
        write_page(run, out, "--anchors", "--anchor", "jpeg", "--model", str(tiny_model))
    return out


def column_order(browser: Browser, section: str, column: int) -> list[str]:
    return browser.run(
        """const rows = [...document.querySelectorAll(`${arguments[0]} tbody tr`)];
        return rows.map((row) => row.cells[arguments[1]].textContent)""",
        section,
        column,
    )


def visible_curves(browser: Browser) -> set[str]:
    """Curves that the plots in sight draw."""
    return set(
        browser.run(
            """const plots = [...Bokeh.index].map((view) => view.model).filter((model) => model.renderers);
            return plots.flatMap((plot) => plot.renderers.filter((r) => r.visible).map((r) => r.name))"""
        )
    )


def test_the_page_opens_without_complaint_or_connection(browser: Browser, page: Path) -> None:
    browser.open(page)
    assert browser.run("return document.title") == "Rate and distortion: run"
    sections = browser.run("return [...document.querySelectorAll('section')].map((s) => s.id)")
    assert sections == ["protocol-fair", "viewer", "layers", "files", "conditions"]
    browser.screenshot("report_light_1200")
    assert browser.requests() == [page.resolve().as_uri()]
    assert browser.complaints() == []


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


def test_tables_sort_by_any_column_both_ways(browser: Browser, page: Path) -> None:
    browser.open(page)
    columns = data_of(page.read_text(encoding="utf-8"))["files"]["columns"]
    index = [column["name"] for column in columns].index("bytes")
    button = browser.element(f"#files th:nth-child({index + 1}) button")
    given = column_order(browser, "#files", index)
    button.click()
    ascending = column_order(browser, "#files", index)
    assert ascending == sorted(given, key=int) != given
    heading = browser.element(f"#files th:nth-child({index + 1})")
    assert heading.get_attribute("aria-sort") == "ascending"
    button.send_keys("\n")
    assert column_order(browser, "#files", index) == ascending[::-1]
    assert heading.get_attribute("aria-sort") == "descending"
    browser.element("#files th:first-child button").click()
    names = column_order(browser, "#files", 0)
    assert names == sorted(names)
    assert heading.get_attribute("aria-sort") == "none"


def test_a_choice_above_a_table_leaves_the_rows_of_one_codec(browser: Browser, page: Path) -> None:
    browser.open(page)
    browser.element("#files label:nth-child(2) option:nth-child(2)").click()
    assert set(column_order(browser, "#files", 1)) == {"jpeg"}
    assert len(column_order(browser, "#files", 1)) == 8


def test_the_legend_hides_a_curve_and_shows_it_again(browser: Browser, page: Path) -> None:
    browser.open(page)
    before = visible_curves(browser)
    assert before == {"jpeg", "dsslic:segnet", "dsslic:segnet up to c (x')"}
    box = browser.element(".legend label input")
    plain = browser.driver.find_element("css selector", ".plot").screenshot_as_png
    box.click()
    assert visible_curves(browser) == before - {"jpeg"}
    browser.run("return new Promise((done) => setTimeout(done, 200))")
    assert browser.driver.find_element("css selector", ".plot").screenshot_as_png != plain
    box.send_keys(" ")
    assert visible_curves(browser) == before


def test_published_curves_appear_when_they_are_switched_on(browser: Browser, page: Path) -> None:
    browser.open(page)
    before = visible_curves(browser)
    browser.element(".legend summary").click()
    label = browser.element(".legend details label")
    label.click()
    assert visible_curves(browser) - before == {label.text}


def test_the_rate_may_be_logarithmic(browser: Browser, page: Path) -> None:
    browser.open(page)
    browser.element("input[name=scale-fair]:not(:checked)").click()
    browser.wait("document.querySelectorAll('.plots:not([hidden]) .plot').length === 2")
    browser.wait("[...Bokeh.index].filter((view) => view.model.renderers).length === 4")
    scales = browser.run(
        "return [...Bokeh.index].filter((v) => v.model.renderers).map((v) => v.model.x_scale.type)"
    )
    assert scales == ["LinearScale", "LinearScale", "LogScale", "LogScale"]
    assert browser.complaints() == []


def test_hovering_over_a_point_tells_it(browser: Browser, page: Path) -> None:
    from selenium.webdriver.common.actions.action_builder import ActionBuilder

    browser.open(page)
    x, y, psnr = browser.run(
        """const view = [...Bokeh.index].find((v) => v.model.renderers);
        const renderer = view.model.renderers.find((r) => r.name === "jpeg" && r.glyph.size);
        const data = renderer.data_source.data, box = view.el.getBoundingClientRect();
        return [box.left + view.frame.x_scale.compute(data.rate[1]),
                box.top + view.frame.y_scale.compute(data.quality[1]), data.quality[1]]"""
    )
    actions = ActionBuilder(browser.driver)
    for away in (30, 5, 0):
        actions.pointer_action.move_to_location(round(x) - away, round(y)).pause(0.2)
    actions.perform()
    told = """[...document.querySelectorAll(".bk-Tooltip")].map((tip) =>
        tip.shadowRoot.querySelector(".bk-tooltip-content").textContent).join(" ")"""
    browser.wait(f"{told}.includes('setting')")
    text = browser.run(f"return {told}")
    assert "jpeg" in text
    assert f"{psnr:.2f}" in text


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


def brightness(browser: Browser, selector: str, what: str) -> float:
    colour = browser.run(
        "return getComputedStyle(document.querySelector(arguments[0]))[arguments[1]]",
        selector,
        what,
    )
    return float(np.mean([float(part) for part in colour.strip("rgba()").split(",")[:3]]))


def axis_colour(browser: Browser) -> str:
    return browser.run(
        "return [...Bokeh.index].find((v) => v.model.renderers).model.below[0].major_label_text_color"
    )


def test_the_page_follows_the_systems_colours_until_the_switch_says_otherwise(
    browser: Browser, page: Path
) -> None:
    browser.open(page, dark=True)
    assert brightness(browser, "section", "backgroundColor") < 60
    assert brightness(browser, "section", "color") > 180
    dark_axis = axis_colour(browser)
    browser.screenshot("report_dark_1200")
    browser.element("#theme option[value=light]").click()
    assert brightness(browser, "section", "backgroundColor") > 200
    assert brightness(browser, "section", "color") < 80
    assert axis_colour(browser) != dark_axis
    browser.open(page)
    assert brightness(browser, "section", "backgroundColor") > 200


def test_narrow_windows_need_no_scrolling_sideways(browser: Browser, page: Path) -> None:
    browser.open(page, width=400, dark=True)
    assert browser.run("return document.documentElement.scrollWidth") == 400
    browser.screenshot("report_dark_400")
    browser.open(page, width=400)
    browser.screenshot("report_light_400")


def test_names_from_files_are_shown_and_never_run(browser: Browser, tmp_path: Path) -> None:
    run = make_run(tmp_path, ("jpeg",), **{MARKUP: (64, 64), "{{x}}${y}": (64, 64)})
    for name in ("conditions.json", "measurements.jsonl"):  # a codec with labels named so
        text = (run.folder / name).read_text()
        changed = text.replace('"labels": null', f'"labels": {json.dumps(MARKUP)}')
        (run.folder / name).write_text(changed)
    out = tmp_path / "<b>.html"
    write_page(run, out)
    browser.open(out)
    browser.element("#viewer select option:nth-child(2)").click()
    for selector in ("#viewer", "#files", ".legend", "#conditions"):
        assert MARKUP in browser.element(selector).text
    browser.run("return new Promise((done) => setTimeout(done, 300))")
    assert browser.run("return window.ran") is None
    assert browser.run("return document.querySelectorAll('img[src=x]').length") == 0
    assert browser.complaints() == []


def test_markup_that_got_into_the_page_would_not_run(browser: Browser, page: Path) -> None:
    browser.open(page)
    browser.run(
        """document.body.insertAdjacentHTML("beforeend", "<img src=x onerror='window.ran=1'>");
        const script = document.createElement("script");
        script.textContent = "window.ran = 1"; document.body.append(script);
        return new Promise((done) => setTimeout(done, 300))"""
    )
    assert browser.run("return window.ran") is None
    assert any("Content Security Policy" in complaint for complaint in browser.complaints())


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
