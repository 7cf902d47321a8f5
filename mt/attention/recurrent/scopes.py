"""Scopes: the source positions that a query may attend to (Luong et al. 2015, sections 3.1, 3.2).

A scope takes queries [B, Q, D], the decoder step of each query ([Q], or [1] if all share one) and
the source mask [B, S]. It returns a mask [B, 1 or Q, S], and a factor [B, Q, S] for the weights or
None. Positions count from 0.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mt.attention.recurrent.scores import projection


class GlobalScope(nn.Module):
    """The whole source."""

    def forward(
        self, query: Tensor, steps: Tensor, source_mask: Tensor
    ) -> tuple[Tensor, Tensor | None]:
        return source_mask[:, None], None


class MonotonicScope(nn.Module):
    """local-m: at most `window` positions from p_t = t, as if source and target were monotonic.

    Once the target is longer than the source, p_t stays at the last source token; the paper's
    window would be empty there.
    """

    def __init__(self, window: int) -> None:
        super().__init__()
        self.window = window

    def forward(
        self, query: Tensor, steps: Tensor, source_mask: Tensor
    ) -> tuple[Tensor, Tensor | None]:
        centre = torch.minimum(steps, source_mask.sum(1, keepdim=True) - 1)  # [B, Q]
        offset = offsets(centre, source_mask.shape[1])
        return source_mask[:, None] & (offset.abs() <= self.window), None


class PredictiveScope(nn.Module):
    """local-p: at most `window` positions from p_t = S sigmoid(v^T tanh(W s_t)) (equation 9).

    S is the length of the source. The factor exp(-(j - p_t)^2 / (2 (window / 2)^2)) makes p_t
    trainable (equation 10). The weights are not renormalised afterwards.
    """

    def __init__(self, query_dim: int, window: int) -> None:
        super().__init__()
        self.window = window
        self.inner, self.position = projection(query_dim, query_dim), projection(query_dim, 1)

    def forward(
        self, query: Tensor, steps: Tensor, source_mask: Tensor
    ) -> tuple[Tensor, Tensor | None]:
        relative = self.position(self.inner(query).tanh()).squeeze(-1).float().sigmoid()
        offset = offsets(source_mask.sum(1, keepdim=True) * relative, source_mask.shape[1])
        factor = torch.exp(-2 * (offset / self.window).square())
        return source_mask[:, None] & (offset.abs() <= self.window), factor


def offsets(centre: Tensor, length: int) -> Tensor:
    """Return j - centre for each source position j: centre [B, Q] -> [B, Q, length]."""
    return torch.arange(length, device=centre.device) - centre[..., None]
