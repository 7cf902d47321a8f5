"""Rank correlation of many measurements of the same sentences at once.

Shapes: N sentences; `...` any further axes, one measurement each.
"""

from __future__ import annotations

import numpy as np


def ranks(values: np.ndarray) -> np.ndarray:
    """values [N, ...] -> ranks from 1 along the first axis; equal values share the mean of their ranks."""
    flat = values.reshape(len(values), -1)
    found = np.empty(flat.shape)
    for column in range(flat.shape[1]):
        _, place, counts = np.unique(flat[:, column], return_inverse=True, return_counts=True)
        found[:, column] = (np.cumsum(counts) - (counts - 1) / 2)[place]
    return found.reshape(values.shape)


def spearman(values: np.ndarray, other: np.ndarray) -> np.ndarray:
    """values [N, ...], other [N] -> Spearman's rho [...]: the linear correlation of ranks, ties averaged (Kendall 1948).

    From -1 to 1; NaN where one of the two is constant, is not known (NaN), or has fewer than 3
    sentences.
    """
    if len(values) < 3 or np.isnan(other).any():
        return np.full(values.shape[1:], np.nan)
    ranked = ranks(values) - (len(values) + 1) / 2  # the mean rank, ties or not
    against = ranks(other) - (len(values) + 1) / 2
    spread = np.sqrt((ranked**2).sum(0) * (against**2).sum())
    product = np.tensordot(against, ranked, axes=(0, 0))
    known = (spread > 0) & ~np.isnan(values).any(0)
    return np.where(known, product / np.where(spread > 0, spread, 1), np.nan)


def partial(xy: np.ndarray, xz: np.ndarray, yz: np.ndarray | float) -> np.ndarray:
    """The correlation of x and y that is left when both are freed of what z explains, from the three plain ones.

    (xy - xz yz) / sqrt((1 - xz^2) (1 - yz^2)) (Kendall 1948, chapter 8); NaN where z explains x or
    y wholly.
    """
    left = (1 - np.square(xz)) * (1 - np.square(yz))
    return np.where(left > 1e-9, (xy - xz * yz) / np.sqrt(np.where(left > 1e-9, left, 1)), np.nan)
