"""The choice of languages and tags on the page, in a real browser."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from helpers.browsers import NEEDS_BROWSER, expect
from helpers.servers import Client

pytestmark = NEEDS_BROWSER


def pretend(page: Any, page_server: Client, languages: dict[str, str], **facts: Any) -> list[Any]:
    """Let the server seem to have one model of these languages; return the texts it is sent.

    `facts` are those that /models tells of it.
    """
    sent: list[Any] = []
    every = [
        {"code": code, "name": name, "targets": [each for each in languages if each != code]}
        for code, name in languages.items()
    ]
    model = {**page_server.ask("/models").json[0], **facts}
    model |= {"sources": list(languages), "targets": list(languages)}

    def answer(route: Any) -> None:
        sent.append(route.request.post_data_json)
        route.fulfill(body='event: done\ndata: {"translatedText": ""}\n\n')

    page.route("**/languages", lambda route: route.fulfill(json=every))
    page.route("**/models", lambda route: route.fulfill(json=[model]))
    page.route("**/translate", answer)
    page.reload(wait_until="networkidle")  # the lists have been asked for
    return sent


MANY = {
    "en": "English",
    "de": "German",
    "ha": "Hausa",
    "yo": "Yorùbá",
    "zho_Hant": "Chinese (Hant)",
} | {f"q{letter}": f"Language {letter}" for letter in "abcdefghijklmnopqrstuvwxyz"}


@pytest.mark.parametrize("width", [380, 1280])
def test_a_language_is_searched_if_there_are_many(
    open_page: Callable, page_server: Client, width: int
) -> None:
    page = open_page(width)
    sent = pretend(page, page_server, MANY)
    assert page.locator("#target").is_hidden()
    page.get_by_role("button", name="Target language: German").click()
    shown = page.locator("#languages li button")
    expect(shown).to_have_text(sorted(set(MANY.values()) - {"English"}))
    assert page.locator("#languages li button[aria-current]").inner_text() == "German"
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.keyboard.type("yoru")
    expect(shown).to_have_text(["Yorùbá"])
    page.locator("#languages input").fill("xx")
    assert page.get_by_text("No language has this name.").is_visible()
    page.locator("#languages input").fill("han")
    expect(shown).to_have_text(["Chinese (Hant)"])
    page.keyboard.press("Enter")
    expect(page.locator("#languages")).to_be_hidden()
    page.locator("#text").fill("a dog")
    expect(page.locator("#status")).to_have_text(re.compile(r"\d s$"))
    assert (sent[-1]["source"], sent[-1]["target"]) == ("en", "zho_Hant")
    page.get_by_role("button", name="Swap languages").click()
    expect(page.get_by_role("button", name="Source language: Chinese (Hant)")).to_be_visible()


def test_languages_that_were_chosen_come_first(open_page: Callable, page_server: Client) -> None:
    page = open_page()
    pretend(page, page_server, MANY)
    for name in ("Hausa", "Language b"):
        page.get_by_role("button", name="Target language").click()
        page.get_by_role("button", name=name, exact=True).click()
    page.reload(wait_until="networkidle")  # the lists have been asked for
    page.get_by_role("button", name="Source language").click()
    shown = page.locator("#languages li button")
    assert shown.all_inner_texts()[:3] == ["Language b", "Hausa", "Chinese (Hant)"]
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Source language: Hausa")).to_be_visible()
    page.get_by_role("button", name="Source language").click()
    page.keyboard.press("Escape")
    expect(page.locator("#languages")).to_be_hidden()


@pytest.mark.parametrize(
    "default, choices", [("", ["none", "<a>", "<b>"]), ("<b>", ["<a>", "<b>"])]
)
def test_a_tag_is_chosen_if_the_model_has_some(
    open_page: Callable, page_server: Client, default: str, choices: list[str]
) -> None:
    page = open_page()
    assert page.get_by_label("Tag").is_hidden()
    languages = {"en": "English", "de": "German"}
    sent = pretend(page, page_server, languages, tags=["<a>", "<b>"], tag=default)
    expect(page.locator("#tag option")).to_have_text(choices)
    page.locator("#text").fill("a dog")
    expect(page.locator("#status")).to_have_text(re.compile(r"\d s$"))
    page.get_by_label("Tag").select_option("<a>")
    expect(page.locator("#status")).to_have_text(re.compile(r"\d s$"))
    assert [fields["tag"] for fields in sent] == [default, "<a>"]
