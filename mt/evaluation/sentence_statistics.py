"""Counts of a metric for each sentence, and the scores and intervals computed from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mt.evaluation.metric import Metric
from mt.evaluation.resampling import resamples
from mt.evaluation.text_form import scored_form


@dataclass(frozen=True)
class Score:
    """The score of one metric on one set of sentences."""

    name: str  # title of the metric: BLEU, chrF2, TER
    value: float  # 0 to 100; TER may exceed 100, and lower is better
    ci: tuple[float, float] | None  # 95 % bootstrap interval; None without resamples
    signature: str  # all that is needed to reproduce the value
    short_signature: str
    extra: dict[str, Any] = field(default_factory=dict)  # the values it is made of


class SentenceStatistics:
    """The counts of one metric for N sentences: `rows` [N, D], which add up."""

    def __init__(
        self,
        metric: Metric,
        hypotheses: Sequence[str],
        references: Sequence[Sequence[str]],
        prepared: Any = None,
    ) -> None:
        """Count.

        `references` holds one or more translations of the corpus, each as long as `hypotheses`;
        a blank line of several is no reference. Both sides are scored in the Unicode form NFC.
        `prepared` may be `metric.prepare_references(references)`, if several systems share them.
        """
        self.metric = metric
        prepared = metric.prepare_references(references) if prepared is None else prepared
        self.rows = metric.sentence_statistics([scored_form(h) for h in hypotheses], prepared)

    def score(self, sentences: np.ndarray | None = None, bootstrap: int = 0) -> Score:
        """Score the corpus, or some of its sentences ([M] indices).

        `bootstrap` is the number of resamples for the interval, 0 for none.
        """
        rows = self.rows if sentences is None else self.rows[sentences]
        value, details = self.metric.score(rows.sum(0))
        interval = None
        if bootstrap:
            totals = np.stack([weights @ rows for weights in resamples(len(rows), bootstrap)])
            values = np.sort(self.metric.scores(totals))
            tail = bootstrap // 40  # 2.5 % at each end
            interval = (float(values[tail]), float(values[-tail - 1]))
        signatures = self.metric.signature(bootstrap)
        return Score(self.metric.title, value, interval, *signatures, details)
