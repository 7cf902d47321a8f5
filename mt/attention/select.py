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

# Scores that are lower than the largest by 1 (sparsemax) or 2 (1.5-entmax) have no weight. No score
# needs to be lower than this, and squares of much lower ones would overflow.
LOWEST_DIFFERENCE = -1e4


def masked_softmax(scores: Tensor, mask: Tensor | None = None) -> Tensor:
    """Compute exp(e_j) / sum_k exp(e_k): every visible key gets some weight."""
    return _masked(lambda x: x.softmax(-1, dtype=torch.float32), scores, mask)


def masked_sparsemax(scores: Tensor, mask: Tensor | None = None) -> Tensor:
    """Project the scores onto the simplex: few keys get weight (Martins and Astudillo 2016)."""
    return _masked(lambda x: sparsemax(_below_largest(x), dim=-1), scores, mask)


def masked_entmax15(scores: Tensor, mask: Tensor | None = None) -> Tensor:
    """Compute 1.5-entmax, between softmax and sparsemax (Peters, Niculae and Martins 2019)."""
    return _masked(lambda x: entmax15(_below_largest(x), dim=-1), scores, mask)


SELECTIONS: dict[str, Selection] = {
    "softmax": masked_softmax,
    "sparsemax": masked_sparsemax,
    "entmax15": masked_entmax15,
}


def _masked(function: Callable[[Tensor], Tensor], scores: Tensor, mask: Tensor | None) -> Tensor:
    """Apply `function` to masked scores; fully masked rows become zeros."""
    if mask is None:
        return function(scores)
    return function(mask_scores(scores, mask)) * mask.any(-1, keepdim=True)


def mask_scores(scores: Tensor, mask: Tensor) -> Tensor:
    """Replace hidden scores with the lowest number of their type.

    It is finite, because -inf would turn a fully masked row into NaN, and NaN * 0 stays NaN.
    """
    return scores.masked_fill(~mask, torch.finfo(scores.dtype).min)


def _below_largest(scores: Tensor) -> Tensor:
    """Subtract the largest score of each row, in float32."""
    scores = scores.float()
    return (scores - scores.detach().amax(-1, keepdim=True)).clamp(min=LOWEST_DIFFERENCE)


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
