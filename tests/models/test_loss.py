"""The loss of hidden states: which positions it computes."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mt.models.loss import CrossEntropy, sum_token_loss


class CountPositions(CrossEntropy):
    """Note how many positions have logits, slice by slice."""

    def __init__(self) -> None:
        super().__init__()
        self.counts: list[int] = []

    def __call__(self, logits: Tensor, *others: Any) -> tuple[Any, Any, Any]:
        self.counts.append(len(logits))
        return super().__call__(logits, *others)


@pytest.mark.parametrize(
    ("positions", "real", "computed"), [(200, 64, 64), (200, 65, 128), (100, 90, 100), (10, 0, 0)]
)
def test_a_cpu_computes_a_multiple_of_64_positions_if_there_are_as_many(
    positions: int, real: int, computed: int
) -> None:
    torch.manual_seed(1)
    target = torch.zeros(positions, dtype=torch.long)
    target[torch.randperm(positions)[:real]] = torch.randint(1, 20, (real,))
    hidden, output = torch.randn(10, positions // 10, 8, requires_grad=True), nn.Linear(8, 20)
    token_loss = CountPositions()
    total, nll = sum_token_loss(hidden, output, target.view(10, -1), token_loss)
    assert sum(token_loss.counts) == computed
    expected = F.cross_entropy(
        output(hidden).flatten(0, 1), target, ignore_index=0, reduction="none"
    )
    torch.testing.assert_close(nll.flatten(), expected.detach())
    torch.testing.assert_close(total, expected.sum())
    for one, other in zip(
        *(torch.autograd.grad(each, (hidden, output.weight)) for each in (total, expected.sum())),
        strict=True,
    ):
        torch.testing.assert_close(one, other)


def test_a_chunk_of_logits_is_a_multiple_of_64_positions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mt.models.loss.CHUNK_LOGITS", 20 * 100)
    hidden, target, token_loss = torch.randn(1, 200, 8), torch.ones(1, 200).long(), CountPositions()
    sum_token_loss(hidden, nn.Linear(8, 20), target, token_loss)
    assert token_loss.counts == [64, 64, 64, 8]
