"""Layouts: the keys that a query may attend to by position, and fast attention to just those.

A layout computes full attention with a mask if the input is short or weights are requested.
Otherwise it rearranges queries and keys into small groups, within which attention is computed.
`DotProductAttention` computes scores and weights for any such group.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from mt.attention.masks import Visibility, position_range
from mt.attention.select import Selection, masked_softmax
from mt.attention.transformer.grouping import (
    blocks_with_neighbours,
    positions_of_groups,
    split_into_blocks,
    split_into_columns,
)
from mt.attention.transformer.kernels import attend
from mt.attention.transformer.position_scheme import ALL_HEADS, PositionScheme, relative_positions

MAX_SCORES = 1 << 26  # with weights: more scores than this are computed in chunks of queries
Bias = Callable[[Tensor, Tensor, Tensor, slice], Tensor]  # as `PositionScheme.bias`


@dataclass(frozen=True, eq=False)  # eq=False: torch.compile of PyTorch 2.11 cannot hash it
class DotProductAttention:
    """Dot-product attention with a position scheme, for any group of queries and keys."""

    scheme: PositionScheme
    heads: slice = field(default_factory=lambda: ALL_HEADS)  # the heads of queries and keys
    extra_bias: Bias | None = None
    select: Selection = masked_softmax
    softcap: float = 0.0
    dropout_p: float = 0.0
    need_weights: bool = False

    def __call__(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        mask: Tensor | None,
        query_positions: Tensor,
        key_positions: Tensor,
    ) -> tuple[Tensor, Tensor | None]:
        """Return context [..., H, T, D], and weights [..., H, T, S] if `need_weights`, else None.

        query [..., H, T, D], key and value [..., H, S, D], mask [..., T, S], query_positions
        [..., T], key_positions [..., S]. Leading dimensions of mask and positions broadcast.
        """
        scores = query[..., 0].numel() * key.shape[-2]
        if self.need_weights and scores > MAX_SCORES and query.shape[-2] > 1:
            return self._in_chunks(query, key, value, mask, query_positions, key_positions)
        positions = query_positions, key_positions
        bias = self.scheme.bias(query, *positions, self.heads)
        if self.extra_bias is not None:
            bias = add_present(bias, self.extra_bias(query, *positions, self.heads))
        products = self.scheme.key_products(query, *positions, self.heads)
        if not self.softcap:
            products, bias = None, add_present(products, bias)
        has_context_bias = type(self.scheme).context_bias is not PositionScheme.context_bias
        return attend(
            query,
            key,
            value,
            mask,
            bias,
            products=products,
            context_bias=self._context_bias(*positions) if has_context_bias else None,
            select=self.select,
            softcap=self.softcap,
            dropout_p=self.dropout_p,
            need_weights=self.need_weights,
        )

    def _context_bias(
        self, query_positions: Tensor, key_positions: Tensor
    ) -> Callable[[Tensor], Tensor]:
        def context_bias(weights: Tensor) -> Tensor:
            bias = self.scheme.context_bias(weights, query_positions, key_positions)
            assert bias is not None
            return bias

        return context_bias

    def _in_chunks(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        mask: Tensor | None,
        query_positions: Tensor,
        key_positions: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """Halve the queries until their scores fit into `MAX_SCORES`, to bound the peak memory."""
        middle = query.shape[-2] // 2
        halves = []
        for part in (slice(0, middle), slice(middle, None)):
            part_mask = mask[..., part, :] if mask is not None and mask.shape[-2] > 1 else mask
            positions = query_positions[..., part], key_positions
            halves.append(self(query[..., part, :], key, value, part_mask, *positions))
        contexts, weights = zip(*halves, strict=True)
        return torch.cat(contexts, -2), torch.cat(weights, -2)


def add_present(one: Tensor | None, other: Tensor | None) -> Tensor | None:
    """Add two tensors, either of which may be missing."""
    if one is None or other is None:
        return other if one is None else one
    return one + other


class Layout:
    """Base class of layouts."""

    def allowed(self, query_positions: Tensor, key_positions: Tensor) -> Tensor | None:
        """Return which keys each query may attend to, bool; None: all of them.

        The shape is [..., T, S], or [..., H, T, S] if heads differ.
        """
        raise NotImplementedError

    def sparse_is_faster(self, length: int) -> bool:
        """Return whether `attend_sparse` is faster than full attention with a mask."""
        raise NotImplementedError

    def attend(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        visibility: Visibility,
        attention: DotProductAttention,
    ) -> tuple[Tensor, Tensor | None]:
        """Attend to the allowed keys: query [B, H, T, D], key and value [B, H, S, D].

        Returns context [B, H, T, D], and weights [B, H, T, S] if they are requested, else None.
        """
        # Unequal lengths: a step of incremental decoding, or cross-attention.
        same_length = query.shape[2] == key.shape[2]
        if self.sparse_is_faster(query.shape[2]) and same_length and not attention.need_weights:
            return self.attend_sparse(query, key, value, visibility, attention), None
        positions = visibility.query_positions, visibility.key_positions
        return attention(query, key, value, visibility.mask(self.allowed(*positions)), *positions)

    def attend_sparse(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        visibility: Visibility,
        attention: DotProductAttention,
    ) -> Tensor:
        """Return the context only, from allowed keys only. Positions are consecutive."""
        raise NotImplementedError


class FullLayout(Layout):
    """Every key."""

    def allowed(self, query_positions: Tensor, key_positions: Tensor) -> None:
        return None

    def sparse_is_faster(self, length: int) -> bool:
        return False


class WindowLayout(Layout):
    """Keys at a distance of at most `radius`, on either side.

    Beltagy et al. 2020, section 3.1, call both sides together the window size.
    """

    def __init__(self, radius: int) -> None:
        self.radius = radius

    def allowed(self, query_positions: Tensor, key_positions: Tensor) -> Tensor:
        return relative_positions(query_positions, key_positions).abs() <= self.radius

    def sparse_is_faster(self, length: int) -> bool:
        return length > 4 * self._block

    @property
    def _block(self) -> int:
        return max(16, self.radius)  # smaller matrix products cost more than they save

    def attend_sparse(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        visibility: Visibility,
        attention: DotProductAttention,
    ) -> Tensor:
        """Split queries into blocks that attend to the key blocks beside them, in parallel."""
        length, block, device = query.shape[2], self._block, query.device
        right = 0 if visibility.causal else block
        queries = split_into_blocks(query, block)
        keys, values = (blocks_with_neighbours(x, block, block, right) for x in (key, value))
        # Masks depend on distances only, so that positions may restart in each block.
        query_positions = position_range(0, block, device)
        key_positions = position_range(-block, 2 * block + right, device)
        valid = visibility.valid
        if valid is None:
            valid = torch.ones(1, length, dtype=torch.bool, device=device)
        valid = valid[:, None, :, None]  # as keys: [B, 1, S, 1]
        valid = blocks_with_neighbours(valid, block, block, right)[..., 0]  # [B, blocks, 1, keys]
        # [B, blocks, 1, block, keys]
        allowed = self.allowed(query_positions, key_positions) & valid[..., None, :]
        mask = Visibility(query_positions, key_positions, causal=visibility.causal).mask(allowed)
        if not attention.scheme.distances_only:
            starts = block * position_range(0, queries.shape[1], device)
            query_positions, key_positions = (
                positions_of_groups(starts, x, visibility.key_positions)
                for x in (query_positions, key_positions)
            )
        context, _ = attention(queries, keys, values, mask, query_positions, key_positions)
        return context.transpose(1, 2).flatten(2, 3)[:, :, :length]

    def attend(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        visibility: Visibility,
        attention: DotProductAttention,
    ) -> tuple[Tensor, Tensor | None]:
        """Attend as every layout does; in incremental decoding, read the window only."""
        if query.shape[2] == 1 and key.shape[2] > self.radius + 1 and not attention.need_weights:
            window = slice(-self.radius - 1, None)  # the query is the newest token
            key, value = key[:, :, window], value[:, :, window]
            key_positions = visibility.key_positions[window]
            valid = None if visibility.valid is None else visibility.valid[:, window]
            visibility = replace(visibility, key_positions=key_positions, valid=valid)
        return super().attend(query, key, value, visibility, attention)


class StridedLayout(Layout):
    """Keys at a distance that is a multiple of `stride` (Child et al. 2019, section 4.3).

    Attention over any distance, at a cost of T^2 / stride.
    """

    def __init__(self, stride: int) -> None:
        self.stride = stride

    def allowed(self, query_positions: Tensor, key_positions: Tensor) -> Tensor:
        return relative_positions(query_positions, key_positions) % self.stride == 0

    def sparse_is_faster(self, length: int) -> bool:
        return length >= 8 * self.stride

    def attend_sparse(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        visibility: Visibility,
        attention: DotProductAttention,
    ) -> Tensor:
        """Write the tokens in rows of `stride`; each column attends to itself, in parallel."""
        length, device = query.shape[2], query.device
        queries, keys, values = (split_into_columns(x, self.stride) for x in (query, key, value))
        # Tokens of a column are whole rows apart. Masks depend on distances only, so that positions
        # may start at 0 in each column.
        positions = self.stride * position_range(0, queries.shape[-2], device)
        valid = visibility.valid
        if valid is None and length % self.stride:
            valid = torch.ones(1, length, dtype=torch.bool, device=device)
        if valid is not None:  # -> [B, stride, 1, 1, rows]
            valid = split_into_columns(valid[:, None, :, None], self.stride)[..., 0][..., None, :]
        mask = Visibility(positions, positions, causal=visibility.causal).mask(valid)
        if not attention.scheme.distances_only:
            starts = position_range(0, self.stride, device)
            positions = positions_of_groups(starts, positions, visibility.key_positions)
        context, _ = attention(queries, keys, values, mask, positions, positions)
        return context.permute(0, 2, 3, 1, 4).flatten(2, 3)[:, :, :length]
