"""Ratios of two counts, both stored for each sentence."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

# A share of 100 words has a 95 % interval of up to +-10 points (binomial, 1.96 sqrt(0.25 / 100)).
MIN_CASES = 100


@dataclass(frozen=True, eq=False)
class Ratio:
    """Sum of `counts` over sum of `totals`, each [N] int64 with a row for each sentence.

    The ratio of a resample is that of its sums, not a mean of ratios (`resampled`).
    """

    counts: np.ndarray
    totals: np.ndarray

    @classmethod
    def of(cls, rows: list[tuple[int, int]]) -> Ratio:
        """Make a ratio from (count, total) of each sentence."""
        array = np.array(rows, dtype=np.int64).reshape(-1, 2)
        return cls(array[:, 0], array[:, 1])

    @property
    def numerator(self) -> int:
        return int(self.counts.sum())

    @property
    def denominator(self) -> int:
        return int(self.totals.sum())

    @property
    def value(self) -> float | None:
        """The ratio of the sums; None for 0/0."""
        return self.numerator / self.denominator if self.denominator else None

    @property
    def small(self) -> bool:
        """True if there are too few cases for a meaningful value."""
        return self.denominator < MIN_CASES

    def take(self, sentences: np.ndarray) -> Ratio:
        """Select sentences by indices or a mask, such as those of a length bucket."""
        return Ratio(self.counts[sentences], self.totals[sentences])

    def resampled(self, weights: np.ndarray) -> np.ndarray:
        """Return the values [...] of resamples; NaN for 0/0.

        `weights` [..., N] is how often each sentence was drawn
        (`mt.evaluation.resampling.resamples`).
        """
        counts, totals = weights @ self.counts, weights @ self.totals
        return np.divide(counts, totals, out=np.full(np.shape(totals), np.nan), where=totals > 0)
