"""Scaled dot-product attention, as one function with two implementations that agree.

`attend` picks by device: PyTorch's fused kernel on a GPU, two matrix products on a CPU, where the
backward pass of the fused kernel is many times slower than its forward on sentences of usual
length. What the fused kernel cannot do (weights to look at, a selection other than softmax, a cap
on the scores, values that depend on positions) takes the two products on any device. A query whose
keys are all masked attends to nothing: its output is zero in either.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from mt.attention.select import Selection, masked_softmax
from mt.layers.dropout import dropout


def attend(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    mask: Tensor | None = None,
    bias: Tensor | None = None,
    *,
    context_bias: Callable[[Tensor], Tensor] | None = None,
    select: Selection = masked_softmax,
    softcap: float = 0.0,
    dropout_p: float = 0.0,
    need_weights: bool = False,
) -> tuple[Tensor, Tensor | None]:
    """select(cap(Q K^T / sqrt(D)) + bias) V (Vaswani et al. 2017, equation 1).

    query [..., H, T, D], key and value [..., H, S, D]; mask bool, True where a query may look, and
    bias, both broadcastable to [..., H, T, S] -> context [..., H, T, D] and, where asked for,
    weights [..., H, T, S].

    `values` gives what is added to the context for weights (Shaw et al. 2018); `softcap` c > 0
    keeps scores within c by c tanh(s / c) (Gemma 2, 2024). `dropout_p` applies whatever the mode of
    the module: the caller passes 0 outside training.
    """
    plain = context_bias is None and select is masked_softmax and not softcap
    if plain and not need_weights and query.device.type != "cpu":
        return attend_fused(query, key, value, mask, bias, dropout_p), None
    context, weights = attend_eager(
        query, key, value, mask, bias, context_bias, select, softcap, dropout_p
    )
    return context, weights if need_weights else None


def attend_eager(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    mask: Tensor | None = None,
    bias: Tensor | None = None,
    context_bias: Callable[[Tensor], Tensor] | None = None,
    select: Selection = masked_softmax,
    softcap: float = 0.0,
    dropout_p: float = 0.0,
) -> tuple[Tensor, Tensor]:
    """`attend` as two matrix products, with the weights. Those with float32 keys are in float32 under autocast too."""
    if key.dtype == torch.float32 and torch.is_autocast_enabled(key.device.type):
        with torch.autocast(key.device.type, enabled=False):
            return attend_eager(
                query.float(),
                key,
                value.float(),
                mask,
                bias,
                context_bias,
                select,
                softcap,
                dropout_p,
            )
    scores = (query * (1.0 / math.sqrt(query.shape[-1]))) @ key.transpose(-2, -1)
    if softcap:
        scores = softcap * torch.tanh(scores / softcap)
    if bias is not None:
        scores = scores + bias.to(scores.dtype)
    weights = select(scores, mask)
    dropped = dropout(weights, dropout_p)
    context = dropped @ value
    if context_bias is not None:
        context = context + context_bias(dropped).to(context.dtype)
    return context, weights


def to_cache_layout(x: Tensor) -> Tensor:
    """Keys or values [B, H, S, D] as step-by-step decoding keeps them: heads apart in memory, because every step would copy them
    otherwise, and on a CPU in float32.

    A step's products are small, and there are new shapes all the time: the target grows, and
    sentences leave. For each, oneDNN compiles kernels of bfloat16 products, which takes ten times
    as long as the product in float32.
    """
    return (x.float() if x.device.type == "cpu" else x).contiguous()


def attend_fused(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    mask: Tensor | None = None,
    bias: Tensor | None = None,
    dropout_p: float = 0.0,
) -> Tensor:
    """`attend` through PyTorch's fused kernels, without the weights.

    They take four dimensions and no other: further leading ones are folded into the batch.
    """
    lead, heads = query.shape[:-3], query.shape[-3]
    sees = None if mask is None else mask.any(-1, keepdim=True)
    added = mask
    if mask is not None and sees is not None:
        added = (
            mask | ~sees
        )  # kernels differ on rows that are masked entirely, and a NaN there would reach the values' gradient
    if bias is not None:
        bias = bias.to(query.dtype)
        added = bias if added is None else bias.masked_fill(~added, -torch.inf)
    if added is not None:
        added = added[(None,) * (query.dim() - added.dim())]
        added = (
            added.expand(*lead, *added.shape[-3:]).flatten(0, -4).contiguous()
            if len(lead) > 1
            else added.contiguous()
        )
    q, k, v = (x.reshape(-1, heads, *x.shape[-2:]) for x in (query, key, value))
    context = F.scaled_dot_product_attention(q, k, v, attn_mask=added, dropout_p=dropout_p).view(
        query.shape
    )
    return context if sees is None else torch.where(sees, context, 0.0)
