"""Copies, numbers, names and differences: by hand, against sacreBLEU, and for any text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sacrebleu.metrics import CHRF

from mt.comparison.measures.copying import find_names, names_kept, numbers_kept, untranslated_words
from mt.comparison.measures.numerals import find_numbers
from mt.comparison.measures.sentence_differences import diff_words, most_different, sentence_chrf
from mt.data.word_counts import normalise_typography
from mt.errors import MTError


@given(st.text())
def test_any_text_has_numbers_and_names(text: str) -> None:
    assert all(number.isascii() and float(number) >= 0 for number in find_numbers(text))
    assert all(name in normalise_typography(text) for name in find_names(text))


def test_lists_of_unequal_length_are_refused() -> None:
    for three in (untranslated_words, numbers_kept, names_kept):
        with pytest.raises(MTError, match="sources has 2 lines but"):
            three(["a", "b"], ["a"], ["a"])


def test_untranslated_words_equal_those_by_hand() -> None:
    sources = ["the old house in Berlin", "the the A 5", "Hi"]
    hypotheses = ["das old Haus in Berlin", "the A 5", ""]
    references = ["das alte Haus zu Berlin", "the Weg", "Hallo"]
    ratio = untranslated_words(sources, hypotheses, references)
    # old and in; of the two "the" the reference has one, so that one more would be a copy; A and 5
    # are no words here.
    assert ratio.counts.tolist() == [2, 0, 0] and ratio.totals.tolist() == [4, 1, 1]
    source, target = {"in": 1000, "old": 100, "the": 5000}, {"in": 900, "old": 2}
    known = untranslated_words(sources, hypotheses, references, source, target)
    assert known.counts.tolist() == [1, 0, 0] and known.totals.tolist() == [3, 1, 1]


@pytest.mark.parametrize(
    "text, numbers",
    [
        ("1,234.5 1.234,5 1\u00a0234,5 1\u202f234.5 1 234,5 1’234.5", ["1234.5"] * 6),
        ("1,000,000 and 1.000.000 and 1 000 000", ["1000000"] * 3),
        ("3.5 3,5 ３.５ ٣٫٥", ["3.5"] * 4),
        ("1.500 = 1,500", ["1500", "1500"]),
        ("0.125, 0,125.", ["0.125", "0.125"]),
        ("12.05.2020 1.2.3 05/06", ["12", "5", "2020", "1", "2", "3", "5", "6"]),
        ("In 2020 500 people; 1, 2, 3.", ["2020", "500", "1", "2", "3"]),
        ("G20 2nd 10:30; 007; 0; 00", ["20", "2", "10", "30", "7", "0", "0"]),
        ("1.2345 12345.678 1,23,456", ["1.2345", "12345.678", "1", "23", "456"]),
        ("one ½ ² 三", []),
    ],
)
def test_numbers_are_found_in_text(text: str, numbers: list[str]) -> None:
    assert find_numbers(text) == numbers


@given(st.integers(0, 10**12), st.integers(0, 99))
def test_a_number_is_the_same_in_english_german_and_french(whole: int, cents: int) -> None:
    english = f"{whole:,}.{cents:02d}"
    german, french = (
        english.translate(str.maketrans({",": by, ".": ","})) for by in (".", "\u202f")
    )
    assert (
        find_numbers(f"({english})")
        == find_numbers(f"{german} €")
        == find_numbers(french)
        == [f"{whole}.{cents:02d}"]
    )


def test_a_loop_of_digits_is_a_number_too() -> None:
    assert find_numbers("1" * 10_000) == ["1" * 10_000]


def test_kept_numbers_equal_those_by_hand() -> None:
    sources, references = (
        ["1,000 men, 5 women, 5 dogs", "3 cats"],
        ["1.000 Männer, fünf Frauen, 5 Hunde", "drei Katzen"],
    )
    hypotheses = ["1000 Männer, 6 Frauen und 7 Hunde", "3 Katzen"]
    kept = numbers_kept(sources, hypotheses, references)
    assert kept.counts.tolist() == [1, 0] and kept.totals.tolist() == [2, 0]


@pytest.mark.parametrize(
    "text, names",
    [
        ("We met Derek K. Miller. Then Anna left.", ["Derek", "Miller", "Anna"]),
        ("Paris is in France. I know.", ["France"]),
        ("He said: Yes. “No,” said Élise’s aunt (In Rome).", ["Élise's", "Rome"]),
        ("他在Google工作", ["Google"]),
        ("The NATO and E.U. – Brussels", ["NATO"]),
        ("", []),
    ],
)
def test_names_are_capitalised_words_inside_a_sentence(text: str, names: list[str]) -> None:
    assert find_names(text) == names


def test_kept_names_equal_those_by_hand() -> None:
    sources = ["We saw Merkel in Munich with Merkel.", "In Rome"]
    references = ["Merkel sahen wir in München mit Merkel.", "Rom"]
    ratio = names_kept(sources, ["Wir sahen Merkl mit Merkel in Munich.", "Rome"], references)
    assert ratio.counts.tolist() == [1, 0] and ratio.totals.tolist() == [2, 0]


def test_a_diff_shows_the_words_that_differ() -> None:
    segments = diff_words(" It’s “good”, he says.", "It's not good, he  said. ")
    assert [(s.equal, s.output, s.reference) for s in segments] == [
        (True, " It’s ", "It's "),
        (False, "“", "not "),
        (True, "good", "good"),
        (False, "”", ""),
        (True, ", he ", ", he  "),
        (False, "says", "said"),
        (True, ".", ". "),
    ]
    assert [s.equal for s in diff_words("我喜欢大猫", "我喜欢小猫")] == [True, False, True]
    assert [s.equal for s in diff_words("Wör\u00adter EU\u2011weit", "Wörter EU-weit")] == [True]
    assert diff_words("", "") == [] and [s.equal for s in diff_words("", "a")] == [False]


TEXTS = (
    st.lists(
        st.sampled_from(
            [
                "a",
                "b",
                "é",
                "e\u0301",
                " ",
                "\u00a0",
                "’",
                "'",
                "-",
                ".",
                "猫",
                "犬",
                "\n",
                "\u00ad",
            ]
        )
    ).map("".join)
    | st.text()
)


@given(TEXTS, TEXTS)
def test_segments_are_the_texts_and_equal_ones_are_equal(hypothesis: str, reference: str) -> None:
    segments = diff_words(hypothesis, reference)
    assert (
        "".join(s.output for s in segments) == hypothesis
        and "".join(s.reference for s in segments) == reference
    )
    for segment in segments:
        if segment.equal:
            assert "".join(normalise_typography(segment.output).split()) == "".join(
                normalise_typography(segment.reference).split()
            )
        assert segment.output or segment.reference
    assert all(a.equal != b.equal for a, b in zip(segments, segments[1:], strict=False))
    assert all(s.equal for s in diff_words(hypothesis, hypothesis))


def test_sentence_scores_are_sacrebleus() -> None:
    hypotheses, references = ["the cat sat", "", "Hund"], ["a cat sat down", "x", "Hund"]
    expected = [
        CHRF().sentence_score(h, [r]).score for h, r in zip(hypotheses, references, strict=True)
    ]
    assert sentence_chrf(hypotheses, references) == pytest.approx(expected)


def test_the_sentences_that_differ_most_come_first_on_either_side() -> None:
    a, b = [10.0, 50.0, 30.0, 20.0, 70.0], [20.0, 10.0, 30.0, 60.0, 30.0]
    assert most_different(a, b, 2) == (
        [1, 4],
        [3, 0],
    )  # 1 and 4 differ alike: the earlier one first
    assert most_different(a, b, 9) == ([1, 4], [3, 0])  # 2 does not differ
    assert most_different(b, a, 1) == ([3], [1]) and most_different(a, a, 3) == ([], [])
    with pytest.raises(MTError, match="5 sentence scores and the other 1"):
        most_different(a, [1.0], 1)
    with pytest.raises(MTError, match="finite"):
        most_different([float("nan")], [1.0], 1)
