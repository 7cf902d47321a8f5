"""Which keys a query may look at, for speed or as a model of locality: layouts, and how each is computed without the rest.

A layout says which keys are `allowed`, by positions alone, and computes exactly that: over
everything with a mask where weights are asked for or the input is short, else by rearranging
queries and keys into small groups that attend among themselves. What scores are made of, and how
weights come from them, is in `DotProductAttention` and the same for all.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor
from torch.nn import functional as F

from mt.attention.masks import Visibility, position_range
from mt.attention.select import Selection, masked_softmax
from mt.attention.transformer.kernels import attend
from mt.attention.transformer.positions import ALL_HEADS, PositionScheme

MAX_SCORES = 1 << 26  # scores above which weights are computed for some queries at a time
Bias = Callable[
    [Tensor, Tensor, Tensor, slice], Tensor
]  # query, query_positions, key_positions, heads: as PositionScheme.bias


@dataclass(
    frozen=True, eq=False
)  # eq: torch.compile of PyTorch 2.11 cannot hash one that is called
class DotProductAttention:
    """From queries and keys at their positions to context and weights, for whatever keys they are."""

    scheme: PositionScheme
    heads: slice = field(
        default_factory=lambda: ALL_HEADS
    )  # of all heads, those that queries and keys hold
    span: Bias | None = None  # one more bias
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
        """query [..., H, T, D], key and value [..., H, S, D], mask [..., T, S], query_positions [..., T], key_positions [..., S] -> as `attend`.

        Leading dimensions of mask and positions may be fewer: they broadcast.
        """
        if (
            self.need_weights
            and query[..., 0].numel() * key.shape[-2] > MAX_SCORES
            and query.shape[-2] > 1
        ):
            return self._in_chunks(query, key, value, mask, query_positions, key_positions)
        bias = self.scheme.bias(query, query_positions, key_positions, self.heads)
        if self.span is not None:
            more = self.span(query, query_positions, key_positions, self.heads)
            bias = more if bias is None else bias + more
        overridden = type(self.scheme).context_bias is not PositionScheme.context_bias
        return attend(
            query,
            key,
            value,
            mask,
            bias,
            context_bias=(
                lambda weights: self._context_bias(weights, query_positions, key_positions)
            )
            if overridden
            else None,
            select=self.select,
            softcap=self.softcap,
            dropout_p=self.dropout_p,
            need_weights=self.need_weights,
        )

    def _context_bias(
        self, weights: Tensor, query_positions: Tensor, key_positions: Tensor
    ) -> Tensor:
        added = self.scheme.context_bias(weights, query_positions, key_positions)
        assert added is not None
        return added

    def _in_chunks(self, query, key, value, mask, query_positions, key_positions):
        """Half of the queries at a time, until it fits: scores, and what it takes to make weights of them, are then small."""
        middle = query.shape[-2] // 2
        halves = []
        for part in (slice(0, middle), slice(middle, None)):
            masked = mask[..., part, :] if mask is not None and mask.shape[-2] > 1 else mask
            halves.append(
                self(
                    query[..., part, :],
                    key,
                    value,
                    masked,
                    query_positions[..., part],
                    key_positions,
                )
            )
        contexts, weights = zip(*halves, strict=True)
        return torch.cat(contexts, -2), torch.cat(weights, -2)


class FullLayout:
    """Every key."""

    def allowed(self, query_positions: Tensor, key_positions: Tensor) -> Tensor | None:
        """[..., T, S] bool; None: everything."""
        return None

    def sparse_is_faster(self, length: int) -> bool:
        """Whether `sparse` is faster than everything with a mask."""
        return False

    def attend(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        visibility: Visibility,
        attention: DotProductAttention,
    ) -> tuple[Tensor, Tensor | None]:
        """query [B, H, T, D], key and value [B, H, S, D] -> context [B, H, T, D], weights [B, H, T, S] where asked for."""
        same = (
            query.shape[2] == key.shape[2]
        )  # else one query of step-by-step decoding, or another sequence
        if self.sparse_is_faster(query.shape[2]) and same and not attention.need_weights:
            return self.attend_sparse(query, key, value, visibility, attention), None
        mask = visibility.mask(self.allowed(visibility.query_positions, visibility.key_positions))
        return attention(
            query, key, value, mask, visibility.query_positions, visibility.key_positions
        )

    def attend_sparse(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        visibility: Visibility,
        attention: DotProductAttention,
    ) -> Tensor:
        """The context alone, without looking at what is not allowed. Queries and keys stand at 0, 1, ..."""
        raise NotImplementedError


class WindowLayout(FullLayout):
    """Keys at a distance of at most `reach` to either side (Beltagy et al. 2020, section 3.1, counts both sides as one width)."""

    def __init__(self, reach: int) -> None:
        self.reach = reach

    def allowed(self, query_positions: Tensor, key_positions: Tensor) -> Tensor:
        return (key_positions[..., None, :] - query_positions[..., :, None]).abs() <= self.reach

    def sparse_is_faster(self, length: int) -> bool:
        return length > 4 * self._block

    @property
    def _block(self) -> int:
        return max(16, self.reach)  # smaller matrix products cost more than they save

    def attend_sparse(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        visibility: Visibility,
        attention: DotProductAttention,
    ) -> Tensor:
        """Blocks of queries; each attends to its own block of keys and to its neighbours, all blocks at once."""
        length, block = query.shape[2], self._block
        right = 0 if visibility.causal else block
        queries, keys, values = (
            split_into_blocks(query, block),
            *(blocks_with_neighbours(x, block, block, right) for x in (key, value)),
        )
        # All schemes know distances only, so that positions may count from the start of a block.
        query_positions, key_positions = (
            position_range(0, block, query.device),
            position_range(-block, 2 * block + right, query.device),
        )
        inside = (
            torch.ones(1, length, dtype=torch.bool, device=query.device)
            if visibility.valid is None
            else visibility.valid
        )
        valid = blocks_with_neighbours(inside[:, None, :, None], block, block, right)[
            ..., 0
        ]  # [B, blocks, 1, keys]
        allowed = (
            self.allowed(query_positions, key_positions) & valid[..., None, :]
        )  # [B, blocks, 1, block, keys]
        mask = Visibility(query_positions, key_positions, causal=visibility.causal).mask(allowed)
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
        if query.shape[2] == 1 and key.shape[2] > self.reach + 1 and not attention.need_weights:
            # Step by step, the newest token is the query: what lies further back need not be read.
            near = slice(-self.reach - 1, None)
            valid = None if visibility.valid is None else visibility.valid[:, near]
            visibility = replace(
                visibility, key_positions=visibility.key_positions[near], valid=valid
            )
            key, value = key[:, :, near], value[:, :, near]
        return super().attend(query, key, value, visibility, attention)


class StridedLayout(FullLayout):
    """Keys at a distance that `stride` divides (Child et al. 2019, section 4.3): far sight at a price of T^2 / stride."""

    def __init__(self, stride: int) -> None:
        self.stride = stride

    def allowed(self, query_positions: Tensor, key_positions: Tensor) -> Tensor:
        return (key_positions[..., None, :] - query_positions[..., :, None]) % self.stride == 0

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
        """Tokens in rows of `stride`: each column attends to itself, all columns at once."""
        length = query.shape[2]
        queries, keys, values = (split_into_columns(x, self.stride) for x in (query, key, value))
        # Positions count rows from the first, in tokens: what is in one column differs by whole
        # rows.
        at = self.stride * position_range(0, queries.shape[-2], query.device)
        valid = visibility.valid
        if valid is None and length % self.stride:
            valid = torch.ones(1, length, dtype=torch.bool, device=query.device)
        real = (
            None
            if valid is None
            else split_into_columns(valid[:, None, :, None], self.stride)[..., 0][..., None, :]
        )  # [B, stride, 1, 1, rows]
        mask = Visibility(at, at, causal=visibility.causal).mask(real)
        context, _ = attention(queries, keys, values, mask, at, at)
        return context.permute(0, 2, 3, 1, 4).flatten(2, 3)[:, :, :length]


def split_into_blocks(x: Tensor, block: int) -> Tensor:
    """[B, H, T, D] -> [B, blocks, H, block, D], the last block filled up with zeros."""
    return F.pad(x, (0, 0, 0, -x.shape[2] % block)).unflatten(2, (-1, block)).transpose(1, 2)


def blocks_with_neighbours(x: Tensor, block: int, left: int, right: int) -> Tensor:
    """[B, H, S, D] -> [B, blocks, H, left + block + right, D]: each block of keys with those before and after it."""
    padded = F.pad(x, (0, 0, left, -x.shape[2] % block + right))
    return padded.unfold(2, left + block + right, block).permute(0, 2, 1, 4, 3)


def split_into_columns(x: Tensor, stride: int) -> Tensor:
    """[B, H, T, D] -> [B, stride, H, rows, D], the last row filled up with zeros."""
    return (
        F.pad(x, (0, 0, 0, -x.shape[2] % stride)).unflatten(2, (-1, stride)).permute(0, 3, 1, 2, 4)
    )


def repeat_heads(x: Tensor, heads: int) -> Tensor:
    """[B, G, S, D] -> [B, H, S, D]: neighbouring query heads share a key head, the order of torch's `enable_gqa`."""
    return x if x.shape[1] == heads else x.repeat_interleave(heads // x.shape[1], 1)
