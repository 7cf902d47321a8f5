"""Scaled dot-product attention: one function with two implementations that agree.

`attend` uses PyTorch's fused kernel on a GPU and two matrix products on a CPU. There the backward
pass of the fused kernel is many times slower than its forward pass, at usual sentence lengths. On
any device, two matrix products compute what the fused kernel cannot: attention weights, selections
other than softmax, capped scores and context biases. In both, a query whose keys are all masked has
an output of zero.
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
    products: Tensor | None = None,
    context_bias: Callable[[Tensor], Tensor] | None = None,
    select: Selection = masked_softmax,
    softcap: float = 0.0,
    dropout_p: float = 0.0,
    need_weights: bool = False,
) -> tuple[Tensor, Tensor | None]:
    """Compute select(cap(Q K^T / sqrt(D) + products) + bias) V (Vaswani et al. 2017, equation 1).

    query [..., H, T, D], key and value [..., H, S, D]; mask (bool, True: may attend), products and
    bias broadcast to [..., H, T, S]. Returns the context [..., H, T, D], and the weights
    [..., H, T, S] or None if `need_weights` is False.

    `context_bias` maps the weights to a term that is added to the context (Shaw et al. 2018).
    `softcap` c > 0 bounds the scores: c tanh(s / c) (Gemma 2, 2024). `dropout_p` applies in any
    mode; the caller passes 0 in evaluation.
    """
    simple = products is None and context_bias is None
    fusible = simple and select is masked_softmax and not softcap
    if fusible and not need_weights and query.device.type != "cpu":
        return attend_fused(query, key, value, mask, bias, dropout_p), None
    context, weights = attend_eager(
        query, key, value, mask, bias, context_bias, select, softcap, dropout_p, products
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
    products: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Compute `attend` with two matrix products; return context and weights.

    If the keys are float32, everything is float32, under autocast too.
    """
    if key.dtype == torch.float32 and torch.is_autocast_enabled(key.device.type):
        options = (mask, bias, context_bias, select, softcap, dropout_p, products)
        with torch.autocast(key.device.type, enabled=False):
            return attend_eager(query.float(), key, value.float(), *options)
    scores = (query * (1.0 / math.sqrt(query.shape[-1]))) @ key.transpose(-2, -1)
    if products is not None:
        scores = scores + products.to(scores.dtype)
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


def attend_fused(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    mask: Tensor | None = None,
    bias: Tensor | None = None,
    dropout_p: float = 0.0,
) -> Tensor:
    """Compute `attend` with PyTorch's fused kernels, without weights.

    The kernels take exactly four dimensions; further leading ones are folded into the batch.
    """
    leading, heads = query.shape[:-3], query.shape[-3]
    attn_mask, any_visible = mask, None
    if mask is not None:
        # Kernels differ on fully masked rows, where a NaN would reach the gradient of the values.
        # Such rows attend to everything here; `where` below discards the result.
        any_visible = mask.any(-1, keepdim=True)
        attn_mask = mask | ~any_visible
    if bias is not None:
        bias = bias.to(query.dtype)
        attn_mask = bias if attn_mask is None else bias.masked_fill(~attn_mask, -torch.inf)
    if attn_mask is not None:
        attn_mask = attn_mask[(None,) * (query.dim() - attn_mask.dim())]
        if len(leading) > 1:
            attn_mask = attn_mask.expand(*leading, *attn_mask.shape[-3:]).flatten(0, -4)
        attn_mask = attn_mask.contiguous()
    q, k, v = (x.reshape(-1, heads, *x.shape[-2:]) for x in (query, key, value))
    context = F.scaled_dot_product_attention(q, k, v, attn_mask=attn_mask, dropout_p=dropout_p)
    context = context.view(query.shape)
    return context if any_visible is None else torch.where(any_visible, context, 0.0)


def to_cache_layout(x: Tensor) -> Tensor:
    """Make keys or values [B, H, S, D] contiguous, and float32 on a CPU, for incremental decoding.

    Contiguous, because every step would otherwise copy them. float32, because oneDNN compiles a
    bfloat16 kernel for each new shape, which takes ten times as long as the small product of a
    step, and shapes change all the time: targets grow, and finished sentences leave the batch.
    """
    return (x.float() if x.device.type == "cpu" else x).contiguous()
