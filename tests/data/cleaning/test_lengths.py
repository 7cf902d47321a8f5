"""Limits of lengths: absolute, and relative to the corpus."""

from __future__ import annotations

import random

import pytest

from mt.config.schema import CleanConfig
from mt.data.cleaning.cleaner import Cleaner
from mt.data.cleaning.corpus_facts import CorpusFacts, measure_corpus

# Sentences of 5 to 30 words of 5 letters.
SOURCES = [" ".join(["abcde"] * (5 + i % 26)) for i in range(60)]
BURMESE = "\u1019\u103c\u1014\u103a\u1019\u102c\u1021\u101e\u102c\u1038"


def test_pairs_with_a_side_of_too_few_words_are_dropped() -> None:
    pairs = [("one two", "eins zwei drei"), ("one two three", "eins"), ("\u4e00" * 3, "ein zwei")]
    cleaner = Cleaner(CleanConfig(min_words=2), [])
    assert list(cleaner(pairs)) == [pairs[0], pairs[2]] and cleaner.counts["too short"] == 1
    assert any("shorter than 2 words: 1" in line for line in cleaner.report())


def test_an_absolute_ratio_is_in_bytes_and_spares_short_pairs() -> None:
    pairs = [
        ("x" * 51, "y" * 12),
        ("x" * 48, "y" * 12),
        ("x" * 50, "y"),
        ("\u00e4" * 26, "y" * 12),
        ("x" * 26, "y" * 6),
    ]
    cleaner = Cleaner(CleanConfig(max_ratio=4.0, relative_lengths=False), [])
    assert [pairs.index(pair) for pair in cleaner(pairs)] == [1, 2, 4]
    assert cleaner.counts["ratio"] == 2


def burmese(words: int) -> str:
    """Return text without spaces that has eight characters, 24 bytes, for each word."""
    return "".join(BURMESE[i % len(BURMESE)] for i in range(8 * words))


@pytest.mark.parametrize(
    ("write", "units"),
    [
        (burmese, 8.0),
        (lambda words: " ".join(["a b c d e"] * words), 5.0),  # a space after each letter
        (lambda words: " ".join(["ba na"] * words), 2.0),  # after each syllable
        (lambda words: " ".join(["Wort"] * words), 1.0),
    ],
    ids=["Burmese", "letters", "syllables", "words"],
)
@pytest.mark.parametrize("reverse", [False, True])
def test_good_pairs_are_kept_however_a_language_is_written(write, units, reverse) -> None:
    pairs = [(source, write(len(source.split()))) for source in SOURCES]
    pairs = [pair[::-1] for pair in pairs] if reverse else pairs
    cleaner = Cleaner(CleanConfig(max_words=30, max_repeats=0, deduplicate=False), sample=pairs)
    assert list(cleaner(pairs)) == pairs
    expected = (units, 1.0) if reverse else (1.0, units)
    assert cleaner.facts.units_per_word == pytest.approx(expected)
    # The limits hold on both sides: a word more, and a side that is over four times as long.
    long = " ".join(["abcde"] * 31), write(31)
    uneven = [(SOURCES[25], write(7)), (SOURCES[2], write(30))]
    for pair in (long, *uneven):
        assert not list(cleaner([pair[::-1] if reverse else pair]))
    assert (cleaner.counts["too long"], cleaner.counts["ratio"]) == (1, 2)


def test_a_script_with_few_characters_does_not_make_a_pair_short() -> None:
    """60 characters are a sentence, whatever its translation to Chinese takes."""
    usual = [("x" * 60, "\u4e00" * 15)] * 20
    for reverse in (False, True):
        cut = ("x" * 60, "\u4e00" * 3)
        sample = [pair[::-1] for pair in usual] if reverse else usual
        cleaner = Cleaner(CleanConfig(deduplicate=False, max_repeats=0), sample=sample)
        assert cleaner(sample) == sample
        assert not cleaner([cut[::-1] if reverse else cut]) and cleaner.counts["ratio"] == 1


def test_absolute_limits_would_drop_such_pairs() -> None:
    pairs = [(source, burmese(len(source.split()))) for source in SOURCES]
    cleaner = Cleaner(CleanConfig(relative_lengths=False, deduplicate=False), sample=pairs)
    list(cleaner(pairs))
    assert cleaner.counts["ratio"] == 60


def test_facts_are_medians_which_faults_do_not_change() -> None:
    draw = random.Random(1)
    good = [("word " * n, "Wort " * n) for n in (draw.randint(10, 30) for _ in range(200))]
    bad = [("word " * 20, "x"), ("", "word"), ("\u200b", "word " * 30)] * 30
    facts = measure_corpus([*bad, *good])
    assert facts.character_ratio == facts.unit_ratio == 1
    assert facts.report() == ["target characters for each source character (median): 1.00"]
    assert measure_corpus([("", "")]) == CorpusFacts()
    short = [("I", "Ich")] * 100 + [("word " * 20, "Wort " * 20)] * 9
    assert measure_corpus(short).character_ratio == 1  # short pairs count only if all are short
    assert measure_corpus(short[:100]).character_ratio == 3


def test_the_report_says_what_counts_as_a_word() -> None:
    pairs = [(source, burmese(len(source.split()))) for source in SOURCES]
    report = Cleaner(CleanConfig(), sample=pairs).report()
    assert (
        "the target side is written in units that are smaller than words: 8.0 of them count as a "
        "word (data.clean.max_words)"
    ) in report
