"""Attention weights of words: merged from those of pieces, or split, if a piece has several words.

A piece with several words is a placeholder, such as the tag `<a href="x">`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from mt.data.sampling import SPACE
from mt.errors import MTError

SPLIT = re.compile(f"(?<=[^{SPACE}])(?={SPACE})")


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


def split_at_spaces(pieces: Sequence[str]) -> tuple[list[str], list[int]]:
    """Split pieces before each space inside them; return the parts and their number by piece."""
    parts = [SPLIT.split(piece) for piece in pieces]
    return [part for each in parts for part in each], [len(each) for each in parts]


def repeat_weights(
    weights: np.ndarray, row_parts: Sequence[int], column_parts: Sequence[int]
) -> np.ndarray:
    """Return weights [..., R, C] of pieces for the parts of each piece.

    The parts of a row have the same weights, and those of a column share its weight, so a row that
    sums to 1 still does. A row that reads its piece (see `mt.inspection.pair_attention`) belongs to
    the last part.
    """
    if max(*row_parts, *column_parts) == 1:
        return weights
    shared = np.repeat(weights / np.array(column_parts, weights.dtype), column_parts, axis=-1)
    return np.repeat(shared, row_parts, axis=-2)
