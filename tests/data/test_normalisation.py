"""Normalisation of text, against cases worked out by hand."""

from __future__ import annotations

import html
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mt.data.normalisation import Normaliser, is_blank, normalise, unescape

# All code points, surrogates included; difficult ones are more likely.
ANY_TEXT = st.text(
    st.one_of(
        st.characters(),
        st.sampled_from("e\u0301\u00ad\ufeff\x00\x85\u2028\ud83d\ude00\u00a8\u3000\t\r\n ﬁ"),
    )
)


@pytest.mark.parametrize("form", ["NFC", "NFKC", "none"])
@given(text=ANY_TEXT)
def test_normalise_is_total_idempotent_and_gives_one_clean_line(form: str, text: str) -> None:
    once = normalise(text, form)
    assert normalise(once, form) == once
    assert once == once.strip()
    assert "\x00" not in once and len(once.splitlines()) <= 1
    assert not any(unicodedata.category(character) in ("Cc", "Cs") for character in once)
    once.encode("utf-8")
    if form != "none":
        assert unicodedata.is_normalized(form, once)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("\ufeffa\tb\x85c\u2028d\u2029e\r\n", "a b c d e"),
        ("nul\x00led soft\u00adhyphen", "nulled softhyphen"),
        ("bell\x07 and \x92", "bell  and"),
        ("e\u0301 \u00a0", "\u00e9"),
        ("two  spaces stay", "two  spaces stay"),
        # A pair of surrogates is one character; a lone surrogate is replaced.
        ("\ud83d\ude00 \ud83d", "\U0001f600 \ufffd"),
        # A joiner in Persian, and a direction mark.
        (
            "\u0645\u06cc\u200c\u0634\u0648\u062f \u200f",
            "\u0645\u06cc\u200c\u0634\u0648\u062f \u200f",
        ),
        ("\U0001f469\u200d\U0001f680", "\U0001f469\u200d\U0001f680"),  # a joined emoji
        # Removal comes before composition.
        ("e\u00ad\u0301", "\u00e9"),
        ("ﬁ", "ﬁ"),
    ],
)
def test_normalise_gives_the_expected_text(raw: str, expected: str) -> None:
    assert normalise(raw, "NFC") == expected


def test_the_unicode_form_is_a_choice() -> None:
    assert normalise("ﬁ ①", "NFKC") == "fi 1"
    assert normalise("e\u0301", "none") == "e\u0301"


def test_text_is_blank_if_nothing_in_it_is_visible() -> None:
    assert all(
        map(is_blank, ["", " \t\n", "\u200b", "\u3164\u00a0", "\u2800", "\ufe0f", "\x00\x07"])
    )
    visible = ["a", ".", "\u200b-", "\u0301", "\U0001f469", "\ud800", "\ufffd", "\u0600", "\ue000"]
    assert not any(map(is_blank, visible))


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("&quot;So&quot; &amp; co", '"So" & co'),
        ("it &apos;s &#124; &#91; x &#93;", "it 's | [ x ]"),
        ("&amp;quot;twice&amp;quot; &amp;amp;lt; &#38;gt;", '"twice" < >'),
        ("caf&eacute; &#xE9;&#233; &#X1F600;", "caf\u00e9 \u00e9\u00e9 \U0001f600"),
        ("soft&shy;hyphen, line&#10;break&nbsp;&#0;", "softhyphen, line break"),
        ("&#146;s &#xD800; &#9999999;", "\u2019s \ufffd \ufffd"),  # Windows-1252; no character
        ("e&#769;", "\u00e9"),  # composed afterwards
        ("high @-@ level, 1 @,@ 000 and 1 @/@ 2", "high-level, 1,000 and 1/2"),
        ("\u043a\u0442\u043e @-@ \u0442\u043e", "\u043a\u0442\u043e-\u0442\u043e"),
        ("&lt;b&gt; &amp;amp; x", "<b> & x"),
        # These are not escapes.
        ("AT&T, R&D; &copy 3 &nosuch; &;", "AT&T, R&D; &copy 3 &nosuch; &;"),
        ("a@b.de @-@ and ( @-@ ) @-@", "a@b.de-and ( @-@ ) @-@"),
        ("<code>&amp;</code> & co", "<code>&amp;</code> & co"),  # mark-up keeps its entities
        ("&am\u00adp;", "&"),
    ],
)
def test_escapes_are_undone(raw: str, expected: str) -> None:
    normaliser = Normaliser(unescapes=True)
    assert normaliser(raw) == expected and normaliser(expected) == expected
    assert Normaliser()(raw) == normalise(raw)  # only on request


ESCAPED = st.lists(
    st.sampled_from("& ; amp amp; lt; &#38; &#x26 #38; ! @ @-@ a < \u00ad \uff06 \uff1b".split(" "))
    | st.sampled_from(" 0")
    | st.characters()
).map("".join)


@pytest.mark.parametrize("form", ["NFC", "NFKC", "none"])
@given(text=ESCAPED)
def test_undoing_escapes_is_total_and_idempotent(form: str, text: str) -> None:
    normaliser = Normaliser(form, unescapes=True)
    once = normaliser(text)
    assert normaliser(once) == once and normalise(once, form) == once
    assert unescape(unescape(text)) == unescape(text)


@given(text=st.text())
def test_what_html_escapes_is_restored(text: str) -> None:
    normaliser = Normaliser(unescapes=True)
    plain = normaliser(text.replace("<", ""))
    assert normaliser(html.escape(html.escape(plain))) == plain
