"""How sure are a score and a difference, over test sentences and over seeds?

A score averaged over K trained runs has four sources of chance: which sentences are in the test
set, which seeds were run, and how these two go together (another seed is better on other
sentences). The classical way, resampling sentences and seeds alike (the pigeonhole bootstrap, Owen
2007), fails both ways for the few seeds that one can afford: 2 or 3 numbers resampled vary too
little, and the interaction is counted three times. So sentences are resampled and the seeds' part
is computed:

- Draw r of the mean over runs is its score on resample r of the sentences (common to all runs and
  systems). Its variance V holds the sentences and the interaction I / K.
- The variance of the runs' scores, S = s^2 / K, holds the seeds and I / K once more; what the seeds
  add is S - I / K, at least 0. I is the variance over resamples of what a run has beyond the mean
  of its system (analysis of variance with two crossed random effects). A normal deviate of that
  variance is added to each draw.
- s^2 of few runs is itself uncertain: the deviations are those of Student's t, with Satterthwaite's
  (1946) degrees of freedom, (V + S - I / K)^2 / sum over systems of S^2 / (K - 1). They are many
  where sentences matter most, K - 1 where seeds do.

With one run nothing is added: this is the bootstrap over sentences, and the result says that seeds
were not tested.

`scripts/seed_coverage.py` measures how often intervals of 95 % hold the truth, simulated with an
interaction of 1 and a standard deviation between seeds of 0, 1 and 3 (per cent; sentences, common
to all runs, 1):

                        this file           pigeonhole          pigeonhole, deviations of seeds x sqrt(K / (K - 1))
    one system, 2 seeds    97  95  90          97  94  84          98  96  89
    one system, 3 seeds    96  95  93          97  96  88          97  96  91
    one system, 5 seeds    95  95  95          96  96  93          97  96  94
    difference, 2 seeds    97  96  95          98  96  84          99  98  91
    difference, 3 seeds    96  96  96          98  97  90          99  98  94
    difference, 5 seeds    95  95  96          98  96  93          98  97  95
    same method, 2 seeds   98  96  96          99  95  80          100 98  89
    same method, 3 seeds   98  98  96          100 97  88          100 99  93
    same method, 5 seeds   98  96  96          100 98  92          100 99  94

So equal systems are found to differ in 2 to 4 % of comparisons, and an interval of one system is
too narrow, still, where it has two seeds that differ much (90 %). Seeds are taken to be normal
about their mean: runs that now and then fail to learn are not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mt.comparison.statistics.bootstrap import Resampled
from mt.errors import UsageError
from mt.evaluation.resampling import SEED

COPIES = 20  # deviates of the seeds' part for each resample of the sentences: they cost nothing, and smooth the ends
SAME = 1e-9  # scores closer than this differ by rounding only


@dataclass(frozen=True)
class Chance:
    """Where the uncertainty of a mean score, or of a difference of two, comes from: variances in squared points."""

    total: float  # of the estimate with the runs there are
    common: float  # of the sentences, however many seeds are run; with one run it holds the interaction too
    per_seed: (
        float  # what K seeds leave of the seeds' part is this / K; 0 where seeds were not tested
    )
    tail: tuple[
        tuple[float, int], ...
    ]  # for each system with several runs: variance between runs, and their number

    def variance(self, runs: int) -> float:
        """Variance of the estimate if every system had this many runs."""
        return self.common + self.per_seed / runs

    def freedom(self, runs: int | None = None) -> float:
        """Satterthwaite's degrees of freedom, with the runs there are or with so many; infinite where only sentences count."""
        variance = self.total if runs is None else self.variance(runs)
        below = sum((between / (runs or k)) ** 2 / ((runs or k) - 1) for between, k in self.tail)
        return (
            max(1.0, variance**2 / below) if below > 0 else np.inf
        )  # below 1 only by rounding, of runs that are all the same


@dataclass(frozen=True)
class Estimate:
    """A system's score over its runs."""

    mean: float
    interval: tuple[float, float]  # 95 %
    values: tuple[float, ...]  # of each run
    deviation: float | None  # standard deviation between runs; None of one run
    sentences: int
    seeds_tested: bool  # False: the interval covers the choice of sentences only
    small: bool  # too few sentences for the score to mean much


@dataclass(frozen=True)
class Difference:
    """A variant's score minus the baseline's, over the runs of both."""

    effect: float
    interval: tuple[float, float]  # 95 %
    p: float  # two-sided
    p_sacrebleu: (
        float | None
    )  # what its paired bootstrap prints, which is one-sided; of one run each only
    sentences: int
    runs: tuple[int, int]
    seeds_tested: (
        bool  # False: at least one side has one run, whose seed's part is not in the interval
    )
    small: bool
    higher_is_better: bool
    chance: Chance


def estimate(system: Resampled) -> Estimate:
    """Mean over runs with the 95 % interval for the score expected of new seeds on new sentences of this kind.

    The interval is the middle 95 % of the draws (see the top of this file).
    """
    draws, chance = _draws([(1, system)])
    return Estimate(
        mean=float(system.observed.mean()),
        interval=_middle(draws),
        values=tuple(system.observed.tolist()),
        deviation=float(system.observed.std(ddof=1)) if system.runs > 1 else None,
        sentences=system.sentences,
        seeds_tested=bool(chance.tail),
        small=system.small,
    )


def compare_systems(variant: Resampled, baseline: Resampled) -> Difference:
    """Paired difference: the same resampled sentences for both sides, seeds independent.

    p is twice the share of draws on the far side of no difference, which is Koehn's (2004) count of
    the resamples that the weaker system wins, made two-sided; with the usual + 1 for the observed
    sample, and ties on both sides. p < 0.05 goes with an interval without 0. Of a few sentences
    resamples are too much alike, of one all the same; so p is never below that of N signs which are
    all on one side, 2 / 2^N: no difference is found on fewer than six. sacreBLEU's formula, the
    share of (|d_r| - mean |d|) > |d|, counts one end only, so that it finds a difference in 8 to 12
    % of comparisons of equals at p < 0.05; it is there to be checked against, as `p_sacrebleu`.

    Both sides must come from one call of `resample_scores`, or calls with the same sentences and
    number of resamples: raises UsageError where these differ.
    """
    if (
        variant.sentences != baseline.sentences
        or variant.scores.shape[1] != baseline.scores.shape[1]
    ):
        raise UsageError(
            "systems to compare must be scored on the same resamples of the same sentences"
        )
    effect = float(variant.observed.mean() - baseline.observed.mean())
    draws, chance = _draws([(1, variant), (-1, baseline)])
    number = variant.scores.shape[1]
    beyond = min((draws <= SAME).mean(), (draws >= -SAME).mean()) * number
    single = variant.runs == baseline.runs == 1
    return Difference(
        effect=effect,
        interval=_middle(draws),
        p=min(1.0, max(float(2 * (1 + beyond) / (1 + number)), 2.0 ** (1 - variant.sentences))),
        p_sacrebleu=_sacrebleu_p(variant.scores[0] - baseline.scores[0], effect)
        if single
        else None,
        sentences=variant.sentences,
        runs=(variant.runs, baseline.runs),
        seeds_tested=variant.runs > 1 and baseline.runs > 1,
        small=variant.small,
        higher_is_better=variant.higher_is_better,
        chance=chance,
    )


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values corrected for being several (Holm 1979), in the order given: the least times n, the next times n - 1 ...

    Below alpha after the correction: rejected, where all wrong rejections together have a chance of
    at most alpha.
    """
    corrected, least = [0.0] * len(p_values), 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        least = max(least, min(1.0, (len(p_values) - rank) * p_values[index]))
        corrected[index] = least
    return corrected


def _draws(systems: Sequence[tuple[int, Resampled]]) -> tuple[np.ndarray, Chance]:
    """Draws of a signed sum of mean scores: [R], or [R * COPIES] where seeds are in it, and where their variance comes from."""
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
    chance = Chance(
        total=sentences + seeds,
        common=max(0.0, sentences - shared),
        per_seed=max(sum(between), sum(interaction)),
        tail=tuple((b, s.runs) for b, s in zip(between, several, strict=True)),
    )
    freedom = chance.freedom()
    if not several or not np.isfinite(freedom):
        return means, chance
    generator = np.random.default_rng([SEED, 1])  # apart from the numbers that drew the sentences
    deviations = np.tile(means - centre, COPIES)
    deviations += np.sqrt(seeds) * generator.standard_normal(len(deviations))
    return centre + deviations * np.sqrt(
        freedom / generator.chisquare(freedom, len(deviations))
    ), chance


def _middle(draws: np.ndarray) -> tuple[float, float]:
    """The middle 95 %, cut as sacreBLEU does."""
    draws, cut = np.sort(draws), len(draws) // 40
    return float(draws[cut]), float(draws[-cut - 1])


def _sacrebleu_p(differences: np.ndarray, effect: float) -> float:
    """`sacrebleu.significance` of its version 2.6, test type "bs", from differences [R] of resampled scores."""
    sizes = np.abs(differences)
    return float((1 + (sizes - sizes.mean() > abs(effect)).sum()) / (1 + len(sizes)))
