"""Scaled dot-product attention, as one function with two implementations that agree.

`attend` picks by device: PyTorch's fused kernel on a GPU, two matrix products on a CPU, where the backward pass of the
fused kernel is many times slower than its forward on sentences of usual length. A query whose keys are all masked
attends to nothing: its output is zero in either.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from mt.models.dropout import dropout


def attend(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None, dropout_p: float = 0.0, need_weights: bool = False
) -> tuple[Tensor, Tensor | None]:
    """softmax(Q K^T / sqrt(D)) V (Vaswani et al. 2017, equation 1).

    query [B, H, T, D], key and value [B, H, S, D], mask bool broadcastable to [B, 1, T, S] with True where a query may
    look -> context [B, H, T, D] and, where asked for, weights [B, H, T, S]. `dropout_p` applies whatever the mode of the
    module: the caller passes 0 outside training.
    """
    if need_weights or query.device.type == "cpu":
        return attend_eager(query, key, value, mask, dropout_p)
    return attend_fused(query, key, value, mask, dropout_p), None


def attend_eager(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None, dropout_p: float = 0.0) -> tuple[Tensor, Tensor]:
    """`attend` as two matrix products, with the weights."""
    scores = (query * (1.0 / math.sqrt(query.shape[-1]))) @ key.transpose(-2, -1)
    if mask is not None:
        # A finite fill: with -inf a row that is masked entirely would be NaN, and NaN times zero stays NaN.
        scores = scores.masked_fill(~mask, torch.finfo(scores.dtype).min)
    weights = scores.softmax(-1)
    if mask is not None:
        weights = weights * mask.any(-1, keepdim=True)
    return dropout(weights, dropout_p) @ value, weights


def attend_fused(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None, dropout_p: float = 0.0) -> Tensor:
    """`attend` through PyTorch's fused kernels, without the weights."""
    context = F.scaled_dot_product_attention(query, key, value, attn_mask=mask, dropout_p=dropout_p)
    if mask is not None:
        # Backends differ on rows that are masked entirely (NaN, mean or zero); `where` also stops a NaN's gradient.
        context = torch.where(mask.any(-1, keepdim=True), context, 0.0)
    return context
