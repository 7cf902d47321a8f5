"""Verdicts, and the seeds or sentences needed, by textbook examples and in simulations."""

from __future__ import annotations

import numpy as np
import pytest

from helpers.simulated_runs import gaussian
from mt.comparison.statistics.bootstrap import resample_scores
from mt.comparison.statistics.significance import (
    CorrectedP,
    SystemDifference,
    VarianceParts,
    compare_systems,
    correct_p_values,
)
from mt.comparison.statistics.verdict import (
    ALPHA,
    describe_needed,
    judge,
    needed_for_verdict,
    power,
)


def difference(
    effect: float,
    common: float,
    per_seed: float,
    runs: int = 3,
    sentences: int = 1000,
    p: float = 0.3,
) -> SystemDifference:
    half = per_seed / 2
    tail = ((half, runs), (half, runs)) if runs > 1 else ()
    chance = VarianceParts(common + per_seed / runs, common, per_seed if runs > 1 else 0.0, tail)
    interval = (effect - 1, effect + 1) if p >= ALPHA else (effect / 2, effect * 1.5)
    return SystemDifference(
        effect, interval, p, None, sentences, (runs, runs), runs > 1, False, True, chance
    )


def test_the_verdict_follows_the_corrected_p_value_and_the_sign() -> None:
    better = judge(difference(2, 0.01, 0.1, p=0.004))
    assert (better.word, better.needed) == (
        "better",
        None,
    ) and better.text == "better (+2.0, 95 % interval +1.0 to +3.0, p = 0.004)"
    corrected = judge(difference(2, 0.01, 0.1, p=0.02), CorrectedP(0.06))
    assert corrected.word == "not distinguishable" and corrected.p == 0.06
    assert (
        judge(difference(-2, 0.01, 0.1, p=0.0001)).text.startswith("worse (-2.0")
        and "p < 0.001" in judge(difference(-2, 0.01, 0.1, p=1e-4)).text
    )
    text = judge(difference(0.5, 0.01, 0.5)).text
    assert text.startswith("not distinguishable (+0.5") and "seeds of each would be needed" in text


def test_the_number_of_seeds_needed_is_that_of_the_textbook() -> None:
    # Two samples of n, standard deviation 1, effect 1: n = 17 for power 0.8 (Cohen 1988, section
    # 2.4); effect 0.5: 64; 0.8: 26.
    for effect, n in ((1.0, 17), (0.8, 26), (0.5, 64)):
        assert needed_for_verdict(difference(effect, 0.0, 2.0)).seeds == pytest.approx(n, abs=1)
    stricter = needed_for_verdict(difference(1.0, 0.0, 2.0), alpha=0.01).seeds
    assert stricter == pytest.approx(
        2 * (2.576 + 0.842) ** 2 + 2.576**2 / 4, abs=1.5
    )  # normal theory, and what estimating s costs
    # Holm multiplied by five, also if the product is above 1: alpha is 0.01.
    for p, corrected in ((0.02, 0.1), (0.6, 1.0)):
        needed = judge(difference(1.0, 0.0, 2.0, p=p), CorrectedP(corrected, factor=5)).needed
        assert needed is not None and needed.seeds == stricter


def test_a_corrected_p_value_keeps_the_factor_of_its_correction() -> None:
    differences = [difference(1.0, 0.01, 0.1, p=p) for p in (0.01, 0.6, 0.5)]
    assert correct_p_values(differences) == [(0.03, False, 3), (1.0, False, 1), (1.0, False, 2)]


def test_a_test_set_that_is_too_small_asks_for_more_sentences() -> None:
    # (1.96 + 0.84)^2 = 7.85 times the variance 0.04 that 1000 sentences leave, over an effect of
    # 0.2 squared
    needed = needed_for_verdict(difference(0.2, 0.04, 0.1))
    assert needed.seeds is None and needed.sentences == pytest.approx(
        1000 * 7.849 * 0.04 / 0.04, abs=2
    )
    assert "test set is too small: about 78" in describe_needed(needed)
    assert (
        needed_for_verdict(difference(0.57, 0.04, 0.1)).seeds is not None
    )  # sqrt(7.85 x 0.04) = 0.560
    one = needed_for_verdict(difference(0.2, 0.04, 0.1, runs=1))
    assert (
        one.seeds is None
        and one.sentences == needed.sentences
        and "several seeds" in describe_needed(one)
    )
    uncertain = needed_for_verdict(
        difference(2.0, 0.04, 0.1, runs=1)
    )  # enough sentences; it is seeds that are missing
    assert (
        uncertain.sentences is None
        and describe_needed(uncertain) == "several seeds of each to tell the systems apart"
    )
    assert "not even 1000 seeds" in describe_needed(needed_for_verdict(difference(0.01, 0.0, 1.0)))
    assert needed_for_verdict(difference(0.0, 0.04, 0.1)).sentences is None


def test_the_fewer_runs_of_unequal_numbers_are_where_the_search_begins() -> None:
    chance = VarianceParts(0.5 / 3 + 0.5 / 30, 0.0, 1.0, ((0.5, 3), (0.5, 30)))
    found = SystemDifference(1.2, (-0.1, 2.5), 0.06, None, 1000, (3, 30), True, False, True, chance)
    seeds = needed_for_verdict(found).seeds
    assert (
        seeds is not None
        and 3 < seeds < 30
        and power(1.2, chance, seeds) >= 0.8 > power(1.2, chance, seeds - 1)
    )


def test_the_seeds_that_are_named_are_enough() -> None:
    # A pilot of known variances names a number; comparisons with that many find the effect in about
    # 80 of 100, with half of it not.
    draw = np.random.default_rng(4)
    effect, seeds, spread = 0.4, 0.3, 0.5
    variance = 0.01 + seeds**2
    known = VarianceParts(0.0, spread**2 / 100, 2 * variance, ((variance, 3), (variance, 3)))
    named = next(n for n in range(2, 100) if power(effect, known, n) >= 0.8)
    found = {}
    for runs in (named // 2, named):
        pairs = {}
        for trial in range(300):
            common = spread * draw.standard_normal(100)
            pairs[trial, 0] = gaussian(runs, draw, common, seeds, effect)
            pairs[trial, 1] = gaussian(runs, draw, 0 * common, seeds)
        scored = resample_scores(pairs, number=200)
        found[runs] = np.mean(
            [compare_systems(scored[t, 0], scored[t, 1]).p < ALPHA for t in range(300)]
        )
    assert found[named] == pytest.approx(0.8, abs=0.08) and found[named // 2] < 0.65
