"""Normalisation and the cleaning steps, against cases worked out by hand."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mt.config.schema import CleanConfig
from mt.data.cleaning import Cleaner, is_blank, normalise
from mt.data.scripts import count_units, is_unspaced

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


@pytest.mark.parametrize(
    ("text", "units", "unspaced"),
    [
        ("Two words", 2, False),
        ("", 0, False),
        ("\u00fcber die Br\u00fccke", 3, False),
        ("\u79c1\u306f\u5b66\u751f\u3067\u3059\u3002", 6, True),  # the full stop does not count
        # Two characters and two words; most of it is Latin.
        ("\u4f60\u597d\uff0cworld 2", 4, False),
        ("\u0e2a\u0e27\u0e31\u0e2a\u0e14\u0e35", 6, True),  # Thai
        ("\u1019\u103c\u1014\u103a\u1019\u102c", 6, True),  # Burmese
        ("\ud55c\uad6d\uc5b4 \ubb38\uc7a5", 2, False),  # Korean has spaces
        ("\u041f\u0440\u0438\u0432\u0435\u0442, \u043c\u0438\u0440!", 2, False),
    ],
)
def test_text_without_spaces_is_counted_in_characters(
    text: str, units: int, unspaced: bool
) -> None:
    assert count_units(text) == units
    assert is_unspaced(text) is unspaced


def test_each_step_counts_what_it_drops() -> None:
    held_out = [("held out source", "x"), ("y", "Geheim\u0301")]
    pairs = [
        ("a plain pair", "ein Paar"),
        ("  a plain pair\x00", "ein Paar"),  # normalised, then a duplicate
        ("a plain pair", "ein anderes Paar"),  # same source only: kept
        ("", "leer"),
        ("blank", " \t "),  # normalised and empty
        ("w " * 6 + "w", "sieben"),  # one word over the limit
        ("c" * 41, "d" * 30),  # one character over the limit
        ("\u4e00" * 7, "seven characters"),
        ("held out source", "neu"),
        ("new", "Gehei\u1e3f"),  # the target of a held-out pair, composed
    ]
    cleaner = Cleaner(CleanConfig(max_words=6, max_chars=40), held_out)
    kept = list(cleaner(pairs))
    assert kept == [("a plain pair", "ein Paar"), ("a plain pair", "ein anderes Paar")]
    assert cleaner.counts == {
        "read": 10,
        "kept": 2,
        "normalised": 2,
        "empty": 2,
        "too short": 0,
        "too long": 3,
        "ratio": 0,
        "overlap": 2,
        "duplicate": 1,
    }
    assert list(cleaner([("a plain pair", "ein Paar")])) == []  # also across corpora
    assert cleaner.counts["duplicate"] == 2
    report = "\n".join(cleaner.report())
    assert "pairs read: 11; kept: 2 (18.2 %)" in report and "in validation or test: 2" in report


def test_pairs_with_a_side_of_too_few_words_are_dropped() -> None:
    pairs = [("one two", "eins zwei drei"), ("one two three", "eins"), ("\u4e00" * 3, "ein zwei")]
    cleaner = Cleaner(CleanConfig(min_words=2), [])
    assert list(cleaner(pairs)) == [pairs[0], pairs[2]] and cleaner.counts["too short"] == 1
    assert any("shorter than 2 words: 1" in line for line in cleaner.report())


def test_ratio_is_in_bytes_and_spares_short_pairs() -> None:
    pairs = [
        ("x" * 51, "y" * 12),
        ("x" * 48, "y" * 12),
        ("x" * 50, "y"),
        ("\u00e4" * 26, "y" * 12),
        ("x" * 26, "y" * 6),
    ]
    cleaner = Cleaner(CleanConfig(max_ratio=4.0), [])
    assert [pairs.index(pair) for pair in cleaner(pairs)] == [1, 2, 4]
    assert cleaner.counts["ratio"] == 2


def test_steps_can_be_switched_off() -> None:
    config = CleanConfig(
        unicode="none",
        max_words=0,
        max_chars=0,
        max_ratio=0.0,
        deduplicate=False,
        drop_overlap=False,
    )
    pairs = [("e\u0301", "x " * 5000), ("e\u0301", "x " * 5000)]
    cleaner = Cleaner(config, pairs)
    assert [source for source, _ in cleaner(pairs)] == ["e\u0301", "e\u0301"]
    assert sum("off" in line for line in cleaner.report()) == 5


def test_text_is_blank_if_nothing_in_it_is_visible() -> None:
    assert all(
        map(is_blank, ["", " \t\n", "\u200b", "\u3164\u00a0", "\u2800", "\ufe0f", "\x00\x07"])
    )
    visible = ["a", ".", "\u200b-", "\u0301", "\U0001f469", "\ud800", "\ufffd", "\u0600", "\ue000"]
    assert not any(map(is_blank, visible))
    cleaner = Cleaner(CleanConfig(), [])
    assert list(cleaner([("\u200b", "a"), ("b", "\u3164"), ("c", "d")])) == [("c", "d")]
    assert cleaner.counts["empty"] == 2


def test_the_report_shows_what_was_dropped_and_warns_of_a_step_that_drops_much() -> None:
    long = "word " * 30
    pairs = [(f"source {i}", f"target {i}") for i in range(30)]
    pairs += [(f"{i} {long}", f"short {i}") for i in range(5)] + [("", "an empty one")]
    cleaner = Cleaner(CleanConfig(), [])
    assert len(list(cleaner(pairs))) == 30
    report = cleaner.report()
    at = next(i for i, line in enumerate(report) if "4 times as long as the other: 5" in line)
    shown = f"  0 {long}"[:69] + "... ||| short 0"
    assert report[at + 1] == shown and report[at + 3].endswith("||| short 2")
    (warning,) = [line for line in report if line.startswith("warning")]
    assert warning == report[at + 4]
    assert "14% of the pairs" in warning and warning.endswith("check data.clean.max_ratio")
    assert "   ||| an empty one" in report
