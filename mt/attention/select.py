"""Selections: functions from scores to attention weights (softmax, sparsemax, 1.5-entmax).

They take scores [..., S] and a mask that broadcasts to them (True: may attend; None: no mask) and
return weights [..., S] in float32. The weights of a query sum to 1, or to 0 if it may attend to no
key.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from entmax import entmax15, sparsemax
from torch import Tensor, nn

from mt.layers.losses import ExtraLoss

Selection = Callable[[Tensor, Tensor | None], Tensor]

# Finite, because -inf would turn a fully masked row into NaN, and NaN * 0 stays NaN. entmax sums
# and squares its input, so that the smallest float would overflow.
ENTMAX_FILL = -1e9


def masked_softmax(scores: Tensor, mask: Tensor | None = None) -> Tensor:
    """Compute exp(e_j) / sum_k exp(e_k): every visible key gets some weight."""
    lowest = torch.finfo(scores.dtype).min
    return _masked(lambda x: x.softmax(-1, dtype=torch.float32), scores, mask, lowest)


def masked_sparsemax(scores: Tensor, mask: Tensor | None = None) -> Tensor:
    """Project the scores onto the simplex: few keys get weight (Martins and Astudillo 2016)."""
    return _masked(lambda x: sparsemax(x.float(), dim=-1), scores, mask, ENTMAX_FILL)


def masked_entmax15(scores: Tensor, mask: Tensor | None = None) -> Tensor:
    """Compute 1.5-entmax, between softmax and sparsemax (Peters, Niculae and Martins 2019)."""
    return _masked(lambda x: entmax15(x.float(), dim=-1), scores, mask, ENTMAX_FILL)


SELECTIONS: dict[str, Selection] = {
    "softmax": masked_softmax,
    "sparsemax": masked_sparsemax,
    "entmax15": masked_entmax15,
}


def _masked(
    function: Callable[[Tensor], Tensor], scores: Tensor, mask: Tensor | None, fill: float
) -> Tensor:
    """Apply `function` to scores masked with `fill`; fully masked rows become zeros."""
    if mask is None:
        return function(scores)
    return function(scores.masked_fill(~mask, fill)) * mask.any(-1, keepdim=True)


class Selector(nn.Module):
    """A selection of a recurrent decoder; it may have parameters and loss terms of its own."""

    def forward(
        self, scores: Tensor, mask: Tensor, query: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Return attention weights and, in training only, the inputs of `losses`.

        scores [B, H, Q, S], mask broadcastable to them, query [B, Q, D] -> weights [B, H, Q, S],
        loss terms [B, Q] by name.
        """
        raise NotImplementedError

    def losses(self, terms: dict[str, Tensor], affects_later_tokens: bool) -> list[ExtraLoss]:
        """Build the extra losses from the loss terms of all steps, [B, T].

        `affects_later_tokens`: the weights of a step also influence later target tokens.
        """
        return []


class SoftSelector(Selector):
    """A differentiable selection without parameters."""

    def __init__(self, select: Selection) -> None:
        super().__init__()
        self.select = select

    def forward(
        self, scores: Tensor, mask: Tensor, query: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        return self.select(scores, mask), {}
