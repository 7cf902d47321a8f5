"""BLEU by construction, and the share of it that is kept against sentences of like length."""

from __future__ import annotations

import numpy as np
import pytest
import sacrebleu

from helpers.comparing import PAIRS, REFERENCES, SOURCES, find
from mt.comparison.measures.constructions import (
    MIN_SENTENCES,
    construction_results,
    effective_number,
    match_lengths,
)
from mt.comparison.measures.scores import sentence_statistics
from mt.comparison.schema.scores import ConstructionResult
from mt.comparison.systems import TestSet
from mt.evaluation.lengths import measure_lengths
from mt.evaluation.metrics import METRICS

LENGTHS = [len(source.split()) for source in SOURCES]


def halved(*, where: np.ndarray) -> list[str]:
    """Return the references, with some sentences cut in half."""
    return [
        " ".join(line.split()[: len(line.split()) // 2]) if cut else line
        for line, cut in zip(REFERENCES, where, strict=True)
    ]


def measure(shown: np.ndarray, **outputs: list[str]) -> ConstructionResult:
    """Measure one construction; the first system is the baseline."""
    test = TestSet("test", SOURCES, REFERENCES, {name: [lines] for name, lines in outputs.items()})
    statistics = sentence_statistics(test, {"bleu": METRICS["bleu"]()})
    labels = [["rare"] * (i == 0) + ["new"] * bool(new) for i, new in enumerate(shown)]
    results = construction_results(
        labels, statistics, measure_lengths(SOURCES, REFERENCES), next(iter(outputs)), 200
    )
    assert [each.group.label for each in results] == ["new"]  # "rare" has too few sentences
    return results[0]


def test_weights_give_both_sides_the_same_lengths() -> None:
    shown = np.array([True, True, True, False, False, False, True, False])
    strata = np.array([0, 0, 1, 0, 1, 1, 2, 3])
    weights, controls = match_lengths(shown, strata)
    assert weights.tolist() == [1, 1, 1, 0, 0, 0, 0, 0]  # none without it is in class 2
    assert controls.tolist() == [0, 0, 0, 2, 0.5, 0.5, 0, 0]
    assert effective_number(controls) == pytest.approx(3**2 / (4 + 0.25 + 0.25))
    assert effective_number(np.ones(7)) == 7 and effective_number(np.zeros(3)) == 0


def test_bleu_kept_is_that_of_sacrebleu_on_repeated_sentences() -> None:
    """Sentences without the construction are repeated so often that both sides are alike."""
    shown = np.arange(len(SOURCES)) % 3 > 0
    lines = halved(where=np.arange(len(SOURCES)) % 5 < 2)
    found = measure(shown, a=lines, b=REFERENCES)
    chosen, controls = [], []
    strata = [(length - 1) // 5 for length in LENGTHS]
    for stratum in set(strata):
        new, old = (
            [i for i, s in enumerate(strata) if s == stratum and shown[i] == side]
            for side in (True, False)
        )
        if old:
            chosen += new * 2520  # divisible by all numbers up to 10
            assert len(old) <= 10
            controls += old * (2520 * len(new) // len(old))

    def bleu(rows: list[int]) -> float:
        sums = np.zeros(10, dtype=np.int64)
        for i, times in zip(*np.unique(rows, return_counts=True), strict=True):
            sums += times * np.array(
                sacrebleu.BLEU()._extract_corpus_statistics([lines[i]], [[REFERENCES[i]]])[0]
            )
        return sacrebleu.BLEU._compute_score_from_stats(sacrebleu.BLEU(), sums.tolist()).score

    assert found.retention is not None
    expected = 100 * bleu(chosen) / bleu(controls)
    assert find(found.retention.scores, "a").mean == pytest.approx(expected)
    assert find(found.retention.scores, "b").mean == pytest.approx(100)
    rows = np.flatnonzero(shown)
    own = sacrebleu.corpus_bleu([lines[i] for i in rows], [[REFERENCES[i] for i in rows]])
    assert find(found.group.scores, "a").mean == pytest.approx(own.score)


def test_length_alone_does_not_lower_the_share_kept_but_the_construction_does() -> None:
    generator = np.random.default_rng(1)
    long = np.array([length > 20 for length in LENGTHS])
    shown = generator.random(len(SOURCES)) < np.where(long, 0.7, 0.2)
    by_length = halved(where=long)
    by_construction = halved(where=shown)
    found = measure(shown, length=by_length, construction=by_construction)
    bleu = {score.system: score.mean for score in found.group.scores}
    assert bleu["length"] < 70 and bleu["construction"] < 70
    assert found.retention is not None
    kept = {score.system: score for score in found.retention.scores}
    assert 90 < kept["length"].mean < 110 and kept["construction"].interval[1] < 80
    (pair,) = found.retention.pairs
    assert (pair.system, pair.other, pair.verdict) == ("construction", "length", "worse")
    assert MIN_SENTENCES < found.controls < sum(~shown)


def test_there_is_no_share_without_sentences_to_compare_with() -> None:
    shown = np.arange(len(SOURCES)) > 5
    found = measure(shown, a=REFERENCES, b=REFERENCES)
    assert found.retention is None and found.controls < MIN_SENTENCES
    assert found.group.sentences == len(PAIRS) - 6
