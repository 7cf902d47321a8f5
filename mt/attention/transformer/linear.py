"""Linear attention: a kernel in place of the softmax, so that keys and values are summed up before queries see them.

context_t = phi(q_t) sum_s phi(k_s) v_s^T / (phi(q_t) sum_s phi(k_s)) (Katharopoulos et al. 2020,
equations 5 and 9). All functions take phi(q) [B, H, T, D], phi(k) [B, H, S, D] and v [B, H, S, D];
a key that is hidden is zero.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from mt.attention.masks import Visibility, causal_mask
from mt.attention.transformer.layouts import split_into_blocks

BLOCK = 64  # queries of causal attention that look at one another pairwise


def feature_map(x: Tensor) -> Tensor:
    """phi(x) = elu(x) + 1, which is positive, in float32."""
    return F.elu(x.float()) + 1


def safe_divide(total: Tensor, norm: Tensor) -> Tensor:
    """0 where nothing was seen."""
    return total / norm.clamp(min=torch.finfo(norm.dtype).tiny)


def bidirectional(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    return safe_divide(query @ (key.transpose(-2, -1) @ value), query @ key.sum(-2)[..., None])


def causal(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Pairwise within blocks; the sum of all blocks before serves the rest."""
    length = query.shape[2]
    query, key, value = (
        split_into_blocks(x, BLOCK) for x in (query, key, value)
    )  # [B, blocks, H, BLOCK, D]
    states = exclusive_cumsum(key.transpose(-2, -1) @ value)
    norms = exclusive_cumsum(key.sum(-2))
    near = (query @ key.transpose(-2, -1)).tril()
    context = safe_divide(
        near @ value + query @ states, near.sum(-1, keepdim=True) + query @ norms[..., None]
    )
    return context.transpose(1, 2).flatten(2, 3)[:, :, :length]


def exclusive_cumsum(x: Tensor) -> Tensor:
    """The sum of all earlier blocks, along dimension 1."""
    return x.cumsum(1) - x


def pairwise(
    query: Tensor, key: Tensor, value: Tensor, visibility: Visibility
) -> tuple[Tensor, Tensor]:
    """The same with the weights that it amounts to."""
    products = query @ key.transpose(-2, -1)
    if visibility.causal:
        products = products * causal_mask(visibility.query_positions, visibility.key_positions)
    weights = safe_divide(products, products.sum(-1, keepdim=True))
    return weights @ value, weights
