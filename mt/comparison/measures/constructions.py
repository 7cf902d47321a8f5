"""Scores by construction, for test sets that label the constructions of each sentence.

Sentences with a construction are also longer than others: a low score may be due to length alone.
So they are compared with sentences without it that are weighted to have the same lengths
(post-stratification).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np

from mt.comparison.measures.scores import Statistics, retention, score_group
from mt.comparison.schema.scores import ConstructionResult
from mt.comparison.statistics.bootstrap import RunStatistics
from mt.evaluation.lengths import CHARACTERS_PER_WORD, Lengths

MIN_SENTENCES = 20  # with a construction, and effective ones without it
LENGTH_STEP = 5  # words: sentences are of similar length if both have 1-5, 6-10, 11-15 ... words


def construction_results(
    constructions: Sequence[Collection[str]],
    statistics: Statistics,
    length: Lengths,
    baseline: str,
    bootstrap: int,
) -> list[ConstructionResult]:
    """Score the sentences of each construction that has enough, in alphabetical order.

    A sentence counts for each of its constructions. p-values are corrected over the variants.
    """
    runs = {key: RunStatistics.of(per_run) for key, per_run in statistics.items()}
    systems = list(dict.fromkeys(system for system, _ in statistics))
    pairs = [(system, baseline) for system in systems if system != baseline]
    step = LENGTH_STEP * (CHARACTERS_PER_WORD if length.unit == "characters" else 1)
    strata = (np.maximum(length.counts, 1) - 1) // step
    results = []
    for name in sorted(set().union(*constructions)):
        shown = np.array([name in names for names in constructions])
        if shown.sum() < MIN_SENTENCES:
            continue
        weights, control_weights = match_lengths(shown, strata)
        controls = effective_number(control_weights)
        results.append(
            ConstructionResult(
                score_group(name, np.flatnonzero(shown), statistics, baseline, bootstrap),
                controls,
                retention(runs, weights, control_weights, pairs, bootstrap)
                if controls >= MIN_SENTENCES
                else None,
            )
        )
    return results


def match_lengths(shown: np.ndarray, strata: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the weights of the sentences with a construction, and of those without it.

    `shown` [N] is True for the former; `strata` [N] is the class of each sentence's length. In each
    class, both sides have the same sum of weights. Weights are 0 in a class that lacks a side, and
    1 for other sentences with the construction.
    """
    size = strata.max() + 1
    number = np.bincount(strata[shown], minlength=size)
    others = np.bincount(strata[~shown], minlength=size)
    ratio = np.divide(number, others, out=np.zeros(size), where=others > 0)
    return (shown & (others[strata] > 0)).astype(float), np.where(shown, 0.0, ratio[strata])


def effective_number(weights: np.ndarray) -> float:
    """Return Kish's effective sample size: with equal weights, the number of those that are not 0.

    It is the number of equally weighted sentences whose mean would have the same variance.
    """
    squares = float((weights**2).sum())
    return float(weights.sum()) ** 2 / squares if squares else 0.0
