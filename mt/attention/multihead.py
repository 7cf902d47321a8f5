"""Multi-head attention: projections and heads. Kernels, masks and positions come from their own files."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mt.attention.kernels import attend

KeyValue = tuple[Tensor, Tensor]  # keys and values, [B, H, S, D / H] each


class MultiHeadAttention(nn.Module):
    """Queries of width `dim` look into a memory of width `memory_dim` with `heads` heads (Vaswani et al. 2017, section 3.2.2)."""

    def __init__(self, dim: int, heads: int, memory_dim: int | None = None, dropout: float = 0.0) -> None:
        super().__init__()
        self.heads = heads
        self.dropout = dropout
        self.query = nn.Linear(dim, dim)
        self.key_value = nn.Linear(memory_dim or dim, 2 * dim)
        self.out = nn.Linear(dim, dim)
        nn.init.xavier_uniform_(self.query.weight)
        # Each half is a matrix of its own: fan-out is dim, not 2 * dim.
        for half in self.key_value.weight.chunk(2):
            nn.init.xavier_uniform_(half)
        nn.init.xavier_uniform_(self.out.weight)
        for layer in (self.query, self.key_value, self.out):
            nn.init.zeros_(layer.bias)

    def project(self, memory: Tensor) -> KeyValue:
        """Keys and values of a memory [B, S, memory_dim]: once a sentence, or once a new token."""
        key, value = self.key_value(memory).chunk(2, dim=-1)
        return self._split(key), self._split(value)

    def forward(self, x: Tensor, memory: KeyValue, mask: Tensor | None = None, need_weights: bool = False) -> tuple[Tensor, Tensor | None]:
        """x [B, T, dim], projected memory, mask broadcastable to [B, 1, T, S] -> output [B, T, dim], weights [B, H, T, S] or None."""
        dropout_p = self.dropout if self.training else 0.0
        context, weights = attend(self._split(self.query(x)), *memory, mask, dropout_p, need_weights)
        output = self.out(context.transpose(1, 2).flatten(2))
        return output, weights if need_weights else None

    def _split(self, x: Tensor) -> Tensor:
        """[B, T, D] -> [B, H, T, D / H]"""
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)


def append(cache: KeyValue | None, new: KeyValue) -> KeyValue:
    """A cache of keys and values with those of the newest token at its end."""
    if cache is None:
        return new
    return torch.cat((cache[0], new[0]), dim=2), torch.cat((cache[1], new[1]), dim=2)
