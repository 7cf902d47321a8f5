"""A figure that is a ratio of two counts, both of them kept for each sentence."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

# A share of 100 words has a 95 % interval of up to +-10 points (binomial, 1.96 sqrt(0.25 / 100)):
# below, it says little.
SMALL = 100


@dataclass(frozen=True, eq=False)
class Ratio:
    """Sum of `counts` over sum of `totals`, each [N] int64 with a row for each sentence.

    The ratio of a resample is that of its sums (not a mean of ratios), which is what `resampled`
    gives a bootstrap.
    """

    counts: np.ndarray
    totals: np.ndarray

    @classmethod
    def of(cls, rows: list[tuple[int, int]]) -> Ratio:
        """From (count, total) of each sentence."""
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
        """None where there is nothing to be a part of."""
        return self.numerator / self.denominator if self.denominator else None

    @property
    def small(self) -> bool:
        """Too few cases for the value to mean much."""
        return self.denominator < SMALL

    def take(self, sentences: np.ndarray) -> Ratio:
        """Of some sentences, by their indices or a mask: a length bucket, say."""
        return Ratio(self.counts[sentences], self.totals[sentences])

    def resampled(self, weights: np.ndarray) -> np.ndarray:
        """[..., N] how often each sentence was drawn (`mt.evaluation.resampling.resamples`) -> [...] values, NaN for 0/0."""
        counts, totals = weights @ self.counts, weights @ self.totals
        return np.divide(counts, totals, out=np.full(np.shape(totals), np.nan), where=totals > 0)
