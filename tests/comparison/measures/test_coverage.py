"""Repeated, dropped and unlinked words."""

from __future__ import annotations

import random

import pytest

from helpers.simulated_text import repetitive_sentences
from mt.comparison.measures.coverage import dropped_words, repeated_words, unlinked_words
from mt.comparison.measures.word_accuracy import word_accuracy
from mt.comparison.statistics.ratio import Ratio
from mt.data.links import parse_links
from mt.data.word_counts import (
    split_words,
)
from mt.errors import MTError, UsageError


def shares(ratio: Ratio) -> tuple[int, int]:
    return ratio.numerator, ratio.denominator


@pytest.mark.parametrize(
    "hypothesis, reference, ngrams, immediate",
    [
        (
            "the cat the cat the cat",
            "the cat",
            2 + 1,
            0,
        ),  # "the cat" twice more, "cat the" once more than once
        ("the the cat", "the cat", 0, 1),
        ("The the cat", "the cat", 0, 1),
        ("on on on", "on", 1, 2),
        ("very very good", "very, very good", 0, 0),
        ("it is it is", "so it was", 1, 0),  # said once is no repetition
        ("it is it is", "it is, it is", 0, 0),
        ("", "the cat", 0, 0),
        ("a b", "", 0, 0),
    ],
)
def test_repetitions_equal_those_by_hand(
    hypothesis: str, reference: str, ngrams: int, immediate: int
) -> None:
    found = repeated_words([hypothesis], [reference])
    assert (found.ngrams.numerator, found.immediate.numerator) == (ngrams, immediate)
    assert found.ngrams.denominator == found.immediate.denominator == len(split_words(reference))


@pytest.mark.parametrize("n", [2, 3])
def test_repetitions_equal_a_slow_reference(n: int) -> None:
    hypotheses, references = (
        repetitive_sentences(100, 1, words=3),
        repetitive_sentences(100, 2, words=3),
    )
    found = repeated_words(hypotheses, references, n)
    for row, pair in enumerate(zip(hypotheses, references, strict=True)):
        ours, theirs = (text.lower().split() for text in pair)
        licensed = [theirs[i : i + n] for i in range(len(theirs) - n + 1)]
        before: list[list[str]] = []
        again = 0
        for i in range(
            len(ours) - n + 1
        ):  # an occurrence is too many if it is not the first and the reference has no more
            again += before.count(ours[i : i + n]) >= max(1, licensed.count(ours[i : i + n]))
            before.append(ours[i : i + n])
        assert found.ngrams.counts[row] == again, pair
        if n == 2:
            doubles = [a for a, b in zip(ours, ours[1:], strict=False) if a == b]
            for gram in licensed:
                if gram[0] == gram[1] and gram[0] in doubles:
                    doubles.remove(gram[0])
            assert found.immediate.counts[row] == len(doubles), pair


def test_short_ngrams_and_lists_of_unequal_length_are_refused() -> None:
    with pytest.raises(UsageError, match="n must be >= 2"):
        repeated_words(["a"], ["a"], 1)
    for call in (
        repeated_words,
        dropped_words,
        lambda h, r: word_accuracy(h, r, {}),
        unlinked_words,
    ):
        with pytest.raises(MTError, match="has 1 lines but"):
            call(["a"], ["a", "b"])  # type: ignore[operator]


COMMON = {f"f{i}": 1000 for i in range(98)} | {
    "the": 1000,
    "on": 1000,
    "cat": 5,
}  # "the" and "on" are no content words


@pytest.mark.parametrize(
    "hypothesis, reference, missing, dropped, total",
    [
        ("the cat sat on the mat", "the cat sat on the mat", 0, 0, 3),
        ("the cat sat", "the cat sat on the mat", 1, 1, 3),  # the end is not there
        (
            "the cat sat on the rug",
            "the cat sat on the mat",
            1,
            0,
            3,
        ),  # another word is in its place
        ("on the mat sat the cat", "the cat sat on the mat", 0, 0, 3),  # moved
        (
            "The CAT sat mat",
            "the cat sat on the mat",
            0,
            0,
            3,
        ),  # case and function words do not matter
        ("cat", "cat cat", 1, 1, 2),  # clipped
        ("", "the cat", 1, 1, 1),
        (
            "the cat fell",
            "the cat sat on a mat",
            3,
            3,
            4,
        ),  # four words where the hypothesis has one
        ("the cat fell on it at once", "the cat sat on the mat", 2, 0, 3),
        ("dog", "", 0, 0, 0),
        # Of two trees one has a house in its place and the other nothing: the one that moved left
        # nothing behind.
        ("house dog bird fish cow goat hen tree", "tree dog bird fish tree cow goat hen", 1, 0, 8),
    ],
)
def test_dropped_words_equal_those_by_hand(
    hypothesis: str, reference: str, missing: int, dropped: int, total: int
) -> None:
    found = dropped_words([hypothesis], [reference], COMMON)
    assert (shares(found.missing), shares(found.dropped)) == ((missing, total), (dropped, total))


def test_missing_words_are_those_that_clipped_counts_lack() -> None:
    hypotheses, references = repetitive_sentences(200, 3), repetitive_sentences(200, 4)
    function = {f"f{i}": 1000 for i in range(98)} | {"wa": 1000, "wb": 1000}
    found = dropped_words(hypotheses, references, function)
    for row, pair in enumerate(zip(hypotheses, references, strict=True)):
        ours, theirs = (text.lower().split() for text in pair)
        content = [word for word in theirs if word not in ("wa", "wb")]
        expected = sum(max(0, content.count(word) - ours.count(word)) for word in set(content))
        assert (found.missing.counts[row], found.missing.totals[row]) == (expected, len(content))
        assert found.dropped.counts[row] <= expected


def test_words_cut_out_of_a_sentence_are_dropped_and_swapped_ones_are_not() -> None:
    draw = random.Random(5)
    words = [f"word{i}" for i in range(300)]
    references = [draw.sample(words, 20) for _ in range(50)]
    cut = [" ".join(reference[:8] + reference[11:]) for reference in references]
    swapped = [
        " ".join([*reference[:8], "x", "y", "z", *reference[11:]]) for reference in references
    ]
    lines = [" ".join(reference) for reference in references]
    assert shares(dropped_words(cut, lines, COMMON).dropped) == (150, 1000)
    found = dropped_words(swapped, lines, COMMON)
    assert shares(found.missing) == (150, 1000) and found.dropped.numerator == 0


def test_without_counts_the_references_tell_content_words() -> None:
    references = ["the cat", "the dog", *(f"f{i} f{i} the" for i in range(99))]
    assert dropped_words([""] * 101, references).missing.totals[:2].tolist() == [1, 1]


def test_unlinked_words_are_counted_among_those_with_a_sure_gold_link() -> None:
    found = [parse_links("0-0 1p1"), parse_links("")]
    gold = [parse_links("0-0 1-1 2-2 3p2"), parse_links("0-0")]
    ratio = unlinked_words(found, gold)
    assert ratio.counts.tolist() == [1, 1] and ratio.totals.tolist() == [3, 1]
