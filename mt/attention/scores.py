"""Attention of recurrent decoders: a score of each source state for a query, then a weighted sum of the states."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn


class AdditiveScore(nn.Module):
    """e_ij = v^T tanh(W s_i + U h_j) (Bahdanau et al. 2014, appendix A.1.2)."""

    def __init__(self, query_dim: int, memory_dim: int, inner_dim: int) -> None:
        super().__init__()
        self.query = nn.Linear(query_dim, inner_dim, bias=False)
        self.key = nn.Linear(memory_dim, inner_dim)
        self.energy = nn.Linear(inner_dim, 1, bias=False)
        nn.init.xavier_uniform_(self.query.weight)
        nn.init.xavier_uniform_(self.key.weight)
        nn.init.xavier_uniform_(self.energy.weight)
        nn.init.zeros_(self.key.bias)

    def prepare(self, states: Tensor) -> Tensor:
        """states [B, S, M] -> keys [B, S, A]: once a sentence."""
        return self.key(states)

    def forward(self, query: Tensor, keys: Tensor) -> Tensor:
        """query [B, Q, D], keys [B, S, A] -> scores [B, Q, S]."""
        return self.energy(torch.tanh(self.query(query)[:, :, None] + keys[:, None])).squeeze(-1)


@dataclass
class PreparedMemory:
    """A memory with everything that does not depend on the query."""

    states: Tensor  # [B, S, M]
    keys: Tensor  # [B, S, A]
    mask: Tensor  # [B, S] bool

    def rows(self) -> tuple[Tensor, Tensor, Tensor]:
        return self.states, self.keys, self.mask


class GlobalAttention(nn.Module):
    """c_i = sum_j softmax_j(e_ij) h_j over all source states (Bahdanau et al. 2014, equations 5 and 6).

    A sentence without a single real token gives a context of zero.
    """

    def __init__(self, score: AdditiveScore) -> None:
        super().__init__()
        self.score = score

    def prepare(self, states: Tensor, mask: Tensor) -> PreparedMemory:
        return PreparedMemory(states, self.score.prepare(states), mask)

    def forward(self, query: Tensor, memory: PreparedMemory) -> tuple[Tensor, Tensor]:
        """query [B, Q, D] -> context [B, Q, M], weights [B, Q, S]."""
        scores = self.score(query, memory.keys)
        mask = memory.mask[:, None]
        scores = scores.masked_fill(~mask, torch.finfo(scores.dtype).min)
        weights = scores.softmax(-1) * mask.any(-1, keepdim=True)
        return weights.to(memory.states.dtype) @ memory.states, weights


class NoAttention(nn.Module):
    """Nothing is looked up: a context of width 0. The decoder knows of the source what its initial state holds (Sutskever et
    al. 2014; Cho et al. 2014), which is what attention was invented to get away from.

    The interface of GlobalAttention, for a decoder that takes either.
    """

    def prepare(self, states: Tensor, mask: Tensor) -> PreparedMemory:
        nothing = states[..., :0]
        return PreparedMemory(nothing, nothing, mask)

    def forward(self, query: Tensor, memory: PreparedMemory) -> tuple[Tensor, Tensor]:
        """query [B, Q, D] -> context [B, Q, 0], weights [B, Q, S] of zeros."""
        return query[..., :0], query.new_zeros(*query.shape[:2], memory.mask.shape[1])
