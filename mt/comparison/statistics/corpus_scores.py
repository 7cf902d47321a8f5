"""Scores of many sums of statistics at once: a bootstrap asks for thousands, and sacreBLEU computes them one by one.

The formulas are sacreBLEU's (`_compute_score_from_stats` of each metric) and the tests hold them to
it. A metric with settings that `build_metrics` never chooses is computed by sacreBLEU itself,
slowly.
"""

from __future__ import annotations

import numpy as np
from sacrebleu.metrics import BLEU, CHRF, TER
from sacrebleu.metrics.base import Metric


def corpus_scores(metric: Metric, totals: np.ndarray) -> np.ndarray:
    """Scores [R] of sums of sentence statistics [R, D], D as in `SentenceStatistics.rows`."""
    if isinstance(metric, BLEU) and metric.smooth_method == "exp" and not metric.effective_order:
        return bleu_scores(totals)
    if isinstance(metric, CHRF) and not metric.eps_smoothing:
        return chrf_scores(totals, metric.beta)
    if isinstance(metric, TER):
        return ter_scores(totals)
    return np.array([metric._compute_score_from_stats(total.tolist()).score for total in totals])


def bleu_scores(totals: np.ndarray) -> np.ndarray:
    """BLEU (Papineni et al. 2002) [R] of [R, 2 + 2 M]: lengths, matched and total n-grams of M orders; exponential smoothing.

    The precision of the i-th order without a match is 1 / (2^i total), after mteval-v13a (Chen and
    Cherry 2014, method 3). No match at all, or an order without n-grams, gives 0.
    """
    length, reference = totals[:, 0], totals[:, 1]
    matched, total = np.split(totals[:, 2:], 2, axis=1)
    missed = matched == 0
    with np.errstate(divide="ignore", invalid="ignore"):
        precisions = np.where(missed, 0.5 ** np.cumsum(missed, axis=1), matched) / total
        brevity = np.where(
            length < reference, np.exp(1 - reference / length), 1.0
        )  # of length 0: exp(-inf) = 0
        scores = 100 * brevity * np.exp(np.log(precisions).mean(axis=1))
    return np.where(missed.all(axis=1) | (total == 0).any(axis=1), 0.0, scores)


def chrf_scores(totals: np.ndarray, beta: float = 2) -> np.ndarray:
    """chrF (Popovic 2015) [R] of [R, 3 M]: n-grams of the hypothesis, of the reference and matched, for each of M orders.

    Precision and recall are means over the orders that both sides have.
    """
    hypothesis, reference, matched = totals[:, 0::3], totals[:, 1::3], totals[:, 2::3]
    used = (hypothesis > 0) & (reference > 0)
    orders = np.maximum(used.sum(axis=1), 1)
    precision, recall = (
        np.divide(matched, side, out=np.zeros_like(matched, dtype=np.float64), where=used).sum(
            axis=1
        )
        / orders
        for side in (hypothesis, reference)
    )
    below = beta**2 * precision + recall
    return 100 * np.divide(
        (1 + beta**2) * precision * recall, below, out=np.zeros_like(below), where=below > 0
    )


def ter_scores(totals: np.ndarray) -> np.ndarray:
    """TER (Snover et al. 2006) [R] of [R, 2]: edits and reference length. Any edit against empty references is 100."""
    edits, length = totals[:, 0].astype(np.float64), totals[:, 1]
    return 100 * np.divide(edits, length, out=(edits > 0).astype(np.float64), where=length > 0)
