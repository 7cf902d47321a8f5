"""The loss of hidden states, against PyTorch's, and which positions it computes."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mt.models import loss
from mt.models.loss import CrossEntropy, sum_token_loss


@pytest.mark.parametrize("padded", [False, True])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_chunked_loss_equals_torch(
    monkeypatch: pytest.MonkeyPatch, smoothing: float, padded: bool
) -> None:
    """With some of the padding, as on a CPU, and with all of it, as on a GPU."""
    monkeypatch.setattr(loss, "ROUND_POSITIONS", 3)
    # Several chunks, the last one shorter, and slices of them.
    monkeypatch.setattr(loss, "CHUNK_LOGITS", 60)
    monkeypatch.setattr(loss, "SLICE_LOGITS", 25)
    torch.manual_seed(0)
    output, hidden = nn.Linear(8, 20), torch.randn(3, 5, 8, requires_grad=True)
    target = torch.randint(1, 20, (3, 5))
    target[1, 3:] = 0
    inputs = (hidden, output.weight, output.bias)
    if padded:
        rows = hidden.flatten(0, 1)[:, None], output.weight, output.bias, target.flatten()
        kind = loss.CrossEntropy(smoothing)
        got, nll = loss._LinearTokenLoss.apply(*rows, kind, torch.float32, True)
        nll = nll.view(target.shape)
    else:
        got, nll = loss.cross_entropy(hidden, output, target, smoothing)
    flat = output(hidden).flatten(0, 1), target.flatten()
    expected = F.cross_entropy(*flat, ignore_index=0, reduction="sum", label_smoothing=smoothing)
    torch.testing.assert_close(got, expected)
    torch.testing.assert_close(
        nll, F.cross_entropy(*flat, ignore_index=0, reduction="none").view(target.shape)
    )
    for one, other in zip(
        torch.autograd.grad(2 * got, inputs), torch.autograd.grad(2 * expected, inputs), strict=True
    ):
        torch.testing.assert_close(one, other)


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
