"""Statistics of attention maps, summarised over the N sentences of a test set.

Shapes: L layers, H heads, P pairs of heads.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mt.errors import MTError
from mt.inspection.diagnostics.correlation import partial, spearman
from mt.inspection.diagnostics.map_statistics import SIMILARITY, PairStatistics

# Values are rounded before they are ranked: smaller differences are rounding errors of float32.
RANKING_DECIMALS = 5


@dataclass(frozen=True)
class Summary:
    """Summary of one statistic over sentences, which have equal weight.

    All arrays have the same shape. NaN if a value is not defined.
    """

    mean: np.ndarray
    short: np.ndarray  # mean over short sentences
    long: np.ndarray
    rho_length: np.ndarray  # rank correlation with the source length
    rho_loss: np.ndarray  # rank correlation with the loss of the sentence
    rho_loss_given_length: np.ndarray  # partial rank correlation with the loss, given the length


@dataclass(frozen=True)
class StatisticSummary:
    """Summaries of one statistic: for each head and for each layer."""

    heads: Summary  # [L, H]; of similarity [L, P]
    layer: Summary  # [L], of the mean over the heads (or pairs) in each sentence
    mean_map: Summary | None  # [L], of the mean of the heads of a layer; None for similarity
    uniform: float | None  # mean value for a head with uniform attention; None for similarity


@dataclass(frozen=True)
class Diagnostics:
    """Statistics of the attention of a model on a test set."""

    kinds: dict[str, dict[str, StatisticSummary]]  # kind -> name of the statistic -> summary
    heads: dict[str, int]  # kind -> H
    sentences: int
    short: int  # number of short sentences
    long: int
    threshold: int  # longest length that counts as short
    unit: str  # of lengths: "words" or "characters"
    loss: float  # mean over sentences
    rho_loss_length: float  # rank correlation of the loss with the source length
    left_out: int  # pairs with a side that is blank or too long


def summarise(
    sentences: Sequence[PairStatistics],
    lengths: np.ndarray,
    threshold: int,
    unit: str = "words",
    left_out: int = 0,
) -> Diagnostics:
    """Summarise the statistics of N sentences of one model.

    `lengths` [N] are those of the sources; sentences up to `threshold` are short. Raises MTError if
    there are no sentences.
    """
    if not sentences:
        raise MTError("no sentence pairs to measure attention on: all are blank or too long")
    loss = np.array([sentence.loss for sentence in sentences])
    short = lengths <= threshold

    def summary(values: np.ndarray) -> Summary:
        return _summary(values, lengths, loss, short)

    kinds: dict[str, dict[str, StatisticSummary]] = {}
    for kind, first in sentences[0].kinds.items():
        maps = [sentence.kinds[kind] for sentence in sentences]
        kinds[kind] = {}
        for name in first.heads:
            heads = np.stack([m.heads[name] for m in maps])
            mean_map = np.stack([m.mean_map[name] for m in maps])
            uniform = float(np.mean([m.uniform[name] for m in maps]))
            kinds[kind][name] = StatisticSummary(
                summary(heads), summary(heads.mean(2)), summary(mean_map), uniform
            )
        if first.similarity.shape[1]:
            similarity = np.stack([m.similarity for m in maps])
            kinds[kind][SIMILARITY] = StatisticSummary(
                summary(similarity), summary(similarity.mean(2)), None, None
            )
    return Diagnostics(
        kinds=kinds,
        heads={kind: maps.heads["entropy"].shape[1] for kind, maps in sentences[0].kinds.items()},
        sentences=len(sentences),
        short=int(short.sum()),
        long=int((~short).sum()),
        threshold=threshold,
        unit=unit,
        loss=float(loss.mean()),
        rho_loss_length=float(spearman(loss.round(RANKING_DECIMALS), lengths)),
        left_out=left_out,
    )


def _summary(
    values: np.ndarray, lengths: np.ndarray, loss: np.ndarray, short: np.ndarray
) -> Summary:
    """Summarise values [N, ...] to arrays [...]."""
    rounded = values.astype(np.float64).round(RANKING_DECIMALS)
    by_length, by_loss = spearman(rounded, lengths), spearman(rounded, loss)
    given_length = partial(by_loss, by_length, spearman(loss, lengths))
    means = values.mean(0), _mean(values[short]), _mean(values[~short])
    return Summary(*means, by_length, by_loss, given_length)


def _mean(values: np.ndarray) -> np.ndarray:
    return values.mean(0) if len(values) else np.full(values.shape[1:], np.nan)
