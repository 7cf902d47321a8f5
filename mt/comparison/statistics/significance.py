"""Confidence intervals of scores and of differences, over test sentences and over seeds.

A score averaged over K trained runs has three sources of variance: the sentences of the test set,
the seeds of the runs, and their interaction (another seed is better on other sentences). The
classical method, which resamples sentences and seeds (the pigeonhole bootstrap, Owen 2007), fails
in two ways for a small number of seeds: 2 or 3 resampled numbers vary too little, and the
interaction is counted three times. So sentences are resampled, and the part of the seeds is
computed:

- Draw r of the mean over runs is its score on resample r of the sentences (common to all runs and
  systems). Its variance V comprises the sentences and the interaction I / K.
- The variance of the runs' scores, S = s^2 / K, comprises the seeds and I / K again; the seeds add
  S - I / K, at least 0. I is the variance over resamples of the difference between a run and the
  mean of its system (analysis of variance with two crossed random effects). A normal deviate of
  that variance is added to each draw.
- s^2 of few runs is itself uncertain: the deviations are those of Student's t, with Satterthwaite's
  (1946) degrees of freedom, (V + S - I / K)^2 / sum over systems of S^2 / (K - 1). They are many
  if sentences matter most, and K - 1 if seeds do.

With one run nothing is added: this is the bootstrap over sentences, and `seeds_tested` is False.

`scripts/seed_coverage.py` estimates how often 95 % intervals cover the true value, in per cent. It
simulates an interaction of 1, a standard deviation between seeds of 0, 1 and 3, and one of 1 for
sentences, common to all runs:

                        this file           pigeonhole          pigeonhole, corrected
    one system, 2 seeds    97  95  90          97  94  84          98  96  89
    one system, 3 seeds    96  95  93          97  96  88          97  96  91
    one system, 5 seeds    95  95  95          96  96  93          97  96  94
    difference, 2 seeds    97  96  95          98  96  84          99  98  91
    difference, 3 seeds    96  96  96          98  97  90          99  98  94
    difference, 5 seeds    95  95  96          98  96  93          98  97  95
    same method, 2 seeds   98  96  96          99  95  80          100 98  89
    same method, 3 seeds   98  98  96          100 97  88          100 99  93
    same method, 5 seeds   98  96  96          100 98  92          100 99  94

The correction multiplies deviations of seeds by sqrt(K / (K - 1)). So equal systems are found to
differ in 2 to 4 % of comparisons. The interval of one system with two very different seeds is still
too narrow (90 %). Seeds are assumed to be normally distributed about their mean, which is wrong for
runs that sometimes fail to learn.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from mt.comparison.statistics.bootstrap import ResampledScores
from mt.errors import UsageError
from mt.evaluation.resampling import SEED

SEED_DRAWS = 20  # of the seeds' part for each resample of the sentences: smooth the tails
ROUNDING = 1e-9  # smaller differences are rounding errors


@dataclass(frozen=True)
class VarianceParts:
    """Variance of a mean score, or of a difference of two, by source; in squared points."""

    total: float  # of the estimate with the actual number of runs
    # Of the sentences, for any number of seeds; with one run it includes the interaction.
    common: float
    # Of one seed: K seeds contribute this / K; 0 if seeds were not tested.
    per_seed: float
    # For each system with several runs: variance between runs, and their number.
    between_runs: tuple[tuple[float, int], ...]

    def variance(self, runs: int) -> float:
        """Return the variance of the estimate if every system had this many runs."""
        return self.common + self.per_seed / runs

    def freedom(self, runs: int | None = None) -> float:
        """Return Satterthwaite's degrees of freedom; infinite if only sentences have variance.

        `runs` is the number of runs of every system; None: the actual numbers.
        """
        variance = self.total if runs is None else self.variance(runs)
        below = sum(
            (between / (runs or k)) ** 2 / ((runs or k) - 1) for between, k in self.between_runs
        )
        # Below 1 only by rounding, if all runs are the same.
        return max(1.0, variance**2 / below) if below > 0 else np.inf


@dataclass(frozen=True)
class ScoreEstimate:
    """Score of a system over its runs."""

    mean: float
    interval: tuple[float, float]  # 95 %
    values: tuple[float, ...]  # of each run
    deviation: float | None  # standard deviation between runs; None for one run
    sentences: int
    seeds_tested: bool  # False: the interval covers the choice of sentences only
    small: bool  # too few sentences for a meaningful score


@dataclass(frozen=True)
class SystemDifference:
    """Score of a variant minus that of the baseline, over the runs of both."""

    effect: float
    interval: tuple[float, float]  # 95 %
    p: float  # two-sided
    p_sacrebleu: float | None  # one-sided, of its paired bootstrap; only for one run each
    sentences: int
    runs: tuple[int, int]
    seeds_tested: bool  # False: a side has one run, and the interval does not cover its seed
    small: bool
    higher_is_better: bool
    variance_parts: VarianceParts
    p_is_bound: bool = False  # no draw is beyond 0: more resamples could give a lower p


class CorrectedP(NamedTuple):
    """Hold the p-value of a difference, corrected for the other tests of its family."""

    p: float
    is_bound: bool = False  # more resamples could give a lower one
    factor: int = 1  # a test without correction must meet alpha divided by it


def estimate(system: ResampledScores) -> ScoreEstimate:
    """Estimate the score that is expected of new seeds on new sentences of this kind.

    Returns the mean over runs; the interval is the middle 95 % of the draws (see the top of this
    file).
    """
    draws, parts = _draws([(1, system)])
    return ScoreEstimate(
        mean=float(system.observed.mean()),
        interval=_middle(draws),
        values=tuple(system.observed.tolist()),
        deviation=float(system.observed.std(ddof=1)) if system.runs > 1 else None,
        sentences=system.sentences,
        seeds_tested=bool(parts.between_runs),
        small=system.small,
    )


def compare_systems(variant: ResampledScores, baseline: ResampledScores) -> SystemDifference:
    """Compute the paired difference: the same resampled sentences for both sides, own seeds.

    p is twice the share of draws on the far side of no difference, which is Koehn's (2004) count of
    the resamples that the weaker system wins, made two-sided; with the usual + 1 for the observed
    sample, and ties on both sides. On six sentences or more, p < 0.05 if and only if the interval
    excludes 0, up to rounding. Resamples of fewer sentences are too similar; so p is at least that
    of N signs that all agree, 2 / 2^N, and no difference is found on them.

    sacreBLEU's formula, the share of (|d_r| - mean |d|) > |d|, counts one tail only, so that it
    finds a difference in 8 to 12 % of comparisons of equal systems at p < 0.05; `p_sacrebleu` has
    it for comparison.

    Both sides must come from one call of `resample_scores`, or from calls with the same sentences
    and number of resamples: raises UsageError if these differ.
    """
    if (
        variant.sentences != baseline.sentences
        or variant.scores.shape[1] != baseline.scores.shape[1]
    ):
        raise UsageError(
            "systems to compare must be scored on the same resamples of the same sentences"
        )
    effect = float(variant.observed.mean() - baseline.observed.mean())
    draws, parts = _draws([(1, variant), (-1, baseline)])
    number = variant.scores.shape[1]
    beyond = min((draws <= ROUNDING).mean(), (draws >= -ROUNDING).mean()) * number
    p_draws, p_signs = float(2 * (1 + beyond) / (1 + number)), 2.0 ** (1 - variant.sentences)
    single = variant.runs == baseline.runs == 1
    return SystemDifference(
        effect=effect,
        interval=_middle(draws),
        p=min(1.0, max(p_draws, p_signs)),
        p_sacrebleu=_sacrebleu_p(variant.scores[0] - baseline.scores[0], effect)
        if single
        else None,
        sentences=variant.sentences,
        runs=(variant.runs, baseline.runs),
        seeds_tested=variant.runs > 1 and baseline.runs > 1,
        small=variant.small,
        higher_is_better=variant.higher_is_better,
        variance_parts=parts,
        p_is_bound=beyond == 0 and p_draws > p_signs,
    )


def correct_p_values(differences: Sequence[SystemDifference]) -> list[CorrectedP]:
    """Correct the p-values of one family by Holm."""
    p_values = [difference.p for difference in differences]
    least = holm([0.0 if difference.p_is_bound else difference.p for difference in differences])
    return [
        CorrectedP(p, lower < p, factor)
        for p, lower, factor in zip(holm(p_values), least, holm_factors(p_values), strict=True)
    ]


def holm(p_values: Sequence[float]) -> list[float]:
    """Correct p-values for multiple tests (Holm 1979): each times its factor (`holm_factors`).

    Returns them in the given order, none above 1 or below that of a lower p-value. If hypotheses
    with a corrected p below alpha are rejected, the probability of any false rejection is at most
    alpha.
    """
    corrected, least = [0.0] * len(p_values), 0.0
    factors = holm_factors(p_values)
    for index in sorted(range(len(p_values)), key=lambda index: -factors[index]):
        least = max(least, min(1.0, factors[index] * p_values[index]))
        corrected[index] = least
    return corrected


def holm_factors(p_values: Sequence[float]) -> list[int]:
    """Return the factor of each of n p-values: n for the least, n - 1 for the next ..."""
    factors = [0] * len(p_values)
    for rank, index in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        factors[index] = len(p_values) - rank
    return factors


def _draws(systems: Sequence[tuple[int, ResampledScores]]) -> tuple[np.ndarray, VarianceParts]:
    """Draw a signed sum of mean scores: [R], or [R * SEED_DRAWS] if seeds were tested.

    Returns the draws and the parts of their variance.
    """
    centre = sum(sign * system.observed.mean() for sign, system in systems)
    means = sum(sign * system.scores.mean(0) for sign, system in systems)  # [R]
    sentences = float(np.var(means, ddof=1))
    several = [system for _, system in systems if system.runs > 1]
    between = [float(system.observed.var(ddof=1)) for system in several]
    interaction = [
        float((s.scores - s.scores.mean(0)).var(axis=1, ddof=1).sum() / (s.runs - 1))
        for s in several
    ]
    shared = sum(i / s.runs for i, s in zip(interaction, several, strict=True))
    seeds = max(0.0, sum(b / s.runs for b, s in zip(between, several, strict=True)) - shared)
    parts = VarianceParts(
        total=sentences + seeds,
        common=max(0.0, sentences - shared),
        per_seed=max(sum(between), sum(interaction)),
        between_runs=tuple((b, s.runs) for b, s in zip(between, several, strict=True)),
    )
    freedom = parts.freedom()
    if not several or not np.isfinite(freedom):
        return means, parts
    generator = np.random.default_rng([SEED, 1])  # independent of the draws of sentences
    deviations = np.tile(means - centre, SEED_DRAWS)
    deviations += np.sqrt(seeds) * generator.standard_normal(len(deviations))
    return centre + deviations * np.sqrt(
        freedom / generator.chisquare(freedom, len(deviations))
    ), parts


def _middle(draws: np.ndarray) -> tuple[float, float]:
    """Return the middle 95 %, with the same limits as sacreBLEU."""
    draws, cut = np.sort(draws), len(draws) // 40
    return float(draws[cut]), float(draws[-cut - 1])


def _sacrebleu_p(differences: np.ndarray, effect: float) -> float:
    """Compute p of `sacrebleu.significance` 2.6, test type "bs", from resampled differences [R]."""
    sizes = np.abs(differences)
    return float((1 + (sizes - sizes.mean() > abs(effect)).sum()) / (1 + len(sizes)))
