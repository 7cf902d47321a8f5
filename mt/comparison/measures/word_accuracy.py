"""Precision and recall of words by their frequency in the training text."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mt.comparison.statistics.ratio import Ratio
from mt.data.word_counts import split_words
from mt.errors import UsageError
from mt.evaluation.evaluation import check_line_counts

# Least counts of the buckets 0, 1, 2-4, 5-9, 10-99, 100-999, 1000+.
DEFAULT_LOWS = (0, 1, 2, 5, 10, 100, 1000)


@dataclass(frozen=True, eq=False)
class FrequencyBucket:
    """Words that occur from `low` to `high` times (both included) in the training text."""

    label: str
    low: int
    high: int | None  # None: no upper end
    precision: Ratio  # of the words of the hypotheses, those in the references
    recall: Ratio  # of the words of the references, those in the hypotheses
    f1: Ratio  # 2 matches over the words of both sides: the harmonic mean of the two


def word_accuracy(
    hypotheses: Sequence[str],
    references: Sequence[str],
    counts: Mapping[str, int],
    lows: Sequence[int] = DEFAULT_LOWS,
) -> list[FrequencyBucket]:
    """Match words by sentence and count by frequency (compare-mt, Neubig et al. 2019, section 3).

    A word matches as often as both sentences have it, in any order (clipped counts). `counts`
    are of the target side (`count_training_words`); words without a count were never seen. `lows`
    are the least counts of the buckets. Values are those of compare-mt on the same words, except
    that 0/0 is None here and 0 there.

    Raises MTError if the lists differ in length, and UsageError if `lows` do not begin with 0 and
    ascend.
    """
    check_line_counts({"hypotheses": hypotheses, "references": references})
    if not lows or lows[0] != 0 or any(a >= b for a, b in zip(lows, lows[1:], strict=False)):
        raise UsageError(
            "frequency buckets must begin with 0 and ascend, such as 0,1,10,100, "
            f"got {','.join(map(str, lows)) or 'none'}"
        )
    # [3, N, buckets]: words of both, of the hypothesis, of the reference
    tallies = np.zeros((3, len(hypotheses), len(lows)), dtype=np.int64)
    for row, pair in enumerate(zip(hypotheses, references, strict=True)):
        hypothesis, reference = (Counter(split_words(text)) for text in pair)
        for which, words in enumerate((hypothesis & reference, hypothesis, reference)):
            for word, count in words.items():
                tallies[which, row, bisect_right(lows, counts.get(word, 0)) - 1] += count
    buckets = []
    for index, low in enumerate(lows):
        high = lows[index + 1] - 1 if index + 1 < len(lows) else None
        label = f"{low}+" if high is None else str(low) if low == high else f"{low}-{high}"
        both, ours, theirs = tallies[:, :, index]
        buckets.append(
            FrequencyBucket(
                label,
                low,
                high,
                Ratio(both, ours),
                Ratio(both, theirs),
                Ratio(2 * both, ours + theirs),
            )
        )
    return buckets
