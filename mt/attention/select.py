"""From scores to weights: how much of its attention a query gives to each key.

All take scores [..., S] and a mask broadcastable to them (True: may look; None: everywhere) and
give weights [..., S] in float32 that sum to 1, or to 0 where a query may look nowhere.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from entmax import entmax15, sparsemax
from torch import Tensor, nn

from mt.layers.losses import ExtraLoss

Selection = Callable[[Tensor, Tensor | None], Tensor]


def masked_softmax(scores: Tensor, mask: Tensor | None = None) -> Tensor:
    """exp(e_j) / sum_k exp(e_k): every key gets something."""
    return _masked(
        lambda x: x.softmax(-1, dtype=torch.float32), scores, mask, torch.finfo(scores.dtype).min
    )


def masked_sparsemax(scores: Tensor, mask: Tensor | None = None) -> Tensor:
    """The point of the simplex nearest to the scores: few keys get anything (Martins and Astudillo 2016)."""
    return _masked(lambda x: sparsemax(x.float(), dim=-1), scores, mask, SPARSE_FILL)


def masked_entmax15(scores: Tensor, mask: Tensor | None = None) -> Tensor:
    """1.5-entmax, half way between softmax and sparsemax (Peters, Niculae and Martins 2019)."""
    return _masked(lambda x: entmax15(x.float(), dim=-1), scores, mask, SPARSE_FILL)


SELECTIONS: dict[str, Selection] = {
    "softmax": masked_softmax,
    "sparsemax": masked_sparsemax,
    "entmax15": masked_entmax15,
}
SPARSE_FILL = -1e9  # entmax adds up and squares what it is given: the smallest float would overflow


def _masked(
    function: Callable[[Tensor], Tensor], scores: Tensor, mask: Tensor | None, fill: float
) -> Tensor:
    if mask is None:
        return function(scores)
    # A finite fill: with -inf a row that is masked entirely would be NaN, and NaN times zero stays
    # NaN.
    return function(scores.masked_fill(~mask, fill)) * mask.any(-1, keepdim=True)


class Selector(nn.Module):
    """A selection that may learn in ways of its own; of recurrent decoders."""

    def forward(
        self, scores: Tensor, mask: Tensor, query: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """scores [B, H, Q, S], mask broadcastable, query [B, Q, D] -> weights; terms [B, Q] for `losses`, in training only."""
        raise NotImplementedError

    def losses(self, terms: dict[str, Tensor], affects_later_tokens: bool) -> list[ExtraLoss]:
        """From the terms of all steps [B, T]. `later`: whether the weights of a step bear on the tokens after its own too."""
        return []


class SoftSelector(Selector):
    """One of the functions above."""

    def __init__(self, select: Selection) -> None:
        super().__init__()
        self.select = select

    def forward(
        self, scores: Tensor, mask: Tensor, query: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        return self.select(scores, mask), {}
