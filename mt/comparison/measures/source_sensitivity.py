"""Has a system learned to translate at all? One that has not says nothing about length, or about anything else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mt.evaluation.lengths import sentence_lengths
from mt.evaluation.metric import Metric
from mt.evaluation.sentence_statistics import SentenceStatistics

LEAST = 1.0  # BLEU below which a system has learned nothing, whatever text it is
TIMES = 2.0  # as good on the right sentence as on a wrong one, or less than so many times better: it does not read its source


@dataclass(frozen=True)
class Floor:
    """BLEU of a system, and of its translations taken for those of other sentences; means over runs."""

    bleu: float
    elsewhere: float

    @property
    def left(self) -> bool:
        return self.bleu >= LEAST and self.bleu >= TIMES * self.elsewhere


def floor_of(metric: Metric, runs: Sequence[Sequence[str]], references: Sequence[str]) -> Floor:
    """Score each run as it is, and with its translations moved on by one place in the order of the references' lengths.

    A model that writes likely sentences whatever it reads (as recurrent ones do that lost the
    source) scores alike both ways. The order keeps lengths, so that the brevity penalty takes no
    part. `metric` is BLEU. Of one sentence there is no other: 0.
    """
    order = np.argsort(sentence_lengths(references), kind="stable")
    following = np.empty_like(order)
    following[order] = np.roll(order, -1)
    prepared = metric.prepare_references([references])
    pairs = [(lines, [lines[index] for index in following]) for lines in runs]
    scores = [
        [SentenceStatistics(metric, side, [references], prepared).score().value for side in pair]
        for pair in pairs
    ]
    bleu, elsewhere = np.mean(scores, axis=0)
    return Floor(float(bleu), float(elsewhere) if len(references) > 1 else 0.0)
