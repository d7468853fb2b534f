"""The report in a real browser: plots, tables, colours, and names that would be scripts."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.report.browser import Browser, open_browser
from tests.report.runs import MARKUP, SmallRun, data_of, make_run, write_page


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with open_browser(tmp_path_factory.mktemp("browser")) as opened:
        yield opened


@pytest.fixture(scope="module")
def run(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> SmallRun:
    """Two pictures by JPEG and WebP; made only where there is a browser."""
    return make_run(tmp_path_factory.mktemp("browsed"), ("jpeg", "webp"), anchor="jpeg")


@pytest.fixture(scope="module")
def page(run: SmallRun, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of `run`, with published curves."""
    out = tmp_path_factory.mktemp("page") / "page.html"
    write_page(run, out, "--anchors", "--anchor", "jpeg")
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
    assert sections == ["protocol-fair", "viewer", "files", "conditions"]
    browser.screenshot("report_light_1200")
    assert browser.requests() == [page.resolve().as_uri()]
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
    assert before == {"jpeg", "webp"}
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
    run = make_run(tmp_path, ("jpeg",), pictures={MARKUP: (64, 64), "{{x}}${y}": (64, 64)})
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
