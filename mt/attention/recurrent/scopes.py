"""Scopes of recurrent decoders: which source positions a query may look at (Luong et al. 2015, sections 3.1 and 3.2).

All take queries [B, Q, D], the decoder's step of each [Q], or [1] of all, and which source tokens
are real [B, S]. They give a mask [B, 1 or Q, S] and a factor of the weights [B, Q, S], None where
there is none. Positions count from 0.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mt.attention.recurrent.scores import projection


class GlobalScope(nn.Module):
    """The whole source."""

    def forward(self, query: Tensor, at: Tensor, real: Tensor) -> tuple[Tensor, Tensor | None]:
        return real[:, None], None


class MonotonicScope(nn.Module):
    """local-m: `window` positions to either side of p_t = t, as if source and target ran in step.

    Once the target is longer than the source, p_t stays at the last real token: the paper's window
    would be empty there.
    """

    def __init__(self, window: int) -> None:
        super().__init__()
        self.window = window

    def forward(self, query: Tensor, at: Tensor, real: Tensor) -> tuple[Tensor, Tensor | None]:
        centre = torch.minimum(at, real.sum(1, keepdim=True) - 1)  # [B, Q]
        return real[:, None] & (distance(centre, real).abs() <= self.window), None


class PredictiveScope(nn.Module):
    """local-p: the same around p_t = S sigmoid(v^T tanh(W s_t)), for a source of S tokens (equation 9).

    The factor is exp(-(j - p_t)^2 / (2 (window / 2)^2)), by which p_t is learned (equation 10). The
    weights are not made to sum to 1 again.
    """

    def __init__(self, query_dim: int, window: int) -> None:
        super().__init__()
        self.window = window
        self.inner, self.position = projection(query_dim, query_dim), projection(query_dim, 1)

    def forward(self, query: Tensor, at: Tensor, real: Tensor) -> tuple[Tensor, Tensor | None]:
        share = self.position(self.inner(query).tanh()).squeeze(-1).float().sigmoid()
        away = distance(real.sum(1, keepdim=True) * share, real)
        return real[:, None] & (away.abs() <= self.window), torch.exp(
            -2 * (away / self.window).square()
        )


def distance(centre: Tensor, real: Tensor) -> Tensor:
    """From each centre [B, Q] to each of the positions of `real` [B, S]: [B, Q, S]."""
    return torch.arange(real.shape[1], device=real.device) - centre[..., None]
