"""Rank correlation against values by hand, and partial correlation against residuals."""

from __future__ import annotations

import math

import numpy as np
import pytest

from mt.inspection.diagnostics.correlation import partial, ranks, spearman


def close(expected: float) -> object:
    return pytest.approx(expected, abs=1e-5)


def test_ranks_share_ties() -> None:
    assert ranks(np.array([10.0, 5, 10, 7, 10])).tolist() == [4, 1, 4, 2, 4]


def test_spearman_correlation_equals_that_by_hand() -> None:
    x, y = np.array([1.0, 2, 2, 4]), np.array([10.0, 30, 20, 40])  # ranks 1 2.5 2.5 4 and 1 3 2 4
    assert spearman(x, y) == close(4.5 / math.sqrt(4.5 * 5))
    five = (
        np.array([86.0, 97, 99, 100, 101]),
        np.array([2.0, 20, 28, 27, 50]),
    )  # one swap: 1 - 6 * 2 / (5 * 24)
    assert spearman(*five) == close(0.9)
    assert spearman(five[0], -np.exp(-five[0])) == close(1) and spearman(
        five[0], -five[0]
    ) == close(-1)
    many = np.stack([five[0], five[1], -five[1], np.ones(5)], 1).reshape(5, 2, 2)
    found = spearman(many, five[1])
    assert found.ravel()[:3] == pytest.approx([0.9, 1, -1]) and np.isnan(found[1, 1])
    assert np.isnan(spearman(np.array([1.0, 2]), np.array([1.0, 2])))
    assert np.isnan(spearman(np.array([1.0, np.nan, 3]), np.array([1.0, 2, 3])))


def test_partial_correlation_is_that_of_residuals() -> None:
    assert partial(np.array(0.5), np.array(0.5), 0.5) == close(1 / 3)
    assert np.isnan(partial(np.array(0.5), np.array(1.0), 0.5))
    random = np.random.default_rng(0)
    z = random.permutation(50.0 + np.arange(50))
    x, y = ranks(z + random.normal(0, 20, 50)), ranks(z + random.normal(0, 20, 50))
    rest = [side - np.polyval(np.polyfit(z, side, 1), z) for side in (x, y)]
    expected = np.corrcoef(*rest)[0, 1]
    assert partial(spearman(x, y), spearman(x, z), spearman(y, z)) == close(expected)
