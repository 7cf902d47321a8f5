"""Approximate randomisation test of two systems (Noreen 1989; Riezler and Maxwell 2005)."""

from __future__ import annotations

import numpy as np

from mt.comparison.statistics.bootstrap import MAX_CELLS, RunStatistics
from mt.errors import UsageError
from mt.evaluation.resampling import SEED

DEFAULT_TRIALS = 10_000  # sacreBLEU's default
ROUNDING = 1e-9  # smaller differences are rounding errors


def randomisation_p(
    variant: RunStatistics,
    baseline: RunStatistics,
    sentences: np.ndarray | None = None,
    trials: int = DEFAULT_TRIALS,
) -> float:
    """Return the two-sided p-value of a difference: how often random labels give one as large.

    In each trial a coin for each sentence decides whether the two systems swap their translations
    of it; p is (1 + trials with |difference| >= the observed one) / (1 + trials). With one run each
    the coins are sacreBLEU's and so is p, except that equal differences count here, as they must:
    sacreBLEU finds a system to differ from itself with p = 1 / (1 + trials).

    With K seeds, run k of one system is paired with run k of the other, one coin swaps the sentence
    in all pairs (the sentence is the unit: what is hard for one seed is hard for the next), and the
    difference is that of the means over seeds. The trained runs are fixed: the test says whether
    *these runs* differ beyond the choice of sentences, not whether new seeds would. Permuting runs
    instead is no option with 3 seeds, whose least possible p is 2 / 20. `compare_systems` covers
    seeds.

    `sentences` [M] restricts the test to these indices. Raises UsageError if the numbers of runs or
    sentences differ.
    """
    if len(variant.rows) != len(baseline.rows):
        raise UsageError(
            "randomisation pairs runs, but one system has "
            f"{len(variant.rows)} and the other {len(baseline.rows)}"
        )
    variant, baseline = variant.select(sentences), baseline.select(sentences)
    if variant.rows[0].shape != baseline.rows[0].shape:
        raise UsageError(
            "systems to compare must have the same sentences: "
            f"{len(variant.rows[0])} against {len(baseline.rows[0])}"
        )
    pairs = list(zip(variant.rows, baseline.rows, strict=True))
    score, count = variant.score, len(variant.rows[0])
    observed = np.mean(
        [score(a.sum(0, keepdims=True)) - score(b.sum(0, keepdims=True)) for a, b in pairs]
    )
    generator = np.random.default_rng(SEED)
    # Random bits come in words of 32: such chunks draw the same coins as one draw of all.
    size = max(1, MAX_CELLS // count // 32) * 32
    extreme = 0
    for start in range(0, trials, size):
        coins = generator.integers(2, size=(min(size, trials - start), count), dtype=bool).astype(
            np.float64
        )
        differences = np.zeros(len(coins))
        for a, b in pairs:
            first = a.sum(0) + coins @ (b - a)
            differences += score(first) - score(a.sum(0) + b.sum(0) - first)
        extreme += int((np.abs(differences / len(pairs)) >= abs(observed) - ROUNDING).sum())
    return (1 + extreme) / (1 + trials)
