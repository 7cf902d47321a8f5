"""The page in a real browser."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from typing import Any

import pytest

from helpers.browsers import NEEDS_BROWSER, expect, write
from helpers.servers import Client, serving
from mt.decoding.splitting import join_parts
from mt.serving.app import create_app
from mt.serving.models import Models
from mt.serving.service import Settings

pytestmark = NEEDS_BROWSER
TEXT = "the cat sees the dog .\n\na house is not red . the tree is green ."


def shades(page: Any) -> list[float]:
    return page.locator("#mirror mark").evaluate_all(
        "marks => marks.map(mark => Number(mark.style.getPropertyValue('--strength')))"
    )


def test_a_text_is_translated_while_one_types(open_page: Callable, page_server: Client) -> None:
    page = open_page()
    write(page, TEXT)
    expected = page_server.translate(TEXT).json["translatedText"]
    assert page.locator("#output").evaluate("e => e.textContent") == expected
    assert page.locator("#count").inner_text() == f"{len(TEXT)} / 500"
    page.get_by_role("button", name="Copy").click()
    expect(page.locator("#copy")).to_have_text("Copied")
    assert page.evaluate("() => navigator.clipboard.readText()") == expected
    page.locator("#text").press("Escape")
    assert page.locator("#text").input_value() == page.locator("#output").inner_text() == ""


def test_pointing_at_a_word_shows_where_the_model_looked(
    open_page: Callable, page_server: Client
) -> None:
    page = open_page()
    write(page, TEXT)
    parts = page_server.translate(TEXT, attention=True).json["parts"]
    part = parts[2]  # the first sentence of the third line
    before = sum(len(each["attention"]["target"]) for each in parts[:2] if each["attention"])
    page.locator("#output .word").nth(before).hover()
    row = part["attention"]["weights"][0]
    assert shades(page) == pytest.approx([weight / max(row) for weight in row], abs=1e-5)
    mirror, text = page.locator("#mirror").bounding_box(), page.locator("#text").bounding_box()
    assert mirror == text
    assert page.locator("#mirror").evaluate("e => e.textContent") == TEXT
    marks = page.locator("#mirror mark").all_inner_texts()
    assert marks == part["source"].split(" ")
    best = max(range(len(row)), key=row.__getitem__)
    readout = page.locator("#readout").inner_text()
    assert f"looks at {part['source'].split(' ')[best]} {100 * row[best]:.0f}\u00a0%" in readout
    page.locator("h1").hover()
    assert page.locator("#mirror mark").count() == 0


def test_words_with_a_probability_below_one_half_are_underlined(
    open_page: Callable, page_server: Client
) -> None:
    page = open_page()
    write(page, TEXT)
    parts = page_server.translate(TEXT, scores=True).json["parts"]
    words = [word for part in parts for word in part["words"]]
    unsure = [word["text"] for word in words if word["logProb"] < math.log(0.5)]
    assert 0 < len(unsure) < len(words)
    assert page.locator("#output .unsure").all_inner_texts() == unsure
    line = "e => getComputedStyle(e).textDecorationLine"
    assert page.locator("#output .unsure").first.evaluate(line) == "underline"
    assert page.locator("#hint-unsure").is_visible()


def test_words_are_reached_by_the_keyboard(open_page: Callable) -> None:
    page = open_page()
    write(page, TEXT)
    page.locator("#output").focus()
    page.keyboard.press("ArrowRight")
    first = page.locator("#output .word.selected").inner_text()
    assert first == page.locator("#output .word").first.inner_text() and len(shades(page)) == 6
    page.keyboard.press("ArrowLeft")
    assert page.locator("#output .word.selected").inner_text() == first
    page.keyboard.press("ArrowRight")
    assert page.locator("#output .word").nth(1).get_attribute("class").endswith(" selected")


def test_another_translation_takes_the_place_of_its_sentence(
    open_page: Callable, page_server: Client
) -> None:
    page = open_page()
    write(page, TEXT)
    parts = page_server.translate(TEXT, scores=True, alternatives=3).json["parts"]
    assert page.locator("#choices").is_hidden()  # until a sentence is chosen
    page.locator("#output .part").nth(3).locator(".word").first.hover()
    choices = page.locator("#alternatives button")
    assert choices.all_inner_texts() == parts[3]["alternatives"]
    choices.nth(1).click()
    changed = [part["text"] for part in parts[:3]] + [parts[3]["alternatives"][1]]
    lines = [changed[0], "", f"{changed[2]} {changed[3]}"]
    assert page.locator("#output").evaluate("e => e.textContent") == "\n".join(lines)
    assert choices.first.inner_text() == parts[3]["text"]  # the way back


def test_swapping_translates_back(open_page: Callable, page_server: Client) -> None:
    page = open_page()
    write(page, "the cat .")
    there = page.locator("#output").inner_text()
    page.keyboard.press("Alt+s")
    expect(page.locator("#text")).to_have_value(there)
    assert [page.locator(f"#{side}").input_value() for side in ("source", "target")] == ["de", "en"]
    expect(page.locator("#status")).to_have_text(re.compile(r"\d s$"), timeout=30_000)
    back = page_server.translate(there, source="de", target="en").json["translatedText"]
    assert page.locator("#output").inner_text() == back
    page.locator("#source").select_option("ar")
    assert page.locator("#target option").all_inner_texts() == ["German"]
    expect(page.locator("#swap")).to_be_disabled()  # there is no German to Arabic


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 380, 1280])
def test_the_page_fits_any_width(open_page: Callable, width: int, scheme: str) -> None:
    page = open_page(width, scheme)
    write(page, TEXT + "\n" + "x" * 300)
    page.locator("#output .word").first.hover()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    text = page.locator("#text")
    assert text.evaluate("e => e.scrollHeight <= e.clientHeight")  # all of it is visible
    boxes = [page.locator(".pane").nth(side).bounding_box() for side in (0, 1)]
    assert (boxes[0]["y"] == boxes[1]["y"]) == (width > 760)
    colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, colour[4:-1].split(","))) < 380) == (scheme == "dark")
    page.goto(page.url + "docs")
    expect(page.locator("#objects section").first).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_a_text_from_right_to_left_begins_at_the_right(open_page: Callable) -> None:
    page = open_page()
    page.locator("#source").select_option("ar")
    write(page, "القطة ترى الكلب")
    for place in ("#text", "#mirror"):
        page.locator("#output .word").first.hover()
        direction = "e => getComputedStyle(e).direction"
        assert page.locator(place).evaluate(direction) == "rtl"
    assert page.locator("#mirror mark").count() == 3


def test_a_text_that_is_too_long_is_not_sent(open_page: Callable) -> None:
    page = open_page()
    page.locator("#text").fill("a" * 501)
    expect(page.locator("#message")).to_have_text("The text is too long.")
    assert page.locator("#count").get_attribute("class") == "over"
    page.locator("#text").fill("a dog")
    expect(page.locator("#message")).to_be_hidden()


def test_a_server_that_stops_answering_gives_a_message(open_page: Callable) -> None:
    page = open_page(clock=True)
    page.route("**/translate", lambda route: None)  # no answer, for ever
    page.locator("#text").fill("a dog")
    page.clock.run_for(1000)
    expect(page.locator("#status")).to_have_text("Translating …")
    page.clock.run_for(20_000)
    expect(page.locator("#message")).to_have_text("The server does not answer.")


def test_errors_of_the_server_are_shown(open_page: Callable) -> None:
    page = open_page()
    events = 'event: error\ndata: {"error": "not translated within 60 s"}\n\n'
    page.route("**/translate", lambda route: route.fulfill(body=events))
    page.locator("#text").fill("a dog")
    expect(page.locator("#message")).to_have_text("not translated within 60 s")
    page.unroute("**/translate")
    page.route("**/translate", lambda route: route.fulfill(body="event: part\n"))
    page.locator("#text").fill("a cat")
    expect(page.locator("#message")).to_have_text("The server has broken off its answer.")
    page.unroute("**/translate")
    write(page, "a dog")
    expect(page.locator("#message")).to_be_hidden()


def test_markup_in_texts_stays_text(open_page: Callable) -> None:
    page = open_page()
    part = (
        'event: part\ndata: {"line": 0, "source": "<b>a</b>", "text": "<img src=x>", '
        '"alternatives": ["<b>x</b>"]}\n\nevent: done\ndata: {"translatedText": ""}\n\n'
    )
    page.route("**/translate", lambda route: route.fulfill(body=part))
    page.locator("#text").fill("<b>a</b>")
    expect(page.locator("#output")).to_have_text("<img src=x>")
    assert page.locator("#alternatives button").inner_text() == "<b>x</b>"


def test_the_parts_of_a_line_are_joined_as_the_server_joins_them(open_page: Callable) -> None:
    page = open_page()
    lines = [
        ["我喜欢Python。", "", "Python很好。", "“是的”，他说。"],
        ["", "A sentence about 北京.", "Another 京", "one."],
        ["𠀀𠀁", "𠀂𠀃"],
    ]
    parts = [
        {"line": number, "source": "x", "text": part}
        for number, line in enumerate(lines)
        for part in line
    ]
    events = [f"event: part\ndata: {json.dumps(part)}\n\n" for part in parts]
    body = "".join([*events, 'event: done\ndata: {"translatedText": ""}\n\n'])
    page.route("**/translate", lambda route: route.fulfill(body=body))
    write(page, "x")
    expected = "\n".join(map(join_parts, lines))
    assert page.locator("#output").evaluate("e => e.textContent") == expected


def test_a_browser_that_stores_nothing_translates(browser: Any, page_server: Client) -> None:
    page = browser.new_page()
    page.add_init_script(
        "for (const area of ['localStorage', 'sessionStorage']) Object.defineProperty("
        "window, area, { get() { throw new DOMException('denied', 'SecurityError'); } });"
    )
    page.goto(page_server.url)
    write(page, "a dog")
    expected = page_server.translate("a dog").json["translatedText"]
    assert page.locator("#output").inner_text() == expected
    page.close()


def test_a_language_that_is_detected_has_what_all_models_can_do(
    browser: Any, make_models: Callable[..., Models]
) -> None:
    pytest.importorskip("py3langid", reason="pip install py3langid")
    from mt.data.detection import Detector

    models = make_models("en-de", "fr-de")
    with serving(create_app(models, Settings(), Detector())) as client:
        page = browser.new_page()
        page.goto(client.url)
        page.locator("#source").select_option("auto")
        write(page, "a dog")
        answer = client.translate("a dog", attention=True, alternatives=3).json
        words = answer["parts"][0]["attention"]["target"]
        assert page.locator("#output .word").all_inner_texts() == words
        assert page.locator("#hint-attention").is_visible()
        others = page.locator("#alternatives button").all_inner_texts()
        assert others == answer["parts"][0]["alternatives"]
        page.close()


def test_a_key_is_asked_for_if_there_are_keys(
    browser: Any, make_models: Callable[..., Models]
) -> None:
    with serving(create_app(make_models(), Settings(keys=frozenset({"secret"})))) as client:
        page = browser.new_page()
        page.goto(client.url)
        page.locator("#text").fill("a dog")
        expect(page.locator("#message")).to_have_text("an API key is needed: api_key")
        page.get_by_label("API key").fill("secret")
        page.get_by_label("API key").press("Tab")
        expect(page.locator("#status")).to_have_text(re.compile(r"\d s$"), timeout=30_000)
        page.close()
