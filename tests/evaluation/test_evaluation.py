"""Groups by length and notes of an evaluation, and calls that are refused."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sacrebleu.metrics import BLEU, CHRF, TER

from helpers.noisy_corpus import noisy_corpus
from mt.errors import MTError
from mt.evaluation.evaluation import evaluate_translations
from mt.evaluation.lengths import MIN_SENTENCES, score_buckets, sentence_lengths
from mt.evaluation.metrics import build_metrics
from mt.evaluation.sentence_statistics import SentenceStatistics
from mt.evaluation.tables import text_table


@pytest.mark.medium
def test_buckets_equal_counting_by_hand() -> None:
    sources, hypotheses, references = noisy_corpus(200)
    edges = [10, 20, 45]
    evaluation = evaluate_translations(
        sources, hypotheses, [references], edges=edges, threshold=15, bootstrap=100
    )
    ranges = [(1, 10), (11, 20), (21, 45), (46, 10**9)]
    groups = [
        *zip(evaluation.buckets, ranges, strict=True),
        (evaluation.short, (1, 15)),
        (evaluation.long, (16, 10**9)),
    ]
    for bucket, (low, high) in groups:
        members = [i for i in range(200) if low <= len(sources[i].split()) <= high]
        assert bucket.count == len(members) > 0
        ours, theirs = [hypotheses[i] for i in members], [references[i] for i in members]
        for name, metric in {"bleu": BLEU(), "chrf": CHRF(), "ter": TER()}.items():
            assert bucket.scores[name].value == pytest.approx(
                metric.corpus_score(ours, [theirs]).score, abs=1e-9
            )
            interval = bucket.scores[name].ci
            assert interval is not None and interval[0] < bucket.scores[name].value < interval[1]
        produced, wanted = (sum(len(line.split()) for line in lines) for lines in (ours, theirs))
        assert bucket.length_ratio == pytest.approx(produced / wanted)
        assert bucket.brevity_penalty == pytest.approx(min(1.0, math.exp(1 - wanted / produced)))
        assert bucket.small == (len(members) < MIN_SENTENCES)
    assert [bucket.label for bucket in evaluation.buckets] == ["1-10", "11-20", "21-45", "46+"]
    assert (
        sum(bucket.count for bucket in evaluation.buckets)
        == evaluation.short.count + evaluation.long.count
        == 200
    )


def test_a_bucket_of_all_sentences_has_the_overall_scores() -> None:
    sources, hypotheses, references = noisy_corpus(50)
    evaluation = evaluate_translations(
        sources, hypotheses, [references], edges=[1000], bootstrap=100
    )
    whole, empty = evaluation.buckets
    assert whole.scores == evaluation.scores
    assert empty.count == 0 and empty.scores == {} and empty.length_ratio is None


def test_an_edge_belongs_to_the_bucket_below_and_blanks_to_the_first() -> None:
    _, hypotheses, references = noisy_corpus(6)
    statistics = {"bleu": SentenceStatistics(build_metrics()[0]["bleu"], hypotheses, [references])}
    buckets = score_buckets(np.array([1, 10, 11, 20, 21, 500]), [10, 20], statistics)
    assert [(b.label, b.count) for b in buckets] == [("1-10", 2), ("11-20", 2), ("21+", 2)]
    buckets = score_buckets(np.array([0, 10, 11, 20, 21, 500]), [10, 20], statistics)
    assert [(b.label, b.count) for b in buckets] == [("0-10", 2), ("11-20", 2), ("21+", 2)]


def test_lengths_are_words_or_characters() -> None:
    assert sentence_lengths(["a b  c", "", "我喜欢"]).tolist() == [3, 0, 3]
    english, chinese = ["I like cats"] * 3, ["我喜欢大猫"] * 3
    from_chinese = evaluate_translations(chinese, english, [english])
    assert (from_chinese.unit, from_chinese.threshold, from_chinese.buckets[0].high) == (
        "characters",
        40,
        20,
    )
    into_chinese = evaluate_translations(english, chinese, [chinese], tgt_lang="zh")
    assert (into_chinese.unit, into_chinese.threshold, into_chinese.buckets[0].high) == (
        "words",
        20,
        10,
    )
    by_reference = evaluate_translations(
        english, chinese, [chinese], tgt_lang="zh", length_by="reference"
    )
    assert by_reference.unit == "characters"


@pytest.mark.parametrize(
    "arguments, settings, message",
    [
        ((["a"], [], [[]]), {}, "nothing to evaluate"),
        ((["a"], ["a", "b"], [["a", "b"]]), {}, "hypotheses has 2 lines but sources has 1"),
        (
            (None, ["a", "b"], [["a", "b"], ["a"]]),
            {"length_by": "reference"},
            "hypotheses has 2 lines but references 2 has 1",
        ),
        ((None, ["a"], [["a"]]), {}, "no sources"),
        ((["a"], ["a"], [["a"]]), {"length_by": "target"}, "got 'target'"),
        ((["a"], ["a"], [["a"]]), {"edges": []}, "edges"),
        ((["a"], ["a"], [["a"]]), {"edges": [0, 10]}, "edges"),
        ((["a"], ["a"], [["a"]]), {"edges": [10, 10]}, "got 10,10"),
        ((["a"], ["a"], [["a"]]), {"threshold": 0}, "threshold"),
        ((["a"], ["a"], [["a"]]), {"bootstrap": 20}, ">= 100, or 0"),
        ((["a"], ["a"], [["a"]]), {"bootstrap": -1}, ">= 100, or 0"),
    ],
)
def test_texts_and_settings_that_do_not_fit_are_refused(
    arguments: tuple, settings: dict, message: str
) -> None:
    with pytest.raises(MTError, match=message):
        evaluate_translations(*arguments, **settings)


def test_nothing_translated_scores_zero() -> None:
    evaluation = evaluate_translations(["a b c"] * 2, ["", ""], [["a b c"] * 2], bootstrap=100)
    assert evaluation.empty == 2
    assert (
        evaluation.scores["bleu"].value,
        evaluation.scores["chrf"].value,
        evaluation.scores["ter"].value,
    ) == (0, 0, 100)
    assert evaluation.short.brevity_penalty == 0 and text_table(evaluation)
