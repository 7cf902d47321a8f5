"""Statistics of attention maps, summarised over sentences."""

from __future__ import annotations

import json

import numpy as np
import pytest

from helpers.planted_maps import (
    approximately,
    head_statistics,
    pair_statistics,
    stack_heads,
    uniform_map,
)
from mt.errors import MTError
from mt.inspection.diagnostics.summary import summarise
from mt.inspection.diagnostics.tables import diagnostics_dict, diagnostics_table


def blend(share: float, keys: int = 6) -> np.ndarray:
    """Return a mixture of the diagonal and uniform attention."""
    return share * uniform_map(keys, keys) + (1 - share) * np.eye(keys)


def test_summaries_are_means_and_correlations_over_sentences() -> None:
    shares, losses = [0.1, 0.2, 0.3, 0.4, 0.5], [1.0, 2, 4, 3, 5]
    lengths = np.array([5, 4, 3, 2, 1])
    noise = 1 + 1e-7 * np.arange(5)  # the order of the shares
    maps = [
        stack_heads([blend(share), blend(1 - share), uniform_map(6, 6) * more])
        for share, more in zip(shares, noise, strict=True)
    ]
    result = summarise(
        [pair_statistics(*each) for each in zip(maps, losses, strict=True)],
        lengths,
        threshold=2,
        left_out=3,
    )
    evenness = result.kinds["encoder"]["evenness"]
    single = [head_statistics(blend(share), "encoder")["evenness"] for share in shares]
    assert evenness.heads.mean[0, 0] == approximately(
        np.mean(single)
    ) and evenness.uniform == approximately(1)
    assert evenness.heads.short[0, 0] == approximately(np.mean(single[3:])) and evenness.heads.long[
        0, 0
    ] == approximately(np.mean(single[:3]))
    assert evenness.heads.rho_length[0, :2].tolist() == [-1, 1]
    assert evenness.heads.rho_loss[0, :2] == pytest.approx([0.9, -0.9])
    assert np.isnan(evenness.heads.rho_loss[0, 2]) and np.isnan(evenness.heads.rho_length[0, 2]), (
        "rounding errors are no correlation"
    )
    assert np.isnan(evenness.heads.rho_loss_given_length[0, 0]), "length determines it"
    assert evenness.layer.mean[0] == approximately(evenness.heads.mean[0].mean())
    assert (result.sentences, result.short, result.long, result.left_out) == (5, 2, 3, 3)
    assert result.loss == approximately(3) and result.rho_loss_length == approximately(-0.9)
    assert result.kinds["encoder"]["alike"].heads.mean.shape == (1, 3)


def test_without_long_sentences_their_means_are_absent() -> None:
    result = summarise(
        [pair_statistics(stack_heads([np.eye(4)]))] * 3, np.array([3, 3, 3]), threshold=20
    )
    assert np.isnan(result.kinds["encoder"]["evenness"].heads.long).all()
    assert "alike" not in result.kinds["encoder"]
    json.dumps(diagnostics_dict(result), allow_nan=False)
    assert "0 long" in diagnostics_table(result) and "nan" not in diagnostics_table(result)
    with pytest.raises(MTError, match="no sentence pairs"):
        summarise([], np.array([]), threshold=20)
