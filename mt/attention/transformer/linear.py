"""Linear attention: a feature map in place of softmax, so that keys and values can be summed first.

context_t = phi(q_t) sum_s phi(k_s) v_s^T / (phi(q_t) sum_s phi(k_s)) (Katharopoulos et al. 2020,
equations 5 and 9). All functions take phi(q) [B, H, T, D], phi(k) [B, H, S, D] and v [B, H, S, D];
masked keys are zero.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from mt.attention.masks import Visibility, causal_mask
from mt.attention.transformer.layouts import split_into_blocks

BLOCK_SIZE = 64  # causal attention computes products of pairs within blocks of this many tokens


def feature_map(x: Tensor) -> Tensor:
    """Compute phi(x) = elu(x) + 1 > 0, in float32."""
    return F.elu(x.float()) + 1


def safe_divide(numerator: Tensor, denominator: Tensor) -> Tensor:
    """Divide; the result is 0 for queries without visible keys, where both are 0."""
    return numerator / denominator.clamp(min=torch.finfo(denominator.dtype).tiny)


def bidirectional(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Return the context if every query sees every key."""
    return safe_divide(query @ (key.transpose(-2, -1) @ value), query @ key.sum(-2)[..., None])


def causal(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Return the context if no query sees a later key.

    Tokens of the same block are multiplied pair by pair. All earlier blocks enter as one sum.
    """
    length = query.shape[2]
    # [B, blocks, H, BLOCK_SIZE, D]
    query, key, value = (split_into_blocks(x, BLOCK_SIZE) for x in (query, key, value))
    earlier_states = exclusive_cumsum(key.transpose(-2, -1) @ value)
    earlier_norms = exclusive_cumsum(key.sum(-2))
    products = (query @ key.transpose(-2, -1)).tril()
    numerator = products @ value + query @ earlier_states
    denominator = products.sum(-1, keepdim=True) + query @ earlier_norms[..., None]
    context = safe_divide(numerator, denominator)
    return context.transpose(1, 2).flatten(2, 3)[:, :, :length]


def exclusive_cumsum(x: Tensor) -> Tensor:
    """Return the sum of all earlier entries along dimension 1."""
    return x.cumsum(1) - x


def pairwise(
    query: Tensor, key: Tensor, value: Tensor, visibility: Visibility
) -> tuple[Tensor, Tensor]:
    """Return the context and the weights [B, H, T, S], in quadratic time."""
    products = query @ key.transpose(-2, -1)
    if visibility.causal:
        products = products * causal_mask(visibility.query_positions, visibility.key_positions)
    weights = safe_divide(products, products.sum(-1, keepdim=True))
    return weights @ value, weights
