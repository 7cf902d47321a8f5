"""Intervals and p-values, by hand and in simulations."""

from __future__ import annotations

import numpy as np
import pytest
from sacrebleu.metrics import BLEU, CHRF, TER

from helpers.simulated_runs import gaussian
from helpers.simulated_text import lossy_outputs
from mt.comparison.statistics.bootstrap import ResampledScores, RunStatistics, resample_scores
from mt.comparison.statistics.randomisation import randomisation_p
from mt.comparison.statistics.significance import VarianceParts, compare_systems, estimate
from mt.comparison.statistics.verdict import ALPHA, judge
from mt.evaluation.metrics import build_metrics
from mt.evaluation.sacrebleu_metrics import Bleu
from mt.evaluation.sentence_statistics import SentenceStatistics

SACREBLEU = {"bleu": BLEU, "chrf": CHRF, "ter": TER}


def test_a_system_does_not_differ_from_itself() -> None:
    references, systems = lossy_outputs(120, (0.1, 0.2))
    runs = [
        RunStatistics.of([SentenceStatistics(Bleu(), lines, [references]) for lines in lines_of])
        for lines_of in (systems, systems[::-1], systems[:1])
    ]
    scored = resample_scores(dict(enumerate(runs)))
    for variant, baseline in ((0, 0), (0, 1), (2, 2)):
        difference = compare_systems(scored[variant], scored[baseline])
        assert (
            difference.effect == pytest.approx(0, abs=1e-9) and difference.p > 0.98
        )  # 1, but for the draws of seeds
        assert difference.seeds_tested or difference.p == 1
        assert judge(difference).word == "not distinguishable"
        assert randomisation_p(runs[variant], runs[baseline], trials=100) == 1


def test_one_run_is_the_bootstrap_over_sentences_and_says_so() -> None:
    references, systems = lossy_outputs(120, (0.1, 0.12))
    statistics = [SentenceStatistics(Bleu(), lines, [references]) for lines in systems]
    scored = resample_scores({i: RunStatistics.of([s]) for i, s in enumerate(statistics)})
    assert estimate(scored[0]).interval == pytest.approx(statistics[0].score(bootstrap=1000).ci)
    assert (estimate(scored[0]).seeds_tested, estimate(scored[0]).deviation) == (False, None)
    difference = compare_systems(scored[1], scored[0])
    draws = np.sort(scored[1].scores[0] - scored[0].scores[0])
    assert difference.interval == (draws[25], draws[974])
    won = (draws >= 0).sum()  # Koehn's count: resamples that the weaker system wins
    assert difference.effect < 0 and difference.p == pytest.approx(2 * (1 + won) / 1001)
    assert "seeds were not tested" in judge(difference).text


@pytest.mark.parametrize("runs", [1, 2])
def test_no_difference_is_found_on_fewer_than_six_sentences(runs: int) -> None:
    def compared(size: int):
        # Every sentence says the same, as loudly as can be.
        sides = {
            name: RunStatistics(
                [np.full((size, 1), value)] * runs, lambda totals: totals[:, 0] / size
            )
            for name, value in (("a", 9), ("b", 1))
        }
        scored = resample_scores(sides)
        return compare_systems(scored["a"], scored["b"])

    assert [compared(size).p for size in (1, 2, 5)] == [1, 0.5, 0.0625]
    one = judge(compared(1))
    assert (
        one.word == "not distinguishable" and one.needed is not None and one.needed.sentences == 6
    )
    assert judge(compared(6)).word == "better"


def test_the_effect_is_the_difference_of_mean_scores() -> None:
    references, systems = lossy_outputs(120, (0.1, 0.1, 0.4, 0.4))
    words = {}
    for name, metric in build_metrics()[0].items():
        good, bad = (
            RunStatistics.of([SentenceStatistics(metric, systems[i], [references]) for i in which])
            for which in ((0, 1), (2, 3))
        )
        scored = resample_scores({"good": good, "bad": bad})
        difference = compare_systems(scored["good"], scored["bad"])
        values = [metric.corpus_score(lines, [references]) for lines in systems]
        assert difference.effect == pytest.approx(sum(values[:2]) / 2 - sum(values[2:]) / 2)
        assert estimate(scored["good"]).values == pytest.approx(values[:2])
        assert estimate(scored["good"]).deviation == pytest.approx(
            abs(values[0] - values[1]) / 2**0.5
        )
        words[name] = (
            judge(difference).word,
            judge(compare_systems(scored["bad"], scored["good"])).word,
        )
    assert words == dict.fromkeys(
        SACREBLEU, ("better", "worse")
    )  # though a good TER is a small one


def test_interval_and_p_agree() -> None:
    draw = np.random.default_rng(0)
    runs = {}
    for trial in range(200):
        common = draw.standard_normal(100)
        runs[trial, 0] = gaussian(3, draw, common, 0.1, 0.2)
        runs[trial, 1] = gaussian(3, draw, common, 0.1)
    scored = resample_scores(runs, number=200)
    results = [compare_systems(scored[t, 0], scored[t, 1]) for t in range(200)]
    assert 20 < sum(r.p < ALPHA for r in results) < 180
    for r in results:
        outside = not r.interval[0] <= 0 <= r.interval[1]
        assert (r.p < ALPHA) == outside or abs(r.p - ALPHA) < 0.012  # the + 1 of p


@pytest.mark.medium
@pytest.mark.parametrize(
    ("runs", "seeds"),
    [
        *((2, 0.3), (3, 0.0)),
        *(
            pytest.param(*case, marks=pytest.mark.slow)
            for case in ((2, 0.0), (3, 0.3), (5, 0.0), (5, 0.3))
        ),
    ],
)
def test_equal_systems_differ_in_one_of_twenty_and_intervals_hold_the_truth(
    runs: int, seeds: float
) -> None:
    # Noise of the mean over 100 sentences: 0.1. So seeds matter not at all or three times as much.
    draw = np.random.default_rng(1)
    pairs = {
        (trial, side): gaussian(runs, draw, np.zeros(100), seeds)
        for trial in range(600)
        for side in range(2)
    }
    scored = resample_scores(pairs, number=400)
    alarms = np.mean([compare_systems(scored[t, 0], scored[t, 1]).p < ALPHA for t in range(600)])
    assert (
        (0.015 if seeds else 0) <= alarms <= 0.07
    )  # two standard errors above 5 %; without a seed's effect it is careful: about 2 %
    held = np.mean(
        [low <= 0 <= high for low, high in (estimate(s).interval for s in scored.values())]
    )
    assert 0.88 < held < 0.99 if runs == 2 else 0.92 < held < 0.985


def test_variances_are_taken_apart() -> None:
    draw = np.random.default_rng(2)
    pairs = {}
    for trial in range(100):
        common = 2 * draw.standard_normal(100)
        pairs[trial, 0] = gaussian(
            4, draw, common, 0.3
        )  # paired: what is common to both sides is not in the difference
        pairs[trial, 1] = gaussian(4, draw, 0 * common, 0.3)
    scored = resample_scores(pairs, number=400)
    chances = [compare_systems(scored[t, 0], scored[t, 1]).variance_parts for t in range(100)]
    assert np.mean([c.common for c in chances]) == pytest.approx(0.04, rel=0.1)  # 2^2 / 100
    assert np.mean([c.per_seed for c in chances]) == pytest.approx(2 * (0.01 + 0.09), rel=0.15)
    assert np.mean([c.total for c in chances]) == pytest.approx(0.04 + 0.2 / 4, rel=0.1)
    mixed = compare_systems(
        scored[0, 0], ResampledScores(scored[0, 1].observed[:1], scored[0, 1].scores[:1], 100, True)
    )
    assert not mixed.seeds_tested and mixed.p_sacrebleu is None and mixed.runs == (4, 1)
    assert mixed.effect == pytest.approx(scored[0, 0].observed.mean() - scored[0, 1].observed[0])


def test_degrees_of_freedom_equal_those_of_welch_by_hand() -> None:
    # By hand: two systems of 3 runs, variances 2 and 1, nothing from sentences: (2/3 + 1/3)^2 /
    # ((2/3)^2 / 2 + (1/3)^2 / 2).
    chance = VarianceParts(1.0, 0.0, 3.0, ((2.0, 3), (1.0, 3)))
    assert chance.freedom() == chance.freedom(3) == pytest.approx(1 / (4 / 18 + 1 / 18))
    assert VarianceParts(5.0, 5.0, 0.0, ()).freedom() == np.inf
