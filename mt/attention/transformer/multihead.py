"""Multi-head attention: projections and heads. Kernels, patterns, masks and positions come from their own files."""

from __future__ import annotations

from torch import Tensor, nn

from mt.attention.masks import Visibility
from mt.attention.select import SELECTIONS
from mt.attention.transformer.kernels import to_cache_layout
from mt.attention.transformer.layouts import DotProductAttention
from mt.attention.transformer.patterns import Cache, build_pattern
from mt.attention.transformer.positions import NoPositions, PositionScheme
from mt.config.schema import TransformerConfig
from mt.layers.norm import RMSNorm

KeyValue = tuple[Tensor, Tensor]  # keys and values, [B, G, S, D / H] each


class MultiHeadAttention(nn.Module):
    """Queries of width `dim` look into a memory of width `memory_dim` with H heads (Vaswani et al. 2017, section 3.2.2).

    Keys and values may have G heads that H / G query heads share: one for all (Shazeer 2019,
    multi-query) or some (Ainslie et al. 2023, grouped-query). With `qk_norm` self-attention
    normalises both sides of the product first (Henry et al. 2020).
    """

    def __init__(
        self,
        config: TransformerConfig,
        dim: int,
        memory_dim: int | None = None,
        pattern: str = "full",
    ) -> None:
        super().__init__()
        self.heads, self.kv_heads = config.heads, config.kv_heads or config.heads
        self.dropout, self.softcap, self.select = (
            config.attention_dropout,
            config.softcap,
            SELECTIONS[config.select],
        )
        self.pattern = build_pattern(pattern, config)
        head_dim = dim // self.heads
        self.query = nn.Linear(dim, dim)
        self.key_value = nn.Linear(memory_dim or dim, 2 * head_dim * self.kv_heads)
        self.out = nn.Linear(dim, dim)
        self.norms = (
            nn.ModuleList(RMSNorm(head_dim) for _ in range(2))
            if config.qk_norm and memory_dim is None
            else None
        )
        nn.init.xavier_uniform_(self.query.weight)
        # Each half is a matrix of its own: fan-out is not that of both.
        for half in self.key_value.weight.chunk(2):
            nn.init.xavier_uniform_(half)
        nn.init.xavier_uniform_(self.out.weight)
        for layer in (self.query, self.key_value, self.out):
            nn.init.zeros_(layer.bias)

    def project(self, memory: Tensor) -> KeyValue:
        """Keys and values of a memory [B, S, memory_dim] in another sequence: once a sentence."""
        keys, values = self.key_value(memory).chunk(2, dim=-1)
        return split_heads(keys, self.kv_heads), split_heads(values, self.kv_heads)

    def forward(
        self, x: Tensor, memory: KeyValue, visibility: Visibility, need_weights: bool = False
    ) -> tuple[Tensor, Tensor | None]:
        """Attention to another sequence. x [B, T, dim], projected memory -> output [B, T, dim], weights [B, H, T, S] or None."""
        context, weights = self.pattern.attend(
            split_heads(self.query(x), self.heads),
            *memory,
            visibility,
            self._dot_product(NoPositions(), need_weights),
        )
        return self._merge_heads(context), weights

    def self_attend(
        self, x: Tensor, visibility: Visibility, scheme: PositionScheme, need_weights: bool = False
    ) -> tuple[Tensor, Tensor | None]:
        """Self-attention over x [B, T, dim], with relative positions as `scheme` has them."""
        query, key, value = self._project_self(x, visibility.query_positions, scheme)
        context, weights = self.pattern.attend(
            query, key, value, visibility, self._dot_product(scheme, need_weights)
        )
        return self._merge_heads(context), weights

    def step(
        self,
        x: Tensor,
        cache: Cache | None,
        at: Tensor,
        scheme: PositionScheme,
        need_weights: bool = False,
    ) -> tuple[Tensor, Tensor | None, Cache]:
        """Self-attention of the newest token x [B, 1, dim] at position [1] to itself and all before, which the cache holds."""
        query, key, value = self._project_self(x, at, scheme)
        context, weights, cache = self.pattern.step(
            query,
            to_cache_layout(key),
            to_cache_layout(value),
            cache,
            at,
            self._dot_product(scheme, need_weights),
        )
        return self._merge_heads(context), weights, cache

    def _project_self(
        self, x: Tensor, at: Tensor, scheme: PositionScheme
    ) -> tuple[Tensor, Tensor, Tensor]:
        query, (key, value) = split_heads(self.query(x), self.heads), self.project(x)
        if self.norms is not None:
            query, key = self.norms[0](query), self.norms[1](key)
        return scheme.rotate(query, at), scheme.rotate(key, at), value

    def _dot_product(self, scheme: PositionScheme, need_weights: bool) -> DotProductAttention:
        dropout_p = self.dropout if self.training else 0.0
        return DotProductAttention(
            scheme,
            select=self.select,
            softcap=self.softcap,
            dropout_p=dropout_p,
            need_weights=need_weights,
        )

    def _merge_heads(self, context: Tensor) -> Tensor:
        return self.out(context.transpose(1, 2).flatten(2))


def split_heads(x: Tensor, heads: int) -> Tensor:
    """[B, T, D] -> [B, H, T, D / H]"""
    return x.unflatten(-1, (heads, -1)).transpose(1, 2)
