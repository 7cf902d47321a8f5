"""The interface of a metric: a function of counts that add up over sentences."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np

from mt.data.normalisation import is_blank
from mt.evaluation.text_form import first_references, scored_form


@dataclass(frozen=True)
class MetricOptions:
    """Settings that every metric is built from."""

    tgt_lang: str = ""  # code of the target language, such as de
    tokenize: str = ""  # name of BLEU's tokenizer; empty: by language
    lowercase: bool = False


class Metric(ABC):
    """A corpus-level metric.

    The counts of a sentence are a row of D numbers. The score of a corpus, of a part of it and of a
    bootstrap resample are all computed from a sum of rows. A subclass that is listed in
    `mt.evaluation.metrics.METRICS` appears in the output of mt-train, mt-evaluate and mt-compare.
    """

    title: ClassVar[str]  # how tables and reports call it
    higher_is_better: ClassVar[bool] = True
    max_score: ClassVar[float] = 100.0  # the lowest score is 0
    slow: ClassVar[bool] = False  # mt-train leaves it out, and mt-compare unless asked for it

    @classmethod
    @abstractmethod
    def build(cls, options: MetricOptions) -> tuple[Self, list[str]]:
        """Return the metric for these options, and notes that readers of its scores must see."""

    def prepare_references(self, references: Sequence[Sequence[str]]) -> Any:
        """Process the references once, for any number of systems.

        `references` holds one or more translations of the corpus, each a list of N lines. A blank
        line of several is no reference: the sentence's first one takes its place, which changes
        nothing for metrics that take the best or the closest reference.
        """
        first = first_references(references)
        return [
            [
                scored_form(other if is_blank(line) else line)
                for line, other in zip(lines, first, strict=True)
            ]
            for lines in references
        ]

    @abstractmethod
    def sentence_statistics(self, hypotheses: Sequence[str], prepared: Any) -> np.ndarray:
        """Return the counts [N, D] of N hypotheses, which are in the Unicode form NFC.

        `prepared` is from `prepare_references`.
        """

    @abstractmethod
    def scores(self, totals: np.ndarray) -> np.ndarray:
        """Compute scores [R] from R sums of sentence statistics, [R, D]."""

    def score(self, total: np.ndarray) -> tuple[float, dict[str, Any]]:
        """Compute the score of one sum [D], and the values it is made of, by name."""
        return float(self.scores(total[None])[0]), {}

    def signature(self, bootstrap: int) -> tuple[str, str]:
        """Return all that is needed to reproduce the score, in a long and in a short form.

        `bootstrap` is the number of resamples behind the interval, 0 if there is none.
        """
        signature = f"{self.title}|bs:{bootstrap}" if bootstrap else self.title
        return signature, signature

    def corpus_score(self, hypotheses: Sequence[str], references: Sequence[Sequence[str]]) -> float:
        """Score a corpus."""
        lines = [scored_form(line) for line in hypotheses]
        rows = self.sentence_statistics(lines, self.prepare_references(references))
        return self.score(rows.sum(0))[0]

    @staticmethod
    def format_details(details: dict[str, Any]) -> str:
        """Format the values that `score` returns for a line of text; empty if none are shown."""
        return ""

    @staticmethod
    def mean_details(runs: Sequence[dict[str, Any]]) -> dict[str, float]:
        """Average the values that `score` returns over the runs of a system, for mt-compare."""
        return {}
