"""Attention maps whose statistics are known."""

from __future__ import annotations

import numpy as np
import pytest

from mt.inspection.diagnostics.map_statistics import (
    PairStatistics,
    measure_maps,
)


def uniform_map(queries: int, keys: int, causal: bool = False) -> np.ndarray:
    seen = np.tril(np.ones((queries, keys))) if causal else np.ones((queries, keys))
    return seen / seen.sum(1, keepdims=True)


def one_hot_rows(columns: list[int], keys: int) -> np.ndarray:
    """Return a map whose rows have all weight on one key."""
    return np.eye(keys)[columns]


def stack_heads(*layers: list[np.ndarray]) -> np.ndarray:
    return np.array(layers, dtype=np.float32)


def head_statistics(
    weights: np.ndarray, kind: str, punctuation: tuple[int, ...] = ()
) -> dict[str, float]:
    """Return the statistics of a single map."""
    keys = weights.shape[1]
    result = measure_maps(stack_heads([weights]), kind, np.isin(np.arange(keys), punctuation))
    return {name: float(values[0, 0]) for name, values in result.heads.items()}


def approximately(expected: float) -> object:
    return pytest.approx(expected, abs=1e-5)


def pair_statistics(
    weights: np.ndarray, loss: float = 1.0, kind: str = "encoder"
) -> PairStatistics:
    return PairStatistics(
        {kind: measure_maps(weights, kind, np.zeros(weights.shape[-1], bool))}, loss
    )
