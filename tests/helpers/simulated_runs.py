"""Simulated runs whose true difference is known."""

from __future__ import annotations

import numpy as np

from mt.comparison.statistics.bootstrap import RunStatistics


def gaussian(
    runs: int, draw: np.random.Generator, common: np.ndarray, seeds: float, mean: float = 0.0
) -> RunStatistics:
    """Simulate runs whose score is the mean of their sentences.

    Adds up `common` [N], which all runs share, unit noise of each, and an effect of each seed.
    """
    values = (
        mean
        + common
        + draw.standard_normal((runs, len(common)))
        + seeds * draw.standard_normal((runs, 1))
    )
    return RunStatistics(list(values[..., None]), lambda totals: totals[:, 0] / len(common))
