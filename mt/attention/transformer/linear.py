"""Linear attention: a feature map in place of softmax, so that keys and values can be summed first.

context_t = phi(q_t) sum_s phi(k_s) v_s^T / (phi(q_t) sum_s phi(k_s)), with phi(x) = elu(x) + 1
(Katharopoulos et al. 2020, equations 5, 7 and 9).

Features of very negative inputs are smaller than any float, while the context, a ratio, is not. All
functions therefore take log phi(q) [B, H, T, D] and log phi(k) [B, H, S, D], -inf for masked keys,
and scale each sum by its largest term. Values are [B, H, S, V].
"""

from __future__ import annotations

import math
from functools import reduce
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from mt.attention.masks import Visibility
from mt.attention.select import masked_softmax
from mt.attention.transformer.grouping import split_into_blocks

BLOCK_SIZE = 64  # `causal_in_blocks` computes products of pairs within blocks of this many tokens
MODERATE = 25.0  # largest logarithm of keys that may be added as they are
NO_KEY = -1e30  # the logarithm of the scale of a sum without terms; finite, so that differences are


class Sums(NamedTuple):
    """Numerator [..., T, V] and denominator [..., T, 1] of contexts, divided by exp(log_scale)."""

    numerator: Tensor
    denominator: Tensor
    log_scale: Tensor  # [..., T, 1]

    def context(self) -> Tensor:
        """Divide; the result is 0 for queries without visible keys. Other denominators are >= 1."""
        return self.numerator / self.denominator.clamp(min=0.5)


def log_feature_map(x: Tensor) -> Tensor:
    """Compute log(elu(x) + 1) in float32: x if x <= 0, else log(1 + x)."""
    x = x.float()
    return torch.where(x > 0, torch.log1p(x.clamp(min=0)), x)


def scaled_query(log_query: Tensor, log_scale: Tensor) -> tuple[Tensor, Tensor]:
    """Return queries for keys that are divided by exp(log_scale), and the scale of each query.

    The scales are the largest terms, so that no quotient exceeds 1 and the largest is 1.
    """
    log_query = log_query + log_scale
    peak = log_query.detach().amax(-1, keepdim=True).clamp(min=NO_KEY)
    return torch.exp(log_query - peak), peak


def scaled_key(log_key: Tensor) -> tuple[Tensor, Tensor]:
    """Return keys divided by the largest value of each feature, and its logarithm [..., 1, D]."""
    peak = log_key.detach().amax(-2, keepdim=True).clamp(min=NO_KEY)
    return torch.exp(log_key - peak), peak


def sums(log_query: Tensor, log_key: Tensor, value: Tensor, by_pairs: bool = False) -> Sums:
    """Return the sums if every query sees every key.

    `by_pairs` multiplies each query with each key, which is cheaper if there are few.
    """
    key, log_scale = scaled_key(log_key)
    query, peak = scaled_query(log_query, log_scale)
    if by_pairs:
        products = query @ key.mT
        return Sums(products @ value, products.sum(-1, keepdim=True), peak)
    return Sums(query @ (key.mT @ value), query @ key.sum(-2)[..., None], peak)


def add(one: Sums, other: Sums) -> Sums:
    """Add the sums of two sets of keys."""
    log_scale = torch.maximum(one.log_scale, other.log_scale)
    first, second = (torch.exp(each.log_scale - log_scale) for each in (one, other))
    return Sums(
        one.numerator * first + other.numerator * second,
        one.denominator * first + other.denominator * second,
        log_scale,
    )


def bidirectional(log_query: Tensor, log_key: Tensor, value: Tensor) -> Tensor:
    """Return the context if every query sees every key."""
    return sums(log_query, log_key, value).context()


def causal(log_query: Tensor, log_key: Tensor, value: Tensor) -> Tensor:
    """Return the context if no query sees a later key."""
    # On a GPU, reading the range would synchronise.
    if log_key.device.type == "cpu" and log_key.abs().max() <= MODERATE:
        return causal_in_blocks(log_query, log_key, value)
    return causal_by_halves(log_query, log_key, value)


def causal_in_blocks(log_query: Tensor, log_key: Tensor, value: Tensor) -> Tensor:
    """Compute `causal` for keys within exp(+-MODERATE), whose sums need no scale.

    Tokens of the same block are multiplied pair by pair. All earlier blocks enter as one sum.
    """
    length = log_query.shape[2]
    query, key = scaled_query(log_query, torch.zeros_like(log_query[..., :1]))[0], log_key.exp()
    # [B, blocks, H, BLOCK_SIZE, D]
    query, key, value = (split_into_blocks(x, BLOCK_SIZE) for x in (query, key, value))
    earlier_states = exclusive_cumsum(key.mT @ value)
    earlier_norms = exclusive_cumsum(key.sum(-2))
    products = (query @ key.mT).tril()
    numerator = products @ value + query @ earlier_states
    denominator = products.sum(-1, keepdim=True) + query @ earlier_norms[..., None]
    # At the end of the last block, both are 0.
    context = numerator / denominator.clamp(min=math.exp(-2 * MODERATE))
    return context.transpose(1, 2).flatten(2, 3)[:, :, :length]


def exclusive_cumsum(x: Tensor) -> Tensor:
    """Return the sum of all earlier entries along dimension 1.

    Subtracting x from the inclusive sum would lose what is much smaller than x.
    """
    return torch.cat((torch.zeros_like(x[:, :1]), x[:, :-1].cumsum(1)), 1)


def causal_by_halves(log_query: Tensor, log_key: Tensor, value: Tensor) -> Tensor:
    """Compute `causal` for any keys, in time T log T.

    The keys up to t are t itself and, for each power of two in the binary form of t, the left half
    of a block whose right half contains t. Each half thus has a scale of its own.
    """
    length, half = log_query.shape[2], 1
    products = log_query + log_key  # each token with itself
    peak = products.detach().amax(-1, keepdim=True).clamp(min=NO_KEY)
    weight = torch.exp(products - peak).sum(-1, keepdim=True)
    total = Sums(weight * value, weight, peak)
    while half < length:
        query, key, v = (split_into_blocks(x, 2 * half) for x in (log_query, log_key, value))
        left, right = slice(0, half), slice(half, None)
        q, k, v = query[..., right, :], key[..., left, :], v[..., left, :]
        earlier = sums(q, k, v, by_pairs=half <= query.shape[-1])
        # The left halves see no key at this level.
        padded = zip(earlier, (0.0, 0.0, NO_KEY), strict=True)
        placed = (F.pad(x, (0, 0, half, 0), value=empty) for x, empty in padded)
        total = add(total, Sums(*(x.transpose(1, 2).flatten(2, 3)[:, :, :length] for x in placed)))
        half *= 2
    return total.context()


def step(
    log_query: Tensor, log_key: Tensor, value: Tensor, cache: tuple[Tensor, ...] | None
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """Return the context of the newest token (T = 1), and the cache with the token added.

    The cache holds the sums of keys times values [B, H, D, V] and of keys [B, H, D], divided by the
    largest key of each feature, and the logarithm of that [B, H, D]. A cache of zeros is empty.
    """
    newest = log_key[..., 0, :]
    if cache is None:
        zeros = torch.zeros_like(newest)
        cache = zeros[..., None] * value, zeros, zeros
    state, norm, log_scale = cache
    log_scale = torch.where(norm > 0, log_scale, NO_KEY)
    peak = torch.maximum(log_scale, newest)
    decay, key = torch.exp(log_scale - peak), torch.exp(newest - peak)
    state = decay[..., None] * state + key[..., None] * value
    norm = decay * norm + key
    query, query_scale = scaled_query(log_query, peak[..., None, :])
    context = Sums(query @ state, query @ norm[..., None], query_scale).context()
    return context, (state, norm, peak)


def pairwise(
    log_query: Tensor, log_key: Tensor, value: Tensor, visibility: Visibility
) -> tuple[Tensor, Tensor]:
    """Return the context and the weights [B, H, T, S], in quadratic time."""
    features = zip(log_query.unbind(-1), log_key.unbind(-1), strict=True)
    terms = (q[..., :, None] + k[..., None, :] for q, k in features)
    weights = masked_softmax(reduce(torch.logaddexp, terms), visibility.mask())
    return weights @ value, weights
