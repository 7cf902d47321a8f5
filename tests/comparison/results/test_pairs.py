"""All pairs of systems, the share of BLEU that they keep on long sentences, several references."""

from __future__ import annotations

import dataclasses
import re

import pytest
import sacrebleu

from helpers.comparing import REFERENCES, SOURCES, damaged, find, inputs
from mt.comparison.report.conclusions import conclusions, warnings
from mt.comparison.results.compute import compute_results
from mt.comparison.statistics.significance import holm
from mt.comparison.systems import ComparisonInput


@pytest.mark.medium
def test_all_pairs_are_tested_and_corrected_together() -> None:
    results = compute_results(
        inputs(base=[damaged(3)], half=[damaged(2)], worse=[damaged(1)], best=[REFERENCES]),
        bootstrap=200,
    )
    test = results.tests[0]
    pairs = [pair for pair in test.pairs if pair.metric == "bleu"]
    names = [(pair.system, pair.other) for pair in pairs]
    assert len(pairs) == 6 == len({frozenset(pair) for pair in names})
    assert [pair for pair in pairs if pair.other == "base"] == [
        difference for difference in test.overall.differences if difference.metric == "bleu"
    ]
    scores = {score.system: score.mean for score in test.overall.scores if score.metric == "bleu"}
    for pair in pairs:
        assert pair.effect == pytest.approx(scores[pair.system] - scores[pair.other])
    assert [pair.p_holm for pair in pairs] == pytest.approx(holm([pair.p for pair in pairs]))
    # 600 resamples: 100 for each pair, so that Holm's correction leaves significance possible.
    best = next(pair for pair in pairs if names[pairs.index(pair)] == ("worse", "best"))
    assert best.p == pytest.approx(2 / 601) and best.p_is_bound and best.verdict == "worse"
    assert f"p <= {best.p_holm:.3f}" in best.text


@pytest.mark.medium
def test_the_share_of_bleu_kept_on_long_sentences_is_tested() -> None:
    long = {i for i, source in enumerate(SOURCES) if len(source.split()) > 15}
    cut = [line if i not in long else damaged(1)[i] for i, line in enumerate(REFERENCES)]
    alike = [damaged(7), damaged(7, 1)]
    results = compute_results(
        inputs(cut=[cut], one=alike[:1], other=alike[1:]), bootstrap=200, threshold=15
    )
    test = results.tests[0]
    assert test.retention is not None
    shares = {score.system: score for score in test.retention.scores}
    for name, score in shares.items():
        group = [find(each.scores, name).mean for each in (test.short, test.long)]
        assert score.mean == pytest.approx(100 * group[1] / group[0])
        assert score.interval[0] < score.mean < score.interval[1]
    verdicts = {(pair.system, pair.other): pair.verdict for pair in test.retention.pairs}
    assert verdicts == {
        ("one", "other"): "not distinguishable",
        ("one", "cut"): "better",
        ("other", "cut"): "better",
    }
    text = " ".join(conclusions(results))
    assert "`cut` keeps" in text and "less than `other`" in text
    everything = compute_results(
        inputs(a=alike[:1], b=alike[1:]), bootstrap=200, threshold=1000
    ).tests[0]
    assert everything.retention is None


@pytest.mark.parametrize("runs", [1, 2])
def test_halves_of_equal_systems_give_no_order(runs: int) -> None:
    halves = [[damaged(7, offset) for offset in range(at, at + runs)] for at in (0, runs)]
    results = compute_results(inputs(a=halves[0], b=halves[1]), bootstrap=200, threshold=15)
    text = " ".join(conclusions(results))
    assert not re.search(r"smallest|largest|better|worse|less than", text)
    assert "not distinguishable" in text


def test_several_references_count_for_scores() -> None:
    one = inputs(a=[damaged(3)], b=[damaged(5)])
    other = damaged(2)
    test = dataclasses.replace(one.tests[0], reference_sets=[REFERENCES, other])
    results = compute_results(ComparisonInput(one.systems, [test], "de"), bootstrap=100)
    expected = sacrebleu.corpus_bleu(damaged(3), [REFERENCES, other])
    score = find(results.tests[0].overall.scores, "a")
    assert score.mean == pytest.approx(expected.score)
    assert results.signatures["bleu"].startswith("nrefs:2")
    assert any("use all references" in note for note in results.notes)


def test_equal_outputs_are_said_to_be_equal_and_no_seeds_are_asked_for() -> None:
    results = compute_results(inputs(ours=[damaged(3)], theirs=[damaged(3)]), bootstrap=100)
    difference = results.tests[0].pairs[0]
    assert difference.text.endswith("; the same score on every resample")
    assert difference.needed is None
    copies = "The outputs of `theirs` and `ours` are identical"
    assert any(text.startswith(copies) for text in warnings(results))
    results = compute_results(inputs(ours=[damaged(3)], theirs=[damaged(4)]), bootstrap=100)
    assert not any("identical" in text for text in warnings(results))
