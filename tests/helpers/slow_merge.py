"""A slow reference for merging weights of pieces."""

from __future__ import annotations

import numpy as np


def slow_merge(weights: np.ndarray, source_words: list[int], target_words: list[int]) -> np.ndarray:
    """Merge weights [target pieces, source pieces] to words by loops."""
    merged = np.zeros((max(target_words, default=-1) + 1, max(source_words, default=-1) + 1))
    for target in range(merged.shape[0]):
        rows = [row for row, word in enumerate(target_words) if word == target]
        for source in range(merged.shape[1]):
            columns = [column for column, word in enumerate(source_words) if word == source]
            for row in rows:
                for column in columns:
                    merged[target, source] += weights[row, column] / len(rows)
    return merged
