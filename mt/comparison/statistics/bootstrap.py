"""Scores of all runs of all systems on resampled test sets (Koehn 2004).

Intervals and differences are computed from them. Resample r has the same sentences for every run,
so that systems can be compared in pairs. The resamples are those of sacreBLEU.
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

MAX_CELLS = 1 << 22  # resamples times sentences in memory at once: 32 MiB

Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True)
class RunStatistics:
    """The K runs (seeds) of one system under one metric, on the same N sentences."""

    rows: Sequence[np.ndarray]  # for each run [N, D]: statistics that add up over sentences
    score: Callable[[np.ndarray], np.ndarray]  # sums of rows [R, D] -> scores [R]
    higher_is_better: bool = True

    def __post_init__(self) -> None:
        if not self.rows:
            raise UsageError("a system without runs cannot be compared")
        if len({rows.shape for rows in self.rows}) > 1:
            raise UsageError(
                "runs of one system differ in their numbers of sentences: "
                + ", ".join(str(len(rows)) for rows in self.rows)
            )

    @classmethod
    def of(cls, statistics: Sequence[SentenceStatistics]) -> RunStatistics:
        """Collect the statistics of all runs of one system, all for one metric."""
        if not statistics:
            raise UsageError("a system without runs cannot be compared")
        metric = statistics[0].metric
        return cls([s.rows for s in statistics], metric.scores, metric.higher_is_better)

    def select(self, sentences: np.ndarray | None) -> RunStatistics:
        """Select sentences by their indices [M]; None: all. Raises UsageError if there are none."""
        chosen = (
            self
            if sentences is None
            else RunStatistics(
                [rows[sentences] for rows in self.rows], self.score, self.higher_is_better
            )
        )
        if not len(chosen.rows[0]):
            raise UsageError("no sentences to compare systems on")
        return chosen


@dataclass(frozen=True)
class ResampledScores:
    """Scores of the K runs of one system under one metric: on the test set and on R resamples."""

    observed: np.ndarray  # [K]
    scores: np.ndarray  # [K, R]
    sentences: int
    higher_is_better: bool

    @property
    def runs(self) -> int:
        return len(self.observed)

    @property
    def small(self) -> bool:
        """True if there are too few sentences for meaningful scores."""
        return self.sentences < MIN_SENTENCES


def resample_scores(
    systems: Mapping[Key, RunStatistics],
    sentences: np.ndarray | None = None,
    number: int = DEFAULT_RESAMPLES,
) -> dict[Key, ResampledScores]:
    """Score every run on `number` resamples of the sentences.

    `sentences` are indices [M] of those to resample, such as a length bucket; None: all. Keys are
    chosen by the caller: a system, or a system and a metric; one call for many is cheapest, since
    the resamples are drawn once a call. Takes number x N x D multiplications for a run, in chunks
    of resamples, so that memory does not grow with number x N.

    Raises UsageError if runs are not on the same sentences, or if there are no sentences or too few
    resamples for an interval.
    """
    if number < 100:
        raise UsageError(f"a 95 % interval needs >= 100 resamples, got {number}")
    chosen = {key: runs.select(sentences) for key, runs in systems.items()}
    counts = {len(runs.rows[0]) for runs in chosen.values()}
    if len(counts) != 1:
        raise UsageError(
            "systems to compare must have the same sentences: these have "
            + (", ".join(map(str, sorted(counts))) or "none")
        )
    count = counts.pop()
    totals = {
        key: np.empty((runs_of.rows[0].shape[1], len(runs_of.rows), number))
        for key, runs_of in chosen.items()
    }
    draws, size = resamples(count, number), max(1, MAX_CELLS // count)
    for start in range(0, number, size):
        times = np.array(
            [next(draws) for _ in range(start, min(start + size, number))], dtype=np.float64
        )  # [chunk, N]
        for key, runs in chosen.items():
            for k, rows in enumerate(runs.rows):
                totals[key][:, k, start : start + size] = (times @ rows).T
    return {
        key: ResampledScores(
            np.array([runs.score(rows.sum(0, keepdims=True))[0] for rows in runs.rows]),
            np.array([runs.score(totals[key][:, k].T) for k in range(len(runs.rows))]),
            count,
            runs.higher_is_better,
        )
        for key, runs in chosen.items()
    }
