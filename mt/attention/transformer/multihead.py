"""Multi-head attention: projections, heads and output. Patterns compute the attention itself."""

from __future__ import annotations

from torch import Tensor, nn

from mt.attention.masks import Visibility
from mt.attention.select import SELECTIONS
from mt.attention.transformer.kernels import to_cache_layout
from mt.attention.transformer.layouts import DotProductAttention
from mt.attention.transformer.patterns import Cache, build_pattern
from mt.attention.transformer.position_scheme import PositionScheme
from mt.attention.transformer.positions import NoPositions
from mt.config.schema import TransformerConfig
from mt.layers.norm import RMSNorm

KeyValue = tuple[Tensor, Tensor]  # keys and values, [B, G, S, dim / H] each


class MultiHeadAttention(nn.Module):
    """Attention with H heads from queries of width `dim` to a memory of width `memory_dim`.

    See Vaswani et al. 2017, section 3.2.2. Without `memory_dim` it is self-attention. Keys and
    values have G heads, each shared by H / G query heads: G = H is ordinary attention, G = 1
    multi-query attention (Shazeer 2019), anything between grouped-query attention (Ainslie et al.
    2023). With `qk_norm`, self-attention normalises queries and keys (Henry et al. 2020).
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
        self.dropout, self.softcap = config.attention_dropout, config.softcap
        self.select = SELECTIONS[config.select]
        self.pattern = build_pattern(pattern, config)
        head_dim = dim // self.heads
        self.query = nn.Linear(dim, dim)
        self.key_value = nn.Linear(memory_dim or dim, 2 * head_dim * self.kv_heads)
        self.out = nn.Linear(dim, dim)
        self.norms: nn.ModuleList | None = None  # of queries and of keys
        if config.qk_norm and memory_dim is None:
            self.norms = nn.ModuleList(RMSNorm(head_dim) for _ in range(2))
        # Keys and values are two matrices: Xavier's fan-out is that of each half.
        for weight in (self.query.weight, *self.key_value.weight.chunk(2), self.out.weight):
            nn.init.xavier_uniform_(weight)
        for layer in (self.query, self.key_value, self.out):
            nn.init.zeros_(layer.bias)

    def project(self, memory: Tensor) -> KeyValue:
        """Project a memory [B, S, memory_dim] to keys and values."""
        keys, values = self.key_value(memory).chunk(2, dim=-1)
        return split_heads(keys, self.kv_heads), split_heads(values, self.kv_heads)

    def forward(
        self, x: Tensor, memory: KeyValue, visibility: Visibility, need_weights: bool = False
    ) -> tuple[Tensor, Tensor | None]:
        """Compute cross-attention from x [B, T, dim] to a projected memory.

        Returns the output [B, T, dim], and weights [B, H, T, S] or None.
        """
        query = split_heads(self.query(x), self.heads)
        attention = self._dot_product(NoPositions(), need_weights)
        context, weights = self.pattern.attend(query, *memory, visibility, attention)
        return self._merge_heads(context), weights

    def self_attend(
        self,
        x: Tensor,
        visibility: Visibility,
        scheme: PositionScheme,
        need_weights: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        """Compute self-attention over x [B, T, dim]; returns as `forward` does."""
        qkv = self._project_self(x, visibility.query_positions, scheme)
        attention = self._dot_product(scheme, need_weights)
        context, weights = self.pattern.attend(*qkv, visibility, attention)
        return self._merge_heads(context), weights

    def step(
        self,
        x: Tensor,
        cache: Cache | None,
        position: Tensor,
        scheme: PositionScheme,
        need_weights: bool = False,
    ) -> tuple[Tensor, Tensor | None, Cache]:
        """Compute self-attention of the newest token x [B, 1, dim] at position [1].

        It attends to itself and to all earlier tokens, which the cache holds. Returns output,
        weights or None, and the new cache.
        """
        query, key, value = self._project_self(x, position, scheme)
        key, value = to_cache_layout(key), to_cache_layout(value)
        attention = self._dot_product(scheme, need_weights)
        context, weights, cache = self.pattern.step(query, key, value, cache, position, attention)
        return self._merge_heads(context), weights, cache

    def _project_self(
        self, x: Tensor, positions: Tensor, scheme: PositionScheme
    ) -> tuple[Tensor, Tensor, Tensor]:
        query, (key, value) = split_heads(self.query(x), self.heads), self.project(x)
        if self.norms is not None:
            query, key = self.norms[0](query), self.norms[1](key)
        return scheme.rotate(query, positions), scheme.rotate(key, positions), value

    def _dot_product(self, scheme: PositionScheme, need_weights: bool) -> DotProductAttention:
        return DotProductAttention(
            scheme,
            select=self.select,
            softcap=self.softcap,
            dropout_p=self.dropout if self.training else 0.0,
            need_weights=need_weights,
        )

    def _merge_heads(self, context: Tensor) -> Tensor:
        """Concatenate the heads and project: [B, H, T, dim / H] -> [B, T, dim]."""
        return self.out(context.transpose(1, 2).flatten(2))


def split_heads(x: Tensor, heads: int) -> Tensor:
    """Split [B, T, D] -> [B, H, T, D / H]."""
    return x.unflatten(-1, (heads, -1)).transpose(1, 2)
