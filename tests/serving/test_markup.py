"""HTML: what is translated, and what becomes of tags. The "model" swaps, repeats or keeps words."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mt.data.links import Links
from mt.decoding.outputs import Output, Translation
from mt.serving.markup import MAX_NESTED, MarkupParser, Segment
from mt.serving.markup_transfer import translate_html
from mt.serving.parts import Part, Wanted


def reverse(words: list[str]) -> list[tuple[str, int | None]]:
    """Translate to capitals, in reverse order; each word is aligned to its source."""
    return [(word.upper(), place) for place, word in reversed([*enumerate(words)])]


def keep(words: list[str]) -> list[tuple[str, int | None]]:
    return [(word.upper(), place) for place, word in enumerate(words)]


def unaligned(words: list[str]) -> list[tuple[str, int | None]]:
    return [(word.upper(), None) for word in words]


class FakeRoute:
    """A route with the interface that `translate_html` uses, whose model is a function."""

    def __init__(self, model: Callable, attends: bool = True) -> None:
        self.model, self.attends, self.lines = model, attends, [""]
        self.lines = []

    async def translate(self, lines: list[str], wanted: Wanted) -> Any:
        assert self.attends or not wanted.alignments
        for number, line in enumerate(lines):
            self.lines.append(line)
            found = self.model([word for word in line.split(" ") if word])
            links = Links(frozenset((s, t) for t, (_, s) in enumerate(found) if s is not None))
            text = " ".join(word for word, _ in found)
            outputs = [Output(text, 0, 0, 1, True, links) for _ in range(wanted.nbest)]
            yield Part(number, Translation(line, outputs, []))

    def join_lines(self, parts: list[Part], wanted: Wanted) -> list[list[str]]:
        return [[output.text for output in part.translation.outputs] for part in parts]


def translate(html: str, model: Callable = reverse, attends: bool = True) -> str:
    (ranked,) = asyncio.run(translate_html(FakeRoute(model, attends), [html], Wanted()))  # type: ignore
    return ranked[0]


@pytest.mark.parametrize(
    "html, expected",
    [
        ("a b", "B A"),
        ("<p>a b</p>\n<p class='x'>c d</p>", "<p>B A</p>\n<p class='x'>D C</p>"),
        ("<p>a <b>b</b> c</p>", "<p>C <b>B</b> A</p>"),
        ("<p>a <b>b c</b> d</p>", "<p>D <b>C B</b> A</p>"),
        ("<a href='/x'>a <i>b</i></a> c", "C <a href='/x'><i>B</i> A</a>"),
        ("a<br>b c", "A<br>C B"),
        ("a <img src=x> b", "<img src=x> B A"),
        ("<b>a b</b>", "<b>B A</b>"),
        ("<b>a <p>b c</p></b>", "<b>A</b> <p><b>C B</b></p>"),
        ("<a href=x><div>a b</div></a>", "<a href=x><div>B A</div></a>"),
        ("a &amp; b &lt;c&gt; &euro;", "€ &lt;C&gt; B &amp; A"),
        ("a <code>x &lt; y</code> b", "<code>x &lt; y</code> B A"),
        ("<script>if (a < b) x()</script>a b", "<script>if (a < b) x()</script>B A"),
        ("<div translate=no>a <b>b</b></div> c d", "<div translate=no>a <b>b</b></div> D C"),
        ("<span class='k notranslate'>a b</span> c", "<span class='k notranslate'>a b</span> C"),
        (
            "<!doctype html><!-- c d --><title>a b</title>",
            "<!doctype html><!-- c d --><title>B A</title>",
        ),
        ("a <b></b> b", "<b></b> B A"),
        ("", ""),
        (" \n ", " \n "),
        ("<p></p>", "<p></p>"),
        ("a </b> b", "A </b> B"),
        ("  a b \n", "  B A \n"),
        ("a <b>b", "<b>B</b> A"),
        ("x<b>y</b> z", "Z <b>XY</b>"),  # the whole word gets the tag
        ("a<img> b", "<img> B A"),
        ("<img>a <img> b", "<img> B <img>A"),
    ],
)
def test_tags_go_with_the_words_that_are_aligned(html: str, expected: str) -> None:
    assert translate(html) == expected


def test_a_sentence_with_inline_tags_is_translated_as_a_whole() -> None:
    route = FakeRoute(reverse)
    asyncio.run(translate_html(route, ["<p>a <b>b</b>\n c</p> d<hr> <i>e</i>"], Wanted()))  # type: ignore
    assert route.lines == ["a b c", "d", "e"]


def test_without_attention_the_text_between_two_tags_is_translated_by_itself() -> None:
    html = "<p>a b <b>c d</b> e.</p>"
    assert translate(html, reverse, attends=False) == "<p>B A <b>D C</b> E.</p>"


def test_scripts_without_spaces_are_translated_between_tags() -> None:
    assert translate("<p>我是<b>学生</b>。</p>") == "<p>我是<b>学生</b>。</p>"


def test_no_tag_is_lost_if_its_words_are_not_aligned() -> None:
    assert translate("a b <b>c</b> d", unaligned) == "A B <b>C</b> D"
    assert translate("<i>a</i> b <b>c</b> d", lambda words: [("X", None)]) == "<i><b>X</b></i>"


def test_elements_that_are_nested_too_deeply_stay_where_they_are() -> None:
    deep = 2 * MAX_NESTED
    assert translate("<b>" * deep + "a b" + "</b>" * deep) == "<b>" * deep + "B A" + "</b>" * deep
    items = MarkupParser("<b>x" * deep).items
    runs = [run for item in items if isinstance(item, Segment) for run in item.runs]
    assert max(len(run.tags) for run in runs) == MAX_NESTED


def test_alternatives_have_tags_too() -> None:
    route = FakeRoute(reverse)
    (ranked,) = asyncio.run(translate_html(route, ["a <b>b</b>"], Wanted(2)))  # type: ignore[arg-type]
    assert ranked == ["<b>B</b> A"] * 3


class Reader(HTMLParser):
    """Collects tags and text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.text = ""
        self.depth = 0
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.text += data


FRAGMENTS = st.lists(
    st.sampled_from(
        ["a", " ", "b c", "<b>", "</b>", "<i>", "</i>", "<p>", "</p>", "<br>", "<img>", "&amp;"]
        + ["<code>x</code>", "<!-- n -->", "<a href=y>", "</a>", "\n", "<", "<div translate=no>"]
    ),
    max_size=14,
).map("".join)


@settings(max_examples=200)
@given(FRAGMENTS, st.sampled_from([keep, reverse, unaligned]), st.booleans())
def test_any_markup_keeps_its_words_and_every_kind_of_tag(
    html: str, model: Callable, attends: bool
) -> None:
    before, after = Reader(html), Reader(translate(html, model, attends))
    assert set(after.tags) == set(before.tags)
    assert after.tags.count("p") == before.tags.count("p")
    assert after.tags.count("br") == before.tags.count("br")
    assert after.tags.count("img") == before.tags.count("img")
    assert sorted("".join(after.text.upper().split())) == sorted(
        "".join(before.text.upper().split())
    )


@pytest.mark.parametrize(
    "part, end, model",
    [
        ("<a ", "", reverse), ("<a b='", "", reverse), ("<!--", "", reverse), ("</a", "", reverse),
        ("<a ", ">", reverse), ("<!-- >", "", reverse), ("<![", ">", reverse),
        ("<img>a ", "", reverse), ("<b>a</b> b ", "", unaligned), ("&#", "1" * 5000, reverse),
    ],
)  # fmt: skip
def test_hostile_markup_takes_linear_time(part: str, end: str, model: Callable) -> None:
    html = part * (80_000 // len(part)) + end
    start = time.process_time()
    translate(html, model)
    assert time.process_time() - start < 4  # quadratic time: more than 5


@pytest.mark.parametrize(
    "html, expected",
    [
        ("a <b>b</b> < c &amp; <d", "&lt;D &amp; C &lt; <b>B</b> A"),
        ("<script>a > b && c < d", "<script>a > b && c < d"),
        ("<![if x]>a b<![endif]>", "<![if x]>B A<![endif]>"),
        ("a<![CDATA[b > c]]>d", "A<![CDATA[b > c]]>D"),
        (
            "<svg><![CDATA[b]]><!doctype x><?y></svg>a b",
            "<svg><![CDATA[b]]><!doctype x><?y></svg>B A",
        ),
        ("a &#123456789; b", "B &amp;#123456789; A"),
    ],
)
def test_damaged_and_rare_markup_is_kept(html: str, expected: str) -> None:
    assert translate(html) == expected
