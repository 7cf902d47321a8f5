"""Rank correlation of many measurements of the same N sentences at once.

`...` stands for any further axes, with one measurement each.
"""

from __future__ import annotations

import numpy as np

MIN_OBSERVATIONS = 3  # fewer have no correlation


def ranks(values: np.ndarray) -> np.ndarray:
    """Rank values [N, ...] from 1 along the first axis; equal values have their mean rank."""
    flat = values.reshape(len(values), -1)
    result = np.empty(flat.shape)
    for column in range(flat.shape[1]):
        _, place, counts = np.unique(flat[:, column], return_inverse=True, return_counts=True)
        result[:, column] = (np.cumsum(counts) - (counts - 1) / 2)[place]
    return result.reshape(values.shape)


def spearman(values: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Compute Spearman's rho [...] of values [N, ...] with other [N].

    This is the linear correlation of ranks, with ties averaged (Kendall 1948), from -1 to 1. It is
    NaN if one of the two is constant or has NaN, or if there are fewer than 3 sentences.
    """
    if len(values) < MIN_OBSERVATIONS or np.isnan(other).any():
        return np.full(values.shape[1:], np.nan)
    mean_rank = (len(values) + 1) / 2  # with ties too
    x, y = ranks(values) - mean_rank, ranks(other) - mean_rank
    spread = np.sqrt((x**2).sum(0) * (y**2).sum())
    product = np.tensordot(y, x, axes=(0, 0))
    defined = (spread > 0) & ~np.isnan(values).any(0)
    return np.where(defined, product / np.where(spread > 0, spread, 1), np.nan)


def partial(xy: np.ndarray, xz: np.ndarray, yz: np.ndarray | float) -> np.ndarray:
    """Compute the partial correlation of x and y given z from the three pairwise correlations.

    This is (xy - xz yz) / sqrt((1 - xz^2) (1 - yz^2)) (Kendall 1948, chapter 8). It is NaN if z
    determines x or y.
    """
    rest = (1 - np.square(xz)) * (1 - np.square(yz))
    return np.where(rest > 1e-9, (xy - xz * yz) / np.sqrt(np.where(rest > 1e-9, rest, 1)), np.nan)
