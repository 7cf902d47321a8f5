"""Approximate randomisation (Noreen 1989; Riezler and Maxwell 2005): could the labels of two systems be exchanged?"""

from __future__ import annotations

import numpy as np

from mt.comparison.statistics.bootstrap import CELLS, Runs
from mt.errors import UsageError
from mt.evaluation.resampling import SEED

TRIALS = 10_000  # sacreBLEU's default
SAME = 1e-9  # differences closer than this differ by rounding only


def randomisation_p(
    variant: Runs, baseline: Runs, sentences: np.ndarray | None = None, trials: int = TRIALS
) -> float:
    """Two-sided p of the difference of two systems: how often random labels make one as large.

    In each trial a coin for each sentence decides whether the two systems swap their translations
    of it; p is (1 + trials with |difference| >= the observed one) / (1 + trials). With one run each
    the coins are sacreBLEU's and so is p, except that equal differences count here, as they must:
    sacreBLEU finds a system to differ from itself with p = 1 / (1 + trials).

    With K seeds, run k of one system is paired with run k of the other, one coin swaps the sentence
    in all pairs (the sentence is the unit: what is hard for one seed is hard for the next), and the
    difference is that of the means over seeds. The trained runs are fixed: it says whether *these
    runs* differ beyond the choice of sentences, not whether new seeds would. Permuting runs instead
    cannot tell with 3 seeds, whose least possible p is 2 / 20. `compare_systems` covers seeds.

    `sentences` [M] restricts the test to these indices. Raises UsageError where the numbers of runs
    or sentences differ.
    """
    if len(variant.rows) != len(baseline.rows):
        raise UsageError(
            f"randomisation pairs runs: {len(variant.rows)} of the one system and {len(baseline.rows)} of the other do not pair"
        )
    variant, baseline = variant.select(sentences), baseline.select(sentences)
    if variant.rows[0].shape != baseline.rows[0].shape:
        raise UsageError(
            f"systems to compare must have the same sentences: {len(variant.rows[0])} against {len(baseline.rows[0])}"
        )
    pairs = list(zip(variant.rows, baseline.rows, strict=True))
    score, count = variant.score, len(variant.rows[0])
    observed = np.mean(
        [score(a.sum(0, keepdims=True)) - score(b.sum(0, keepdims=True)) for a, b in pairs]
    )
    generator = np.random.default_rng(SEED)
    size = (
        max(1, CELLS // count // 32) * 32
    )  # random bits come in words of 32: so chunks draw what one draw of all would
    extreme = 0
    for start in range(0, trials, size):
        coins = generator.integers(2, size=(min(size, trials - start), count), dtype=bool).astype(
            np.float64
        )
        differences = np.zeros(len(coins))
        for a, b in pairs:
            first = a.sum(0) + coins @ (b - a)
            differences += score(first) - score(a.sum(0) + b.sum(0) - first)
        extreme += int((np.abs(differences / len(pairs)) >= abs(observed) - SAME).sum())
    return (1 + extreme) / (1 + trials)
