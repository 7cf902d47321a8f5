"""Bootstrap resamples of the sentences of a test set."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from mt.progress_display import Progress

SEED = 12345  # sacreBLEU's default: the resamples, and so the intervals, are the same as its own
DEFAULT_RESAMPLES = 1000
MIN_RESAMPLES = 100  # fewer give no 95 % interval


def resamples(count: int, number: int) -> Iterator[np.ndarray]:
    """Draw `count` sentences with replacement, `number` times.

    Yield for each resample how often each sentence was drawn, [count]. The random numbers are
    sacreBLEU's, but drawn for one resample at a time: all at once would take gigabytes for a corpus
    of 100,000 lines. Progress is printed if it takes long.
    """
    generator = np.random.default_rng(SEED)
    with Progress("resampling", number, f"of {number:,} resamples") as progress:
        for _ in range(number):
            yield np.bincount(generator.integers(count, size=count), minlength=count)
            progress.add()
