"""Tokens in groups: blocks with their neighbours, columns, heads that share keys."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F


def split_into_blocks(x: Tensor, block: int) -> Tensor:
    """Split [B, H, T, D] -> [B, blocks, H, block, D], with zeros at the end of the last block."""
    return F.pad(x, (0, 0, 0, -x.shape[2] % block)).unflatten(2, (-1, block)).transpose(1, 2)


def blocks_with_neighbours(x: Tensor, block: int, left: int, right: int) -> Tensor:
    """Split [B, H, S, D] -> [B, blocks, H, left + block + right, D], overlapping, zero-padded."""
    padded = F.pad(x, (0, 0, left, -x.shape[2] % block + right))
    return padded.unfold(2, left + block + right, block).permute(0, 2, 1, 4, 3)


def split_into_columns(x: Tensor, stride: int) -> Tensor:
    """Split [B, H, T, D] -> [B, stride, H, rows, D], with zeros at the end of the last row."""
    rows = F.pad(x, (0, 0, 0, -x.shape[2] % stride)).unflatten(2, (-1, stride))
    return rows.permute(0, 3, 1, 2, 4)


def repeat_heads(x: Tensor, heads: int) -> Tensor:
    """Repeat key heads [B, G, S, D] -> [B, H, S, D], in the order of PyTorch's `enable_gqa`.

    Key head g serves the query heads g H / G, ..., (g + 1) H / G - 1.
    """
    return x if x.shape[1] == heads else x.repeat_interleave(heads // x.shape[1], 1)


def positions_of_groups(starts: Tensor, offsets: Tensor, sentence: Tensor) -> Tensor:
    """Return the position in the sentence of each token of each group, [G, T].

    `starts` [G] and `offsets` [T] count from the first token; `sentence` [S] holds the positions of
    all tokens, which are consecutive. Padding gets the position of the nearest token.
    """
    positions = sentence[0] + starts[:, None] + offsets
    return positions.clamp(sentence[0], sentence[-1])
