"""Results of a comparison: scores, differences, words and sentences."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import sacrebleu

from helpers.comparing import REFERENCES, SOURCES, damaged, find, inputs
from mt.comparison.inputs import read_files
from mt.comparison.measures.measure import Measure, evaluate_measures
from mt.comparison.results.compute import compute_results
from mt.comparison.results.sentences import choose_sentences
from mt.comparison.schema.results import DiffSegment, Results
from mt.comparison.schema.scores import MeasureValue
from mt.comparison.schema.typed_json import from_json, to_json
from mt.comparison.statistics.ratio import Ratio
from mt.comparison.systems import ComparisonInput, TestSet
from mt.errors import UsageError
from mt.evaluation.lengths import sentence_lengths, split_by_length
from mt.evaluation.sacrebleu_metrics import Bleu
from mt.evaluation.sentence_statistics import SentenceStatistics


def test_scores_are_those_of_sacrebleu_and_means_over_runs() -> None:
    runs = [damaged(4), damaged(5)]
    results = compute_results(inputs(perfect=[REFERENCES], poor=runs), bootstrap=100)
    each = [sacrebleu.corpus_bleu(lines, [REFERENCES]) for lines in runs]
    overall = results.tests[0].overall
    score = find(overall.scores, "poor")
    assert score.values == pytest.approx([bleu.score for bleu in each])
    assert score.mean == pytest.approx(sum(bleu.score for bleu in each) / 2)
    assert score.brevity_penalty == pytest.approx(sum(bleu.bp for bleu in each) / 2)
    assert 0 <= score.interval[0] < score.mean < score.interval[1] <= 100
    assert find(overall.scores, "perfect").mean == pytest.approx(100)
    assert score.precision == pytest.approx(
        score.mean / score.brevity_penalty, rel=0.02
    )  # it is cut short, not wrong


def test_groups_are_by_length_of_the_source() -> None:
    results = compute_results(
        inputs(a=[damaged(3)], b=[REFERENCES]), bootstrap=100, edges=[10, 20], threshold=15
    ).tests[0]
    lengths = [len(source.split()) for source in SOURCES]
    assert [group.sentences for group in results.buckets] == [
        sum(n <= 10 for n in lengths),
        sum(10 < n <= 20 for n in lengths),
        sum(n > 20 for n in lengths),
    ]
    assert results.short.sentences == sum(n <= 15 for n in lengths) == 120 - results.long.sentences
    long = [i for i, n in enumerate(lengths) if n > 15]
    expected = sacrebleu.corpus_bleu(
        [damaged(3)[i] for i in long], [[REFERENCES[i] for i in long]]
    ).score
    assert find(results.long.scores, "a").mean == pytest.approx(expected)


def test_lengths_may_be_those_of_the_references() -> None:
    lengths = [len(line.split()) for line in REFERENCES]
    for given in (inputs(a=[REFERENCES]), inputs(None, a=[REFERENCES])):
        results = compute_results(
            given,
            bootstrap=100,
            length_by="reference" if given.tests[0].sources else "",
            edges=[12],
        ).tests[0]
        assert results.length.by == "reference"
        assert [group.sentences for group in results.buckets] == [
            sum(n <= 12 for n in lengths),
            sum(n > 12 for n in lengths),
        ]
    with pytest.raises(UsageError, match="no sources"):
        compute_results(inputs(None, a=[REFERENCES]), bootstrap=100, length_by="source")


@pytest.mark.medium
def test_planted_differences_are_found() -> None:
    results = compute_results(
        inputs(base=[damaged(3)], same=[damaged(3)], worse=[damaged(1)], better=[REFERENCES]),
        bootstrap=500,
    )
    differences = results.tests[0].overall.differences
    verdicts = {name: find(differences, name).verdict for name in ("same", "worse", "better")}
    assert verdicts == {"same": "not distinguishable", "worse": "worse", "better": "better"}
    assert find(differences, "same").effect == 0
    assert (
        find(differences, "better").text.startswith("better (+")
        and "seeds were not tested" in find(differences, "better").text
    )
    assert from_json(Results, json.loads(to_json(results))) == results


@pytest.mark.medium
def test_intervals_include_the_variance_between_seeds() -> None:
    alike, apart = (
        compute_results(inputs(a=[one, other]), bootstrap=200).tests[0].overall.scores[0]
        for one, other in ((damaged(4), damaged(4)), (damaged(2), damaged(40)))
    )
    width = [score.interval[1] - score.interval[0] for score in (alike, apart)]
    assert alike.seeds_tested and apart.deviation > alike.deviation == 0 and width[1] > 2 * width[0]


def test_every_test_set_is_scored() -> None:
    one = inputs(a=[REFERENCES], b=[damaged(3)])
    short = TestSet(
        "few",
        SOURCES[:40],
        REFERENCES[:40],
        {name: [lines[:40] for lines in runs] for name, runs in one.tests[0].hypotheses.items()},
    )
    results = compute_results(
        ComparisonInput(one.systems, [*one.tests, short], "de"), bootstrap=100
    )
    assert [(test.name, test.overall.sentences) for test in results.tests] == [
        ("test", 120),
        ("few", 40),
    ]
    expected = sacrebleu.corpus_bleu(damaged(3)[:40], [REFERENCES[:40]]).score
    assert find(results.tests[1].overall.scores, "b").mean == pytest.approx(expected)


def test_an_unknown_baseline_is_refused() -> None:
    with pytest.raises(UsageError, match="no system 'c'.*choose one of a, b"):
        compute_results(inputs(a=[REFERENCES], b=[REFERENCES]), "c", bootstrap=100)


# --- words


@pytest.mark.medium
def test_word_measures_are_means_over_runs_and_find_dropped_words() -> None:
    half, whole = damaged(2), REFERENCES
    results = compute_results(inputs(whole=[whole], half=[half, whole]), bootstrap=100)
    words = {each.system: each for each in results.words}
    figure = words["half"].dropped
    assert (
        figure.values[1] == 0
        and figure.value == pytest.approx(figure.values[0] / 2)
        and figure.values[0] > 10
    )
    assert words["whole"].dropped.value == 0 and words["whole"].dropped.difference is None
    assert figure.interval[0] >= 0 and figure.difference.effect == pytest.approx(figure.value)
    assert words["whole"].bands == [] and any(
        "no accuracy by frequency" in note for note in results.notes
    )
    alone = compute_results(inputs(whole=[whole], half=[half]), bootstrap=100).words[1]
    assert alone.dropped.difference.verdict == "worse"


def test_without_sources_there_are_no_source_measures() -> None:
    results = compute_results(inputs(None, a=[REFERENCES], b=[damaged(2)]), bootstrap=100)
    assert results.words[1].numbers is None and results.words[1].repeated.value == 0
    assert any("no sources are given" in note for note in results.notes)
    assert results.sentences[0].source is None


def test_measures_are_ratios_of_sums_and_none_for_zero_cases() -> None:
    some, none = (
        Ratio(np.array([1, 0, 3]), np.array([2, 2, 4])),
        Ratio(np.array([0, 0, 0]), np.array([0, 0, 0])),
    )
    more = Ratio(np.array([1, 1, 4]), np.array([2, 2, 4]))
    results = evaluate_measures(
        {
            "m": Measure({"a": [some, some], "b": [none], "c": [more]}),
            "e": Measure({"a": [some]}, False, True),
        },
        "a",
        100,
    )
    assert results["m"]["a"].value == pytest.approx(50) and results["m"]["a"].cases == 8
    assert results["e"]["a"].value == pytest.approx(50)  # an error rate: what is left of 100
    assert results["m"]["c"].difference.effect == pytest.approx(25)  # whatever b lacks
    assert results["m"]["b"] == MeasureValue(None, [None], None, 0, True, None)


def test_intervals_of_shares_end_at_a_hundred_except_for_repetitions() -> None:
    totals = np.full(30, 10)
    runs = [
        Ratio(np.full(30, 9), totals),
        Ratio(np.full(30, 10), totals),
    ]  # two seeds: Student's t with one degree of freedom
    shares = evaluate_measures(
        {"m": Measure({"a": runs}), "loops": Measure({"a": runs}, False, maximum=np.inf)}, "a", 100
    )
    assert shares["m"]["a"].interval[1] == 100 < shares["loops"]["a"].interval[1]


# --- sentences


def test_sentences_show_each_pair_from_both_sides() -> None:
    scores = {
        "base": np.array([50.0, 50, 50, 50, 50]),
        "a": np.array([90.0, 10, 50, 60, 50]),
        "b": np.array([50.0, 50, 80, 50, 0]),
    }
    assert choose_sentences(scores, "base", 9) == [
        0,
        1,
        2,
        4,
        3,
    ]  # a best, a worst, b best, b worst; then what is left
    assert (
        choose_sentences(scores, "base", 2) == [0, 1]
        and choose_sentences({"base": scores["base"]}, "base", 9) == []
    )


def test_sentences_have_texts_scores_and_diffs() -> None:
    runs = [damaged(6), REFERENCES]
    results = compute_results(inputs(a=[REFERENCES], b=runs), bootstrap=100, sentences=5)
    assert len(results.sentences) == 5 and results.attention == []
    for each in results.sentences:
        row = each.index
        assert row % 6 == 0 and (each.source, each.reference) == (
            SOURCES[row],
            REFERENCES[row],
        )
        assert each.outputs == {"a": REFERENCES[row], "b": runs[0][row]}  # of the first run
        assert each.scores["b"] == pytest.approx(
            sacrebleu.sentence_chrf(runs[0][row], [REFERENCES[row]]).score
        )
        assert each.spread == pytest.approx(100 - each.scores["b"]) and each.attention is None
        assert "".join(segment.output for segment in each.diff["b"]) == runs[0][row]
        assert each.diff["a"] == [DiffSegment(True, REFERENCES[row], REFERENCES[row])]
    spreads = [each.spread for each in results.sentences]
    assert spreads == sorted(spreads, reverse=True)


# --- real text

# Computed by compare-mt 0.2.10 on the tokenised files (scorer "bleu", LengthSentenceBucketer):
# number of sentences and BLEU by length of the reference. Its cutoffs 10, 20, ... begin a bucket,
# while the edges 9, 19, ... here end one.
COMPARE_MT = {
    "sys1": [
        (524, 23.361284),
        (979, 22.061827),
        (522, 22.430077),
        (214, 20.485722),
        (102, 21.355022),
        (52, 22.418587),
        (52, 25.940870),
    ],
    "sys2": [
        (524, 26.323574),
        (979, 24.845816),
        (522, 24.013687),
        (214, 22.052268),
        (102, 22.232519),
        (52, 22.838030),
        (52, 24.190187),
    ],
}
# It uses NLTK, which counts an n-gram of every order in every hypothesis, even if it is too short
# (a denominator of 1 for 0). This changes BLEU if there are hypotheses of fewer than four words.
NLTK_TOLERANCE = 0.15


@pytest.mark.medium
@pytest.mark.realdata
def test_ted_by_length_is_that_of_compare_mt(realdata: Path) -> None:
    folder = realdata / "compare-mt-ted"
    given = read_files(
        {name: f"{folder}/ted.{name}.eng.gz" for name in COMPARE_MT}, f"{folder}/ted.ref.eng.gz"
    )
    results = compute_results(given, bootstrap=200, tokenize="none", edges=[9, 19, 29, 39, 49, 59])
    test = results.tests[0]
    metric = Bleu(tokenize="none")
    members = split_by_length(sentence_lengths(given.tests[0].references), [9, 19, 29, 39, 49, 59])
    for system, buckets in COMPARE_MT.items():
        ours = [(group.sentences, find(group.scores, system).mean) for group in test.buckets]
        assert [sentences for sentences, _ in ours] == [sentences for sentences, _ in buckets]
        assert [bleu for _, bleu in ours] == pytest.approx(
            [bleu for _, bleu in buckets], abs=NLTK_TOLERANCE
        )
        rows = SentenceStatistics(
            metric, given.tests[0].hypotheses[system][0], [given.tests[0].references]
        ).rows
        rows[:, 6:] = np.maximum(rows[:, 6:], 1)  # as NLTK counts
        theirs = [
            metric.scores(rows[sentences].sum(0, keepdims=True))[0]
            for _, _, _, sentences in members
        ]
        assert theirs == pytest.approx([bleu for _, bleu in buckets], abs=1e-5)
    assert find(test.overall.differences, "sys2").verdict == "better"
    assert not any(system.ignores_source for system in results.systems)
