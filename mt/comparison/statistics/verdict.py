"""Verdict on a difference in words, and what a decision would take."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from mt.comparison.schema.scores import Needed
from mt.comparison.statistics.significance import CorrectedP, SystemDifference, VarianceParts
from mt.evaluation.resampling import SEED

ALPHA = 0.05  # two-sided
EQUAL = "not distinguishable"
POWER = 0.8
MAX_SEEDS = 1000  # that are suggested
SIMULATED_TESTS = 20_000


@dataclass(frozen=True)
class Verdict:
    """Result of a comparison in words."""

    word: str  # "better", "worse" or "not distinguishable"
    p: float  # corrected for the number of tests
    needed: Needed | None  # for "not distinguishable", unless scores are the same
    text: str  # a clause for a report; its subject is the variant


def judge(difference: SystemDifference, corrected: CorrectedP | None = None) -> Verdict:
    """Judge a difference: better or worse if p is below 0.05, otherwise not distinguishable.

    `corrected` is that of `correct_p_values`; None: p is not corrected. Interval and p come from
    the same draws, so that the interval then excludes 0. (Without correction, on six sentences or
    more, and up to rounding, the converse holds, too.)
    """
    p, p_is_bound, factor = corrected or CorrectedP(difference.p)
    caveats = [] if difference.seeds_tested else ["seeds were not tested"]
    caveats += ["too few sentences to mean much"] if difference.small else []
    low, high = difference.interval
    p_text = describe_p(p, p_is_bound)
    numbers = f"{difference.effect:+.1f}, 95 % interval {low:+.1f} to {high:+.1f}, {p_text}"
    word = verdict_word(difference, p)
    if word != EQUAL:
        return Verdict(word, p, None, "; ".join([f"{word} ({numbers})", *caveats]))
    if difference.effect == low == high == 0:
        return Verdict(EQUAL, p, None, f"{EQUAL} ({numbers}); the same score on every resample")
    needed = needed_for_verdict(difference, ALPHA / factor)
    clauses = [
        f"{EQUAL} ({numbers})",
        describe_needed(needed),
        *caveats,
    ]
    return Verdict(EQUAL, p, needed, "; ".join(clauses))


def verdict_word(difference: SystemDifference, p: float) -> str:
    """Return the verdict in a word or two, given the corrected p."""
    low, high = difference.interval
    if p >= ALPHA or low <= 0 <= high:
        return EQUAL
    return "better" if (difference.effect > 0) == difference.higher_is_better else "worse"


def describe_p(p: float, is_bound: bool = False) -> str:
    """Return a clause such as p = 0.012, or p <= 0.006 if more resamples could give a lower p."""
    return "p < 0.001" if p < 0.001 else f"p {'<=' if is_bound else '='} {p:.3f}"


def needed_for_verdict(difference: SystemDifference, alpha: float = ALPHA) -> Needed:
    """Return the number of seeds that gives power 0.8 for the observed effect and variances.

    The test set stays the same. The variance of the difference with K seeds a side is
    `common + per_seed / K` (`VarianceParts`), and the test is that of `compare_systems`. As more
    seeds do not reduce `common`, there may be no such number; then the result has the number of
    sentences that unlimited seeds need (`common` falls with it). With one run a side the part of
    the seeds is unknown, and the result has only sentences.
    """
    parts, effect = difference.variance_parts, abs(difference.effect)
    # The least number of sentences whose least possible p is below alpha.
    min_sentences = math.floor(2 - math.log2(alpha))
    if (
        difference.seeds_tested
        and difference.sentences >= min_sentences
        and power(effect, parts, MAX_SEEDS, alpha) >= POWER
    ):
        # Bisection: `high` seeds are enough, and `low`, the actual number, are not.
        low, high = min(difference.runs), MAX_SEEDS
        while high - low > 1:
            middle = (low + high) // 2
            enough = power(effect, parts, middle, alpha) >= POWER
            low, high = (low, middle) if enough else (middle, high)
        return Needed(high, None, True)
    # Standard errors between 0 and an effect that is found with this power.
    distance = NormalDist().inv_cdf(1 - alpha / 2) + NormalDist().inv_cdf(POWER)
    if effect == 0 or (
        parts.common <= (effect / distance) ** 2 and difference.sentences >= min_sentences
    ):
        return Needed(None, None, difference.seeds_tested)
    sentences = math.ceil(difference.sentences * parts.common * (distance / effect) ** 2)
    return Needed(None, max(min_sentences, sentences), difference.seeds_tested)


def describe_needed(needed: Needed) -> str:
    """Describe in a clause how many seeds or sentences a decision would take."""
    if needed.seeds is not None:
        return f"about {needed.seeds} seeds of each would be needed to tell them apart"
    if not needed.seeds_tested:
        runs = (
            f"about {needed.sentences} sentences to tell these runs apart, and "
            if needed.sentences
            else ""
        )
        return f"{runs}several seeds of each to tell the systems apart"
    if needed.sentences is not None:
        return (
            "no number of seeds would be enough, the test set is too small: "
            f"about {needed.sentences} sentences would be needed"
        )
    return f"not even {MAX_SEEDS} seeds would be enough"


def power(effect: float, parts: VarianceParts, runs: int, alpha: float = ALPHA) -> float:
    """Simulate the power of a two-sided t test with `runs` seeds a side.

    Every call draws the same random numbers.
    """
    variance, freedom = parts.variance(runs), min(parts.freedom(runs), 1e6)
    if variance == 0:
        return float(effect > 0)
    generator = np.random.default_rng(SEED)
    critical = np.quantile(np.abs(generator.standard_t(freedom, SIMULATED_TESTS)), 1 - alpha)
    scale = np.sqrt(generator.chisquare(freedom, SIMULATED_TESTS) / freedom)
    shifted = generator.standard_normal(SIMULATED_TESTS) + effect / math.sqrt(variance)
    return float((np.abs(shifted) > critical * scale).mean())
