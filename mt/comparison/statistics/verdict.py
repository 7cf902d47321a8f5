"""A difference in words, and what it would take to tell."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from mt.comparison.schema.scores import Needed
from mt.comparison.statistics.significance import Chance, Difference
from mt.evaluation.resampling import SEED

ALPHA = 0.05  # two-sided
POWER = 0.8
MAX_SEEDS = 1000  # seeds; more is no advice
DEVIATES = 20_000


@dataclass(frozen=True)
class Verdict:
    """What a comparison says."""

    word: str  # "better", "worse" or "not distinguishable"
    p: float  # corrected for the number of variants
    needed: Needed | None  # of "not distinguishable"
    text: str  # a clause for a report, the variant being its subject


def judge(difference: Difference, p_corrected: float | None = None) -> Verdict:
    """Better or worse where the p-value, corrected for the number of variants (`holm`), is below 0.05; otherwise not distinguishable.

    As interval and p come from the same draws, the interval then excludes 0 (with no correction, on
    six sentences or more: if and only if, but for rounding).
    """
    p = difference.p if p_corrected is None else p_corrected
    caveats = [] if difference.seeds_tested else ["seeds were not tested"]
    caveats += ["too few sentences to mean much"] if difference.small else []
    low, high = difference.interval
    figures = (
        f"{difference.effect:+.1f}, 95 % interval {low:+.1f} to {high:+.1f}, p = {p:.3f}"
        if p >= 0.001
        else ""
    )
    figures = (
        figures or f"{difference.effect:+.1f}, 95 % interval {low:+.1f} to {high:+.1f}, p < 0.001"
    )
    if p < ALPHA and not low <= 0 <= high:
        word = "better" if (difference.effect > 0) == difference.higher_is_better else "worse"
        return Verdict(word, p, None, "; ".join([f"{word} ({figures})", *caveats]))
    # The correction multiplied p; a single test must meet alpha divided by as much.
    needed = what_is_needed(difference, ALPHA * min(1.0, difference.p / p) if p > 0 else ALPHA)
    parts = [f"not distinguishable with this budget ({figures})", describe_needed(needed), *caveats]
    return Verdict("not distinguishable", p, needed, "; ".join(parts))


def what_is_needed(difference: Difference, alpha: float = ALPHA) -> Needed:
    """Seeds that give power 0.8 for the observed effect with the observed variances, on the same test set.

    The variance of the difference with K seeds a side is `common + per_seed / K` (`Chance`), and
    the test that of `compare_systems`. As more seeds do not reduce `common`, there may be no such
    number; then as many sentences are named as unlimited seeds need (`common` falls with their
    number). With one run a side the seeds' part is unknown, and only sentences are named.
    """
    chance, effect = difference.chance, abs(difference.effect)
    fewest = math.floor(
        2 - math.log2(alpha)
    )  # sentences of which the least possible p is below alpha
    if (
        difference.seeds_tested
        and difference.sentences >= fewest
        and power(effect, chance, MAX_SEEDS, alpha) >= POWER
    ):
        low, high = (
            min(difference.runs),
            MAX_SEEDS,
        )  # enough at high, not at low: it was not distinguishable with those
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (
                (low, middle) if power(effect, chance, middle, alpha) >= POWER else (middle, high)
            )
        return Needed(high, None, True)
    distance = NormalDist().inv_cdf(1 - alpha / 2) + NormalDist().inv_cdf(
        POWER
    )  # standard errors between 0 and the effect
    if effect == 0 or (
        chance.common <= (effect / distance) ** 2 and difference.sentences >= fewest
    ):
        return Needed(None, None, difference.seeds_tested)
    sentences = math.ceil(difference.sentences * chance.common * (distance / effect) ** 2)
    return Needed(None, max(fewest, sentences), difference.seeds_tested)


def describe_needed(needed: Needed) -> str:
    """Describe in a clause how many seeds or sentences a decision would take."""
    if needed.seeds is not None:
        return f"about {needed.seeds} seeds of each would be needed to tell"
    if not needed.seeds_tested:
        runs = (
            f"about {needed.sentences} sentences to tell these runs apart, and "
            if needed.sentences
            else ""
        )
        return f"{runs}several seeds of each to tell the systems apart"
    if needed.sentences is not None:
        return (
            "no number of seeds would tell, the test set is too small: "
            f"about {needed.sentences} sentences would be needed"
        )
    return f"not even {MAX_SEEDS} seeds would tell"


def power(effect: float, chance: Chance, runs: int, alpha: float = ALPHA) -> float:
    """Probability that a two-sided t test finds a true effect with `runs` seeds a side, by simulation (same numbers each call)."""
    variance, freedom = chance.variance(runs), min(chance.freedom(runs), 1e6)
    if variance == 0:
        return float(effect > 0)
    generator = np.random.default_rng(SEED)
    critical = np.quantile(np.abs(generator.standard_t(freedom, DEVIATES)), 1 - alpha)
    scale = np.sqrt(generator.chisquare(freedom, DEVIATES) / freedom)
    return float(
        (
            np.abs(generator.standard_normal(DEVIATES) + effect / math.sqrt(variance))
            > critical * scale
        ).mean()
    )
