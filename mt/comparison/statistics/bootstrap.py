"""Scores of all runs of all systems on resampled test sets (Koehn 2004): what intervals and differences are made from.

Column r belongs to the same sentences for every run, which is what pairs the comparison. The draws
are sacreBLEU's.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from mt.errors import UsageError
from mt.evaluation.lengths import MIN_SENTENCES
from mt.evaluation.resampling import DEFAULT_RESAMPLES, resamples
from mt.evaluation.sentence_statistics import SentenceStatistics

CELLS = 1 << 22  # draws times sentences that are in memory at once: 32 MiB

Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True)
class Runs:
    """The K runs (seeds) of one system under one metric, on the same N sentences."""

    rows: Sequence[np.ndarray]  # for each run [N, D]: statistics that add up over sentences
    score: Callable[[np.ndarray], np.ndarray]  # sums of rows [R, D] -> scores [R]
    higher_is_better: bool = True

    def __post_init__(self) -> None:
        if not self.rows:
            raise UsageError("a system without runs cannot be compared")
        if len({rows.shape for rows in self.rows}) > 1:
            raise UsageError(
                f"runs of one system differ in their sentences: {', '.join(str(len(rows)) for rows in self.rows)}"
            )

    @classmethod
    def of(cls, statistics: Sequence[SentenceStatistics]) -> Runs:
        """Runs of one system from the statistics of each, all under one metric."""
        if not statistics:
            raise UsageError("a system without runs cannot be compared")
        metric = statistics[0].metric
        return cls([s.rows for s in statistics], metric.scores, metric.higher_is_better)

    def select(self, sentences: np.ndarray | None) -> Runs:
        """The same runs on some of the sentences ([M] indices; None: all). Raises UsageError where there are none."""
        chosen = (
            self
            if sentences is None
            else Runs([rows[sentences] for rows in self.rows], self.score, self.higher_is_better)
        )
        if not len(chosen.rows[0]):
            raise UsageError("no sentences to compare systems on")
        return chosen


@dataclass(frozen=True)
class Resampled:
    """Scores of the K runs of one system under one metric, on the test set and on R resamples of it."""

    observed: np.ndarray  # [K]
    scores: np.ndarray  # [K, R]
    sentences: int
    higher_is_better: bool

    @property
    def runs(self) -> int:
        return len(self.observed)

    @property
    def small(self) -> bool:
        """Too few sentences for the scores to mean much."""
        return self.sentences < MIN_SENTENCES


def resample_scores(
    systems: Mapping[Key, Runs],
    sentences: np.ndarray | None = None,
    number: int = DEFAULT_RESAMPLES,
) -> dict[Key, Resampled]:
    """Score every run on `number` resamples of the sentences, or of some of them ([M] indices: a length bucket).

    Keys are the caller's: a system, or a system and a metric, which is cheapest, since draws are
    made once a call. Takes number x N x D multiplications a run, in chunks of draws, so memory does
    not grow with `number` x N.

    Raises UsageError where runs are not on the same sentences, or there are none, or too few
    resamples for an interval.
    """
    if number < 100:
        raise UsageError(f"{number} resamples give no 95 % interval: use 100 or more")
    chosen = {key: runs.select(sentences) for key, runs in systems.items()}
    counts = {len(runs.rows[0]) for runs in chosen.values()}
    if len(counts) != 1:
        raise UsageError(
            f"systems to compare must have the same sentences: these have {', '.join(map(str, sorted(counts))) or 'none'}"
        )
    count = counts.pop()
    totals = {
        key: np.empty((runs_of.rows[0].shape[1], len(runs_of.rows), number))
        for key, runs_of in chosen.items()
    }
    draws, size = resamples(count, number), max(1, CELLS // count)
    for start in range(0, number, size):
        times = np.array(
            [next(draws) for _ in range(start, min(start + size, number))], dtype=np.float64
        )  # [chunk, N]
        for key, runs in chosen.items():
            for k, rows in enumerate(runs.rows):
                totals[key][:, k, start : start + size] = (times @ rows).T
    return {
        key: Resampled(
            np.array([runs.score(rows.sum(0, keepdims=True))[0] for rows in runs.rows]),
            np.array([runs.score(totals[key][:, k].T) for k in range(len(runs.rows))]),
            count,
            runs.higher_is_better,
        )
        for key, runs in chosen.items()
    }
