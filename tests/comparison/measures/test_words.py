"""What happens to words: against compare-mt, slow references and counting by hand."""

from __future__ import annotations

import gzip
import unicodedata
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import mt.data.word_counts as words_module
from mt.comparison.measures.coverage import dropped_words, repeated_words
from mt.comparison.measures.word_accuracy import word_accuracy
from mt.comparison.statistics.ratio import MIN_CASES, Ratio
from mt.data.word_counts import (
    count_training_words,
    frequent_words,
    load_counts,
    save_counts,
    split_words,
)
from mt.errors import MTError, UsageError
from mt.evaluation.resampling import resamples


def shares(ratio: Ratio) -> tuple[int, int]:
    return ratio.numerator, ratio.denominator


def read(path: Path) -> list[str]:
    return gzip.decompress(path.read_bytes()).decode("utf-8").split("\n")[:-1]


@pytest.mark.parametrize(
    "text, words",
    [
        ("He said: “Don’t!” (twice)", ["He", "said", "Don't", "twice"]),
        ("„Ja“, sagte Müller – »so, so« …", ["Ja", "sagte", "Müller", "so", "so"]),
        (
            "Mu\u0308ller EU‑Kommission Wör\u00adter Vor- und l’homme",
            ["Müller", "EU-Kommission", "Wörter", "Vor", "und", "l'homme"],
        ),
        ("1.000,5 km, 3.5% in 2020.", ["1.000,5", "km", "3.5", "in", "2020"]),
        ("我喜欢iPhone，你呢？", ["我", "喜", "欢", "iPhone", "你", "呢"]),
        ("한국어 한국어를", ["한국어", "한국어를"]),
        ("हिन्दी می\u200cخواهم", ["हिन्दी", "می\u200cخواهم"]),
        ("🙂 -- ... '", []),
        ("", []),
    ],
)
def test_text_is_split_into_words(text: str, words: list[str]) -> None:
    assert split_words(text) == words


@given(st.text())
def test_any_text_has_words_and_no_form_of_unicode_changes_them(text: str) -> None:
    words = split_words(text)
    assert (
        words
        == split_words(unicodedata.normalize("NFC", text))
        == split_words(unicodedata.normalize("NFD", text))
    )
    assert not any(character.isspace() for word in words for character in word)


def test_counts_are_stored_and_read_back(tmp_path: Path) -> None:
    counts = count_training_words(iter(["the cat, the dog", "The “cat” 猫"]))
    assert counts == {"the": 2, "The": 1, "cat": 2, "dog": 1, "猫": 1}
    assert frequent_words(counts, 2) == {"the", "cat"} and frequent_words(counts, 3) == {
        "the",
        "cat",
        "dog",
    }
    lines = [
        f"don't {chr(97 + i % 7)}, it's 1.5 – so“\u3000x\u00a0猫犬 e\u0301{i % 3}"
        for i in range(60)
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(words_module, "CHUNK_LINES", 7)
        assert count_training_words(lines) == Counter(
            word for line in lines for word in split_words(line)
        )
    path = tmp_path / "words.json"
    save_counts(path, counts)
    first = path.read_bytes()
    assert load_counts(path) == counts
    save_counts(path, Counter(dict(reversed(counts.items()))))
    assert path.read_bytes() == first
    save_counts(path, {})
    assert load_counts(path) == {}
    for broken in (
        "{",
        "[]",
        "{}",
        '{"format": 2, "words": {}}',
        '{"format": 1, "words": {"x": "a"}}',
        '{"format": 1, "words": []}',
    ):
        path.write_text(broken, "utf-8")
        with pytest.raises(MTError, match=r"words\.json"):
            load_counts(path)
    with pytest.raises(MTError, match="nowhere"):
        load_counts(tmp_path / "nowhere")


def test_ratios_add_up_and_resample_as_ratios_of_sums() -> None:
    ratio = Ratio.of([(1, 2), (0, 0), (3, 10)])
    assert shares(ratio) == (4, 12) and ratio.value == pytest.approx(1 / 3)
    assert shares(ratio.take(np.array([0, 1]))) == (1, 2)
    assert Ratio.of([(0, 0)]).value is None
    assert ratio.small and not Ratio.of([(1, MIN_CASES)]).small
    drawn = ratio.resampled(np.array([[2, 0, 1], [0, 3, 0], [1, 2, 0]]))
    assert drawn[0] == pytest.approx(5 / 14) and np.isnan(drawn[1]) and drawn[2] == 0.5
    weights = next(resamples(3, 1))
    assert ratio.resampled(weights) == pytest.approx(
        (weights[0] + 3 * weights[2]) / (2 * weights[0] + 10 * weights[2])
    )


def test_word_accuracy_equals_that_by_hand() -> None:
    counts = {"the": 1000, "cat": 4, "sat": 2, "dog": 1}
    buckets = {
        b.label: b
        for b in word_accuracy(["the the cat ran", ""], ["the cat, the cat sat!", "dog"], counts)
    }
    assert list(buckets) == ["0", "1", "2-4", "5-9", "10-99", "100-999", "1000+"]
    assert (
        shares(buckets["0"].precision) == (0, 1)
        and buckets["0"].recall.value is None
        and buckets["0"].f1.value == 0
    )
    assert shares(buckets["1"].recall) == (0, 1) and buckets["1"].precision.value is None
    assert shares(buckets["2-4"].recall) == (1, 3) and shares(buckets["2-4"].precision) == (1, 1)
    assert buckets["2-4"].f1.value == pytest.approx(2 * 1 * (1 / 3) / (1 + 1 / 3))
    assert shares(buckets["1000+"].recall) == shares(buckets["1000+"].precision) == (2, 2)
    assert buckets["2-4"].recall.totals.tolist() == [3, 0] and buckets[
        "1"
    ].recall.totals.tolist() == [0, 1]


@pytest.mark.parametrize("lows", [(), (1, 2), (0, 2, 2), (0, 5, 3)])
def test_buckets_of_frequency_must_rise_from_zero(lows: tuple[int, ...]) -> None:
    with pytest.raises(UsageError, match="begin with 0"):
        word_accuracy(["a"], ["a"], {}, lows)


# By compare-mt 0.2.10 (calc_statistics of its FreqWordBucketer with cutoffs 1,2,5,10,100,1000),
# given the words of `split_words` and their counts in the reference: matches, words of the
# reference, words of the output.
COMPARE_MT = {
    "sys1": [
        (0, 0, 2969),
        (813, 2957, 1497),
        (1723, 4186, 2976),
        (1702, 3331, 2899),
        (6285, 12181, 11023),
        (7351, 13374, 11925),
        (2097, 3888, 3209),
    ],
    "sys2": [
        (0, 0, 2759),
        (554, 2957, 1417),
        (1348, 4186, 2863),
        (1511, 3331, 2806),
        (5944, 12181, 10625),
        (7596, 13374, 12071),
        (2443, 3888, 3899),
    ],
}


@pytest.mark.realdata
@pytest.mark.parametrize("system", COMPARE_MT)
def test_accuracy_is_that_of_compare_mt_on_ted(realdata: Path, system: str) -> None:
    folder = realdata / "compare-mt-ted"
    references, hypotheses = (read(folder / f"ted.{name}.detok.eng.gz") for name in ("ref", system))
    counts = count_training_words(references)
    buckets = word_accuracy(hypotheses, references, counts)
    assert [
        (b.recall.numerator, b.recall.denominator, b.precision.denominator) for b in buckets
    ] == COMPARE_MT[system]
    # And sentence by sentence, crossing out words one by one.
    for row, (hypothesis, reference) in enumerate(zip(hypotheses, references, strict=True)):
        left, matches = split_words(reference), [0] * len(buckets)
        for word in split_words(hypothesis):
            if word in left:
                left.remove(word)
                (bucket,) = (
                    i
                    for i, b in enumerate(buckets)
                    if b.low <= counts[word] <= (10**9 if b.high is None else b.high)
                )
                matches[bucket] += 1
        assert matches == [b.recall.counts[row] for b in buckets]


@pytest.mark.medium
@pytest.mark.realdata
def test_ted_figures_are_plausible(realdata: Path) -> None:
    folder = realdata / "compare-mt-ted"
    references, *systems = (
        read(folder / f"ted.{name}.detok.eng.gz") for name in ("ref", "sys1", "sys2")
    )
    counts = count_training_words(references)
    for hypotheses in systems:
        f1 = [b.f1.value or 0 for b in word_accuracy(hypotheses, references, counts)]
        assert 0.2 < f1[1] < f1[2] < f1[4] < f1[6] < 0.7  # the rarer, the worse
        assert 0.3 < (dropped_words(hypotheses, references).missing.value or 0) < 0.7
        assert 0.001 < (repeated_words(hypotheses, references).ngrams.value or 0) < 0.03
    assert (
        repeated_words(references, references).ngrams.value
        == dropped_words(references, references).missing.value
        == 0
    )
