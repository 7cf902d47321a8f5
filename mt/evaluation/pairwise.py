"""Sentence-level chrF and BLEU of every text against every other, as sacreBLEU computes them.

For N texts that is N^2 scores. The n-grams of each text are counted once, and one matrix product
for each order counts the matches of all pairs: if the k-th occurrence of an n-gram is an item of
its own, a text has an item once or not at all, and two texts share as many items as they have
clipped matches.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Sequence

import numpy as np

from mt.evaluation.metric import MetricOptions
from mt.evaluation.sacrebleu_metrics import Bleu

CHRF_ORDER, CHRF_BETA = 6, 2
BLEU_ORDER = 4

PairwiseMetric = Callable[[Sequence[str]], np.ndarray]


def build_pairwise(name: str, language: str) -> PairwiseMetric:
    """Return the function of the metric "chrf" or "bleu", for text in a language.

    Given N texts it returns scores [N, N] between 0 and 100; element i, j is that of text i with
    text j as the reference.
    """
    if name == "chrf":
        return pairwise_chrf
    tokenizer = Bleu.build(MetricOptions(language))[0].metric.tokenizer
    return lambda texts: pairwise_bleu([tokenizer(text.rstrip()).split() for text in texts])


def pairwise_chrf(texts: Sequence[str]) -> np.ndarray:
    """Return the chrF2 (Popovic 2015) of each text against each other, [N, N]."""
    totals, matches = count_matches(["".join(text.split()) for text in texts], CHRF_ORDER)
    own, other = totals[:, :, None], totals[:, None, :]
    counted = (own > 0) & (other > 0)  # orders that both texts are long enough for
    orders = np.maximum(counted.sum(0), 1)
    precision = np.divide(matches, own, out=np.zeros_like(matches), where=counted).sum(0) / orders
    recall = np.divide(matches, other, out=np.zeros_like(matches), where=counted).sum(0) / orders
    denominator = CHRF_BETA**2 * precision + recall
    score = 100 * (1 + CHRF_BETA**2) * precision * recall
    return np.divide(score, denominator, out=np.zeros_like(score), where=denominator > 0)


def pairwise_bleu(texts: Sequence[Sequence[str]]) -> np.ndarray:
    """Return the sentence BLEU of each tokenised text against each other, [N, N].

    With exponential smoothing, and without the orders for which a text is too short (sacreBLEU's
    `sentence_bleu`).
    """
    totals, matches = count_matches([tuple(text) for text in texts], BLEU_ORDER)
    own = np.broadcast_to(totals[:, :, None], matches.shape)
    missed = matches == 0
    smoothed = np.where(missed, 0.5 ** np.cumsum(missed, 0), matches)
    counted = own > 0
    logarithms = np.log(np.divide(smoothed, own, out=np.ones_like(matches), where=counted))
    orders = np.maximum(counted.sum(0), 1)
    length = np.maximum(totals[0], 1)
    brevity = np.minimum(1, np.exp(1 - totals[0][None, :] / length[:, None]))
    score = 100 * brevity * np.exp(logarithms.sum(0) / orders)
    return np.where(missed.all(0), 0.0, score)


def count_matches(texts: Sequence[Sequence[Hashable]], order: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the number of n-grams [order, N] of each text, and of matches [order, N, N].

    An n-gram that two texts have a and b times matches min(a, b) times.
    """
    totals = np.zeros((order, len(texts)))
    matches = np.zeros((order, len(texts), len(texts)))
    for n in range(1, order + 1):
        columns: dict[tuple[Hashable, int], int] = {}
        places: list[tuple[int, int]] = []
        for row, text in enumerate(texts):
            occurrences: Counter[Hashable] = Counter()
            for start in range(len(text) - n + 1):
                ngram = text[start : start + n]
                item = (ngram, occurrences[ngram])
                occurrences[ngram] += 1
                places.append((row, columns.setdefault(item, len(columns))))
        if not places:
            break
        table = np.zeros((len(texts), len(columns)), np.float32)
        table[tuple(np.array(places).T)] = 1
        totals[n - 1], matches[n - 1] = table.sum(1), table @ table.T
    return totals, matches
