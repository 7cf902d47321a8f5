"""Turn attention weights of pieces into weights and links of words.

Shapes: S source and T target words (or pieces, if said so).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from mt.data.links import Link, Links
from mt.errors import MTError


def argmax_links(weights: np.ndarray) -> Links:
    """weights [T, S] -> each target word to its best source word (the first of equals); a row without any weight to none."""
    if not weights.size:
        return Links()
    return _links(
        (best, target) for target, best in enumerate(weights.argmax(1)) if weights[target, best] > 0
    )


def threshold_links(weights: np.ndarray, threshold: float) -> Links:
    """weights [T, S] -> every pair of words whose weight is above the threshold."""
    return _links((source, target) for target, source in np.argwhere(weights > threshold))


def merge_pieces(
    weights: np.ndarray, source_words: Sequence[int], target_words: Sequence[int]
) -> np.ndarray:
    """weights [..., T, S] of pieces -> of words: the sum over a source word's pieces, the mean over a target word's.

    So a row that sums to 1 still does. `source_words` [S] and `target_words` [T] are the word of
    each piece, -1 for a piece outside any (such as EOS), which is left out. There are as many words
    as the highest index says; one without pieces has weight 0. MTError where an index is missing or
    too many.
    """
    target, source = (
        _membership(words, size, side)
        for words, size, side in zip(
            (target_words, source_words), weights.shape[-2:], ("target", "source"), strict=True
        )
    )
    mean = (target / np.maximum(target.sum(0), 1)).T
    return (mean @ weights @ source).astype(weights.dtype)


def _membership(words: Sequence[int], size: int, side: str) -> np.ndarray:
    """[pieces, words], 1 where the piece belongs to the word."""
    if len(words) != size:
        raise MTError(
            f"the weights have {size} {side} pieces, but the words of {len(words)} are given"
        )
    index = np.asarray(words, dtype=np.int64)
    return (index[:, None] == np.arange(index.max(initial=-1) + 1)).astype(np.float64)


def _links(pairs: Iterable[Link]) -> Links:
    return Links(frozenset((int(source), int(target)) for source, target in pairs))
