"""Scores of resampled test sets, compared with sacreBLEU."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from sacrebleu.metrics import BLEU, CHRF, TER

import mt.comparison.statistics.bootstrap as bootstrap
from helpers.simulated_text import lossy_outputs
from mt.comparison.statistics.bootstrap import RunStatistics, resample_scores
from mt.comparison.statistics.randomisation import randomisation_p
from mt.comparison.statistics.significance import compare_systems, estimate
from mt.comparison.statistics.verdict import judge
from mt.errors import UsageError
from mt.evaluation.metrics import build_metrics
from mt.evaluation.resampling import resamples
from mt.evaluation.sacrebleu_metrics import Bleu, Chrf, SacreBleuMetric, Ter
from mt.evaluation.sentence_statistics import SentenceStatistics

SACREBLEU = {"bleu": BLEU, "chrf": CHRF, "ter": TER}


# --- scores of many sums at once


@pytest.mark.parametrize("name", SACREBLEU)
def test_scores_are_sacrebleus(name: str) -> None:
    references, (first, second) = lossy_outputs(60, (0.1, 0.3))
    hypotheses = first[:20] + [""] * 5 + second[25:50] + ["nothing alike"] * 5 + first[55:]
    metric = build_metrics()[0][name]
    rows = SentenceStatistics(
        metric, hypotheses, [references, references[1:] + references[:1]]
    ).rows
    draw = np.random.default_rng(0)
    width = rows.shape[1]
    totals = np.vstack(
        [
            rows,  # single sentences: n-grams of few orders, none, empty hypotheses
            rows.cumsum(0),
            draw.integers(0, 3, size=(3000, width)),  # any pattern of zeros, possible or not
            draw.integers(0, 1000, size=(500, width)),
            np.zeros((1, width)),
        ]
    )
    expected = [
        SACREBLEU[name]()._compute_score_from_stats(total.tolist()).score for total in totals
    ]
    np.testing.assert_allclose(metric.scores(totals), expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize(
    "metric",
    [
        Bleu(smooth_method="floor"),
        Bleu(effective_order=True),
        Chrf(eps_smoothing=True),
        Chrf(word_order=2),
        Ter(),
    ],
)
def test_scores_with_other_settings_of_sacrebleu_equal_its_own(metric: SacreBleuMetric) -> None:
    references, (hypotheses,) = lossy_outputs(20, (0.3,))
    rows = SentenceStatistics(metric, hypotheses, [references]).rows
    expected = [metric.metric._compute_score_from_stats(row.tolist()).score for row in rows]
    np.testing.assert_allclose(metric.scores(rows), expected, rtol=0, atol=1e-9)


# --- resampling


def test_resampled_scores_against_resampled_text(monkeypatch: pytest.MonkeyPatch) -> None:
    references, systems = lossy_outputs(40, (0.1, 0.2, 0.3))
    runs = {
        (who, name): RunStatistics.of(
            [SentenceStatistics(metric, systems[i], [references]) for i in which]
        )
        for who, which in (("a", (0, 1)), ("b", (2,)))
        for name, metric in build_metrics()[0].items()
    }
    monkeypatch.setattr(bootstrap, "MAX_CELLS", 7 * 40)  # chunks of seven draws
    scored = resample_scores(runs, number=100)
    assert scored["a", "bleu"].scores.shape == (2, 100) and scored["b", "ter"].runs == 1
    for r, times in enumerate(itertools.islice(resamples(40, 100), 5)):
        for name in build_metrics()[0]:
            for k, system in enumerate(systems[:2]):
                lines, wanted = (np.repeat(side, times).tolist() for side in (system, references))
                assert scored["a", name].scores[k, r] == pytest.approx(
                    SACREBLEU[name]().corpus_score(lines, [wanted]).score, abs=1e-9
                )
    assert [scored[key].higher_is_better for key in (("a", "bleu"), ("a", "ter"))] == [True, False]
    assert scored["a", "chrf"].observed[1] == pytest.approx(
        CHRF().corpus_score(systems[1], [references]).score, abs=1e-9
    )


def test_some_sentences_are_a_test_set_of_their_own() -> None:
    references, systems = lossy_outputs(150, (0.1, 0.2))
    some = np.arange(5, 145, 1)
    rows = [SentenceStatistics(Bleu(), lines, [references]).rows for lines in systems]
    whole = [RunStatistics([r], Bleu().scores) for r in rows]
    part = [RunStatistics([r[some]], Bleu().scores) for r in rows]
    selected, alone = (
        resample_scores(dict(enumerate(runs)), which)
        for runs, which in ((whole, some), (part, None))
    )
    assert compare_systems(selected[1], selected[0]) == compare_systems(alone[1], alone[0])
    assert estimate(selected[0]) == estimate(alone[0]) and estimate(selected[0]).sentences == 140
    assert randomisation_p(*whole, some, 500) == randomisation_p(*part, None, 500)
    assert not estimate(selected[0]).small
    few = resample_scores(dict(enumerate(whole)), some[:99])
    assert estimate(few[0]).small and compare_systems(few[1], few[0]).small
    assert "too few sentences" in judge(compare_systems(few[1], few[0])).text


# --- bad calls


def test_runs_of_unequal_length_and_systems_without_runs_are_refused() -> None:
    rows = np.ones((5, 2))

    def runs(*which: np.ndarray) -> RunStatistics:
        return RunStatistics(which, lambda totals: totals[:, 0])

    with pytest.raises(UsageError, match="without runs"):
        runs()
    with pytest.raises(UsageError, match="without runs"):
        RunStatistics.of([])
    with pytest.raises(UsageError, match="5, 4"):
        runs(rows, rows[:4])
    with pytest.raises(UsageError, match="these have 4, 5"):
        resample_scores({"a": runs(rows), "b": runs(rows[:4])})
    with pytest.raises(UsageError, match="none"):
        resample_scores({})
    with pytest.raises(UsageError, match=">= 100 resamples"):
        resample_scores({"a": runs(rows)}, number=50)
    with pytest.raises(UsageError, match="no sentences"):
        resample_scores({"a": runs(rows)}, np.array([], dtype=int))
    with pytest.raises(UsageError, match="pairs runs"):
        randomisation_p(runs(rows), runs(rows, rows))
    with pytest.raises(UsageError, match="5 against 4"):
        randomisation_p(runs(rows), runs(rows[:4]))
    scored = [resample_scores({0: runs(rows)}, number=number)[0] for number in (100, 200)]
    with pytest.raises(UsageError, match="same resamples"):
        compare_systems(*scored)
