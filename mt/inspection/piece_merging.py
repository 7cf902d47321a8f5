"""Merge the attention weights of subword pieces to weights of words."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mt.errors import MTError


def merge_pieces(
    weights: np.ndarray, source_words: Sequence[int], target_words: Sequence[int]
) -> np.ndarray:
    """Merge weights [..., T, S] of T target and S source pieces to weights of words.

    Weights are summed over the pieces of a source word and averaged over the pieces of a target
    word, so a row that sums to 1 still does.

    `source_words` [S] and `target_words` [T] are the word index of each piece; pieces with index
    -1, such as EOS, are left out. The number of words is the largest index plus 1; a word without
    pieces has weight 0. Raises MTError unless there is one index for each piece.
    """
    target = _membership(target_words, weights.shape[-2], "target")
    source = _membership(source_words, weights.shape[-1], "source")
    mean = (target / np.maximum(target.sum(0), 1)).T
    return (mean @ weights @ source).astype(weights.dtype)


def _membership(words: Sequence[int], size: int, side: str) -> np.ndarray:
    """Return a matrix [pieces, words] that is 1 if the piece belongs to the word."""
    if len(words) != size:
        raise MTError(f"the weights have {size} {side} pieces, but there are {len(words)} indices")
    index = np.asarray(words, dtype=np.int64)
    return (index[:, None] == np.arange(index.max(initial=-1) + 1)).astype(np.float64)
