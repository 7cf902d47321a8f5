"""Detection of systems that write likely sentences whatever their source."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mt.evaluation.lengths import sentence_lengths
from mt.evaluation.metric import Metric
from mt.evaluation.sentence_statistics import SentenceStatistics

MIN_BLEU = 1.0  # below it, a system has learned nothing, whatever the text
MIN_BLEU_RATIO = 2.0  # BLEU on its own sentences over BLEU on others, of a system that translates


@dataclass(frozen=True)
class SourceSensitivity:
    """BLEU of a system, and of its translations scored against other sentences; means over runs."""

    bleu: float
    on_other_sentences: float

    @property
    def ignores_source(self) -> bool:
        return self.bleu < MIN_BLEU or self.bleu < MIN_BLEU_RATIO * self.on_other_sentences


def source_sensitivity(
    metric: Metric, runs: Sequence[Sequence[str]], references: Sequence[Sequence[str]]
) -> SourceSensitivity:
    """Score each run against its references and against those of other sentences.

    The other sentence is the next one in the order of reference lengths, so that the brevity
    penalty is the same. A model that writes likely sentences whatever its source (such as a
    recurrent one that lost it) has about the same score on both. `metric` is BLEU. The score on
    other sentences is 0 if there is only one sentence. `references` holds one list for each
    reference translation; lengths are those of the first.
    """
    order = np.argsort(sentence_lengths(references[0]), kind="stable")
    following = np.empty_like(order)
    following[order] = np.roll(order, -1)
    prepared = metric.prepare_references(references)
    pairs = [(lines, [lines[index] for index in following]) for lines in runs]
    scores = [
        [SentenceStatistics(metric, side, references, prepared).score().value for side in pair]
        for pair in pairs
    ]
    bleu, shifted = np.mean(scores, axis=0)
    return SourceSensitivity(float(bleu), float(shifted) if len(references[0]) > 1 else 0.0)
