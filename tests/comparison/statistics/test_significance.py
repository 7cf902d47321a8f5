"""Statistics of comparisons against sacreBLEU's own, slow references, hand examples and simulations of known truth."""

from __future__ import annotations

import gzip
import itertools
import random
from pathlib import Path

import numpy as np
import pytest
from sacrebleu.metrics import BLEU, CHRF, TER
from sacrebleu.significance import PairedTest

import mt.comparison.statistics.bootstrap as bootstrap
import mt.comparison.statistics.randomisation as randomisation
from helpers.simulated_runs import gaussian
from mt.comparison.statistics.bootstrap import ResampledScores, RunStatistics, resample_scores
from mt.comparison.statistics.randomisation import randomisation_p
from mt.comparison.statistics.significance import VarianceParts, compare_systems, estimate, holm
from mt.comparison.statistics.verdict import ALPHA, judge
from mt.errors import UsageError
from mt.evaluation.metrics import build_metrics
from mt.evaluation.resampling import resamples
from mt.evaluation.sacrebleu_metrics import Bleu, Chrf, SacreBleuMetric, Ter
from mt.evaluation.sentence_statistics import SentenceStatistics

SACREBLEU = {"bleu": BLEU, "chrf": CHRF, "ter": TER}
WORDS = [f"word{i}" for i in range(300)]


def outputs(
    size: int, losses: tuple[float, ...], seed: int = 0
) -> tuple[list[str], list[list[str]]]:
    """References, and a system for each share of words lost."""
    draw = random.Random(seed)
    references = [" ".join(draw.choices(WORDS, k=draw.randint(3, 25))) for _ in range(size)]
    systems = [
        [" ".join(w for w in line.split() if draw.random() > loss) for line in references]
        for loss in losses
    ]
    return references, systems


# Scores of many sums at once


@pytest.mark.parametrize("name", SACREBLEU)
def test_scores_are_sacrebleus(name: str) -> None:
    references, (first, second) = outputs(60, (0.1, 0.3))
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
    references, (hypotheses,) = outputs(20, (0.3,))
    rows = SentenceStatistics(metric, hypotheses, [references]).rows
    expected = [metric.metric._compute_score_from_stats(row.tolist()).score for row in rows]
    np.testing.assert_allclose(metric.scores(rows), expected, rtol=0, atol=1e-9)


# Resampling


def test_resampled_scores_against_resampled_text(monkeypatch: pytest.MonkeyPatch) -> None:
    references, systems = outputs(40, (0.1, 0.2, 0.3))
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
        for name, metric in build_metrics()[0].items():
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
    references, systems = outputs(150, (0.1, 0.2))
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


# Against sacreBLEU


@pytest.mark.parametrize("loss", [0.1, 0.105, 0.12, 0.15])
def test_single_runs_agree_with_sacrebleus_paired_tests(loss: float) -> None:
    check_against_sacrebleu(*outputs(110, (0.1, loss)), trials=1000)


def check_against_sacrebleu(
    references: list[str],
    systems: list[list[str]],
    trials: int,
    names: tuple[str, ...] = ("bleu", "chrf"),
) -> None:
    runs = {
        (i, n): RunStatistics.of(
            [SentenceStatistics(build_metrics()[0][n], systems[i], [references])]
        )
        for i in (0, 1)
        for n in names
    }
    scored = resample_scores(runs)
    tests = {
        kind: PairedTest(
            [("a", systems[0]), ("b", systems[1])],
            {n: SACREBLEU[n]() for n in names},
            [references],
            kind,
            number,
        )()[1]
        for kind, number in (("bs", 1000), ("ar", trials))
    }
    for name, theirs in zip(names, [key for key in tests["bs"] if key != "System"], strict=True):
        ours = compare_systems(scored[1, name], scored[0, name])
        first, second = tests["bs"][theirs]
        assert ours.effect == pytest.approx(second.score - first.score, abs=1e-9)
        assert ours.p_sacrebleu == pytest.approx(
            second.p_value, abs=0.0021
        )  # it sums in single precision: a draw may tip over
        low, high = estimate(scored[1, name]).interval
        assert (high - low) / 2 == pytest.approx(second.ci, abs=1e-3)
        if ours.p_sacrebleu < 0.05:  # far from 0 its formula is the one end of the two-sided p
            assert ours.p == pytest.approx(2 * ours.p_sacrebleu, abs=0.03)
        ties = (
            randomisation_p(runs[1, name], runs[0, name], trials=trials)
            - tests["ar"][theirs][1].p_value
        )
        assert (
            -1e-12 < ties < 1.5 / trials
        )  # the same coins; one trial may tie, which sacreBLEU does not count


def read(path: Path) -> list[str]:
    return gzip.decompress(path.read_bytes()).decode("utf-8").split("\n")[:-1]


@pytest.mark.realdata
def test_agrees_with_sacrebleu_on_ted(realdata: Path) -> None:
    folder = realdata / "compare-mt-ted"
    references, *systems = (
        read(folder / f"ted.{name}.detok.eng.gz") for name in ("ref", "sys1", "sys2")
    )
    check_against_sacrebleu(references, systems, 500, ("bleu",))


@pytest.mark.realdata
@pytest.mark.parametrize(
    "pair, first, second, ref",
    [("en-cs", "CUNI-Bergamot", "Online-B", "B"), ("en-de", "Online-W", "Online-B", "A")],
)
def test_agrees_with_sacrebleu_on_wmt22(
    realdata: Path, pair: str, first: str, second: str, ref: str
) -> None:
    folder, target = realdata / "wmt22-systems", pair[-2:]
    systems = [read(folder / f"{pair}.hyp.{name}.{target}.gz") for name in (first, second)]
    check_against_sacrebleu(read(folder / f"{pair}.ref.{ref}.{target}.gz"), systems, 500, ("bleu",))


@pytest.mark.realdata
def test_random_halves_of_two_systems_are_told_apart_as_often_as_chance_says(
    realdata: Path,
) -> None:
    # The A/A test: swap the sentences of two real systems at random, and p < 0.05 should come in 5
    # % of the trials.
    folder = realdata / "compare-mt-ted"
    references, *systems = (
        read(folder / f"ted.{name}.detok.eng.gz")[:600] for name in ("ref", "sys1", "sys2")
    )
    rows = [SentenceStatistics(Bleu(), lines, [references]).rows for lines in systems]
    draw = np.random.default_rng(0)
    runs = {}
    for trial in range(500):
        coins = draw.integers(2, size=(600, 1))
        runs[trial, 0], runs[trial, 1] = (
            RunStatistics([np.where(coins == s, *rows)], Bleu().scores) for s in (0, 1)
        )
    scored = resample_scores(runs, number=500)
    results = [compare_systems(scored[t, 0], scored[t, 1]) for t in range(500)]
    by_swaps = [randomisation_p(runs[t, 0], runs[t, 1], trials=200) for t in range(500)]
    assert 0.03 <= np.mean([r.p < 0.05 for r in results]) <= 0.07
    assert 0.03 <= np.mean([p < 0.05 for p in by_swaps]) <= 0.07
    assert (
        np.mean([(r.p_sacrebleu or 0) < 0.05 for r in results]) > 0.08
    )  # why p is not sacreBLEU's


@pytest.mark.realdata
def test_a_planted_difference_is_found_on_ted(realdata: Path) -> None:
    # The same mixtures of two real systems, of which one has the reference itself in 5 % of the
    # sentences.
    folder = realdata / "compare-mt-ted"
    references, *systems = (
        read(folder / f"ted.{name}.detok.eng.gz")[:600] for name in ("ref", "sys1", "sys2")
    )
    one, other, best = (
        SentenceStatistics(Bleu(), lines, [references]).rows for lines in (*systems, references)
    )
    draw = np.random.default_rng(1)
    runs = {}
    for trial in range(40):
        coins, planted = draw.integers(2, size=(600, 1)), draw.random((600, 1)) < 0.05
        mixed = np.where(coins, one, other), np.where(coins, other, one)
        runs[trial, 0], runs[trial, 1] = (
            RunStatistics([rows], Bleu().scores)
            for rows in (np.where(planted, best, mixed[0]), mixed[1])
        )
    scored = resample_scores(runs, number=500)
    results = [compare_systems(scored[t, 0], scored[t, 1]) for t in range(40)]
    assert np.mean([r.p < 0.05 and r.effect > 0 for r in results]) >= 0.95
    assert (
        np.mean([randomisation_p(runs[t, 0], runs[t, 1], trials=200) < 0.05 for t in range(40)])
        >= 0.95
    )


# Identical systems, intervals and p


def test_a_system_does_not_differ_from_itself() -> None:
    references, systems = outputs(120, (0.1, 0.2))
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
    references, systems = outputs(120, (0.1, 0.12))
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
    references, systems = outputs(120, (0.1, 0.1, 0.4, 0.4))
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


@pytest.mark.parametrize("seeds", [0.0, 0.3])
@pytest.mark.parametrize("runs", [2, 3, 5])
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


# Approximate randomisation over seeds


def test_randomisation_swaps_a_sentence_in_all_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    references, systems = outputs(40, (0.1, 0.11, 0.11, 0.12))
    variant, baseline = (
        RunStatistics.of([SentenceStatistics(Bleu(), systems[i], [references]) for i in which])
        for which in ((0, 1), (2, 3))
    )
    monkeypatch.setattr(randomisation, "MAX_CELLS", 40 * 32)
    ours = randomisation_p(variant, baseline, trials=60)

    def mean(which: list[list[str]]) -> float:
        return float(np.mean([BLEU().corpus_score(lines, [references]).score for lines in which]))

    observed, extreme = abs(mean(systems[:2]) - mean(systems[2:])), 0
    for coins in np.random.default_rng(12345).integers(2, size=(60, 40), dtype=bool):
        first, second = (
            [
                [x[c] for c, x in zip(coins * 1, zip(a, b, strict=True), strict=True)]
                for a, b in pairs
            ]
            for pairs in both(systems)
        )
        extreme += abs(mean(first) - mean(second)) >= observed - 1e-9
    assert ours == (1 + extreme) / 61


def both(systems: list[list[str]]) -> tuple[list, list]:
    return [(systems[0], systems[2]), (systems[1], systems[3])], [
        (systems[2], systems[0]),
        (systems[3], systems[1]),
    ]


def test_randomisation_over_seeds_is_fair_to_sentences_that_are_hard_for_all() -> None:
    draw = np.random.default_rng(3)
    values = []
    for _ in range(300):
        variant, baseline = (gaussian(3, draw, draw.standard_normal(60), 0.0) for _ in range(2))
        values.append(randomisation_p(variant, baseline, trials=200))
    assert (
        0.02 <= np.mean(np.array(values) < 0.05) <= 0.09
    )  # with a coin for each pair it would be 25 %


# Several variants


def test_holm_by_hand_and_against_the_definition() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([]) == [] and holm([0.2]) == [0.2] and holm([0.9, 0.8]) == [1, 1]
    draw = np.random.default_rng(0)
    for _ in range(50):
        p = draw.choice(
            [0.001, 0.004, 0.011, 0.02, 0.03, 0.2, 0.6], size=draw.integers(1, 8)
        ).tolist()
        for alpha in (0.05, 0.01, 0.2):
            rejected, rank = set(), 0
            order = sorted(range(len(p)), key=lambda i: p[i])
            while rank < len(p) and p[order[rank]] <= alpha / (
                len(p) - rank
            ):  # step down, stop at the first that is kept
                rejected.add(order[rank])
                rank += 1
            # rounding: compare a little inside
            assert {i for i, c in enumerate(holm(p)) if c <= alpha + 1e-12} == rejected


# Bad calls


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
