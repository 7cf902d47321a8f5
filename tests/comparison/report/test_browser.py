"""The report of a comparison in a real browser: layout, tooltips, sorting, attention maps.

Needs the playwright package and a Chromium: $MT_CHROMIUM, or one on the PATH.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from helpers.browsers import NEEDS_BROWSER, launch_browser
from helpers.report_attention import REFERENCES
from helpers.report_results import results
from mt.comparison.report.contents import charts
from mt.comparison.report.write import write_report

pytestmark = NEEDS_BROWSER


@pytest.fixture(scope="module")
def browser() -> Iterator:
    yield from launch_browser()


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_report(results(), tmp_path_factory.mktemp("report"))[0]


@pytest.fixture
def open_report(browser, report: Path) -> Iterator:
    """Open pages; fail the test if one logs, raises an error, opens a dialog or loads a file."""
    events: list[str] = []
    pages = []

    def open_page(width: int = 1280, scheme: str = "light", path: Path = report, **settings):
        page = browser.new_page(
            viewport={"width": width, "height": 900}, color_scheme=scheme, **settings
        )
        page.on("console", lambda message: events.append(message.text))
        page.on("pageerror", lambda error: events.append(str(error)))
        page.on("dialog", lambda dialog: (events.append(dialog.message), dialog.dismiss()))
        page.on(
            "request",
            lambda request: (
                events.append(request.url) if request.url not in (path.as_uri(), "data:,") else None
            ),
        )
        page.goto(path.as_uri())
        pages.append(page)
        return page

    yield open_page
    for page in pages:
        page.close()
    assert events == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [380, 768, 1280, 1920])
def test_the_page_does_not_scroll_sideways_at_any_width(
    open_report, width: int, scheme: str
) -> None:
    page = open_report(width, scheme)
    for details in page.locator("details").all():
        details.evaluate("element => { element.open = true; }")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    shown = page.locator("svg.chart:visible")
    hidden = 2 + 2  # of the three curves and of the three plots of costs one is shown at a time
    assert shown.count() == len(charts(results())) - hidden
    for chart in shown.all():
        box = chart.bounding_box()
        assert 250 < box["width"] <= width and box["height"] > 150
        assert chart.locator(".line").count() >= 3
    assert page.locator("h1").inner_text() == "Which attention?"
    ink, paper = page.evaluate(
        "[getComputedStyle(document.body).color, getComputedStyle(document.body).backgroundColor]"
    )
    dark = [sum(map(int, colour[4:-1].split(","))) < 380 for colour in (ink, paper)]
    assert dark == [scheme == "light", scheme == "dark"]


@pytest.mark.parametrize("width", [380, 1280])
def test_text_in_charts_is_legible(open_report, width: int) -> None:
    page = open_report(width)
    for chart in page.locator("svg.chart:visible").all():
        heights = chart.evaluate(
            "e => [...e.querySelectorAll('text')].map(t => t.getBoundingClientRect().height)"
        )
        assert min(heights) >= 9


def test_what_is_cut_off_on_a_phone_shows_that_it_scrolls(open_report) -> None:
    page = open_report(380)
    cut = "e => e.scrollWidth > e.clientWidth"
    assert not page.locator(".contents").evaluate(cut)
    tables = [table for table in page.locator(".scroll:visible").all() if table.evaluate(cut)]
    assert len(tables) > 3
    for table in tables:
        style = "e => getComputedStyle(e).backgroundAttachment"
        assert table.evaluate(style) == "local, local, scroll, scroll"


def test_the_first_screen_has_the_answer_the_groups_and_a_picture(open_report) -> None:
    page = open_report(1280)
    for place in (".conclusions p", ".first table", "#bleu-by-length svg.wide"):
        box = page.locator(place).first.bounding_box()
        assert box["y"] + box["height"] < 800


def test_points_of_a_chart_have_tooltips_by_mouse_and_keyboard(open_report) -> None:
    page = open_report()
    chart = page.locator("#bleu-by-length svg.chart.wide")
    chart.scroll_into_view_if_needed()
    tip = page.locator("#bleu-by-length .tip")
    assert tip.first.is_hidden()
    x, y, text = json.loads(chart.locator(".line").nth(2).get_attribute("data-points"))[1]
    box, scale = (
        chart.bounding_box(),
        chart.evaluate("e => e.clientWidth / e.viewBox.baseVal.width"),
    )
    page.mouse.move(box["x"] + x * scale + 2, box["y"] + y * scale - 2)
    assert (
        text == "luong, 11-20: 30.0 BLEU (27.5 - 32.5), 320 sentences"
        and tip.first.inner_text() == text
    )
    page.mouse.move(5, 5)
    assert tip.first.is_hidden()
    chart.focus()
    for key in ("ArrowRight", "ArrowRight", "ArrowDown"):
        page.keyboard.press(key)
    assert tip.first.inner_text().startswith("bahdanau, 11-20: ")


def test_curves_are_shown_over_one_unit_at_a_time(open_report) -> None:
    page = open_report()
    assert (
        page.locator("#bleu-by-minutes").is_visible()
        and page.locator("#bleu-by-target-tokens").is_hidden()
    )
    page.locator("label[for=curve-1]").click()
    assert (
        page.locator("#bleu-by-minutes").is_hidden()
        and page.locator("#bleu-by-target-tokens").is_visible()
    )
    assert (
        page.locator("#bleu-by-target-tokens svg.wide .line").count() == 12
    )  # a line for each run
    page.locator("label[for=curve-2]").click()
    assert page.locator("#bleu-by-steps").is_visible()
    assert page.locator("#bleu-by-target-tokens").is_hidden()
    assert page.locator("#bleu-by-flops-of-systems").is_visible()  # another choice


def test_hovering_a_word_shows_its_attention(open_report) -> None:
    page = open_report()
    pane = page.locator(".pane:visible").last
    assert pane.locator("h4").inner_text() == "transformer"
    word = pane.locator(".queries .word").first
    word.hover()
    assert pane.locator(".readout").inner_text().startswith("Die attends to The: 0.90")
    shades = pane.locator(".keys .word").evaluate_all(
        "words => words.map(w => Number(getComputedStyle(w).getPropertyValue('--strength')))"
    )
    assert shades[0] == pytest.approx(0.9**0.5, abs=0.002) and max(shades[1:]) < 0.2
    pane.locator(".queries .word").nth(2).hover()
    weights = results().sentences[0].attention["transformer"].weights["cross"]
    heads, rows, columns = weights.shape[1:]
    row = [
        sum(weights.percent[(head * rows + 2) * columns + column] for head in range(heads))
        / heads
        / 100
        for column in range(columns)
    ]
    shades = pane.locator(".keys .word").evaluate_all(
        "words => words.map(w => Number(getComputedStyle(w).getPropertyValue('--strength')))"
    )
    assert shades == pytest.approx([weight**0.5 for weight in row], abs=0.002)
    pane.get_by_label("Layer").select_option(label="2")
    pane.get_by_label("Head").select_option(label="2")
    pane.locator("tbody td").nth(1).hover()
    assert pane.locator(".readout").inner_text().startswith("Die attends to cat: 0.01")
    expected = weights.percent[((1 * heads + 1) * rows + 1) * columns + 1] / 100
    pane.locator("tbody tr").nth(1).locator("td").nth(1).click()
    assert f": {expected:.2f}" in pane.locator(".readout").inner_text()


def test_two_systems_step_through_sentences_together(open_report) -> None:
    page = open_report()
    panes = page.locator(".pane:visible")
    assert panes.locator("h4").all_inner_texts() == ["bahdanau", "transformer"]
    panes.first.get_by_role("button", name="Next sentence").click()
    assert [pane.locator(".keys .word").all_inner_texts()[:2] for pane in panes.all()] == [
        ["We", "bought"]
    ] * 2
    page.locator("select.left").select_option("1")
    assert sorted(panes.locator("h4").all_inner_texts()) == ["luong", "transformer"]
    assert [pane.locator(".keys .word").all_inner_texts()[:2] for pane in panes.all()] == [
        ["We", "bought"]
    ] * 2


def test_sentences_are_sorted_and_searched(open_report) -> None:
    page = open_report()
    cards = page.locator(".card:visible")

    def values(name: str) -> list[float]:
        return cards.evaluate_all(f"cards => cards.map(card => Number(card.dataset.{name}))")

    assert values("spread") == sorted(values("spread"), reverse=True) and cards.count() == 8
    page.get_by_role("button", name="Show more").click()
    assert cards.count() == 9 and page.locator(".more").is_hidden()
    page.locator(".order").select_option("score0")
    assert values("score0") == sorted(values("score0")) and values("score0")[0] == 20
    page.locator(".direction").select_option("-1")
    assert values("score0") == sorted(values("score0"), reverse=True)
    page.locator(".order").select_option("length")
    assert values("length") == sorted(values("length"), reverse=True)
    page.locator(".find").fill("BREAD")
    assert page.locator(".count").inner_text() == "3 of 9" and cards.count() == 3
    assert cards.first.locator("mark").first.inner_text() == "Wort"
    assert cards.first.locator(".text").nth(1).inner_text() == REFERENCES[1]


def test_the_page_is_readable_without_scripts(open_report) -> None:
    page = open_report(java_script_enabled=False)
    assert (
        page.locator(".card:visible").count() == 9 and page.locator(".tools:visible").count() <= 1
    )
    assert page.locator("svg.chart:visible").count() >= 5


def test_print_is_light_on_a_dark_screen(open_report) -> None:
    page = open_report(720, "dark")
    page.emulate_media(media="print")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert (
        page.locator(".contents").is_hidden()
        and page.locator("#bleu-by-target-tokens").is_visible()
    )


def test_every_section_is_reached_by_the_keyboard(open_report) -> None:
    page = open_report()
    reached = set()
    for _ in range(120):
        page.keyboard.press("Tab")
        section = page.evaluate("document.activeElement.closest('section[id]')?.id")
        reached.add(section)
    assert {"scores", "differences", "length", "training", "attention", "sentences"} <= reached
