"""Linear attention: a kernel in place of the softmax, so that keys and values are summed up before queries see them."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mt.attention.layouts import Scoring, into_blocks
from mt.attention.masks import Sight, causal_mask

BLOCK = 64  # queries of causal attention that look at one another pairwise


class LinearAttention(nn.Module):
    """context_t = phi(q_t) sum_s phi(k_s) v_s^T / (phi(q_t) sum_s phi(k_s)), phi(x) = elu(x) + 1 (Katharopoulos et al. 2020).

    Time is linear in the length and the cache of a hypothesis does not grow. All in float32: sums over a whole sentence.
    It is a pattern (`mt.attention.patterns`), but has no scores: no bias, selection or dropout of weights acts on it.
    """

    def attend(self, query: Tensor, key: Tensor, value: Tensor, sight: Sight, scoring: Scoring) -> tuple[Tensor, Tensor | None]:
        """As `Pattern.attend`."""
        with torch.autocast(query.device.type, enabled=False):
            query, key, value = features(query), features(repeat(key, query)), repeat(value, query).float()
            if sight.valid is not None:
                key = key * sight.valid[:, None, :, None]
            if scoring.need_weights:
                return pairwise(query, key, value, sight)
            return (causal if sight.causal else bidirectional)(query, key, value), None

    def step(
        self, query: Tensor, key: Tensor, value: Tensor, cache: tuple[Tensor, ...] | None, at: Tensor, scoring: Scoring
    ) -> tuple[Tensor, None, tuple[Tensor, ...]]:
        """As `Pattern.step`; the cache is the two sums, so there are no weights of single tokens to give."""
        with torch.autocast(query.device.type, enabled=False):
            query, key, value = features(query), features(repeat(key, query)), repeat(value, query).float()
            states, norms = key.transpose(-2, -1) @ value, key.sum(-2)
            if cache is not None:
                states, norms = cache[0] + states, cache[1] + norms
            return divide(query @ states, query @ norms[..., None]), None, (states, norms)

    def losses(self) -> None:
        return None

    def figures(self) -> dict[str, float]:
        return {}


def features(x: Tensor) -> Tensor:
    """phi: positive."""
    return F.elu(x.float()) + 1


def repeat(x: Tensor, query: Tensor) -> Tensor:
    """Keys or values for each query head."""
    return x.repeat_interleave(query.shape[1] // x.shape[1], 1)


def divide(total: Tensor, norm: Tensor) -> Tensor:
    """0 where nothing was seen."""
    return total / norm.clamp(min=torch.finfo(norm.dtype).tiny)


def bidirectional(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    return divide(query @ (key.transpose(-2, -1) @ value), query @ key.sum(-2)[..., None])


def causal(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Pairwise within blocks; the sum of all blocks before serves the rest."""
    length = query.shape[2]
    query, key, value = (into_blocks(x, BLOCK) for x in (query, key, value))  # [B, blocks, H, BLOCK, D]
    states = before(key.transpose(-2, -1) @ value)
    norms = before(key.sum(-2))
    near = (query @ key.transpose(-2, -1)).tril()
    context = divide(near @ value + query @ states, near.sum(-1, keepdim=True) + query @ norms[..., None])
    return context.transpose(1, 2).flatten(2, 3)[:, :, :length]


def before(x: Tensor) -> Tensor:
    """The sum of all earlier blocks, along dimension 1."""
    return x.cumsum(1) - x


def pairwise(query: Tensor, key: Tensor, value: Tensor, sight: Sight) -> tuple[Tensor, Tensor]:
    """The same with the weights that it amounts to."""
    products = query @ key.transpose(-2, -1)
    if sight.causal:
        products = products * causal_mask(sight.query_at, sight.key_at)
    weights = divide(products, products.sum(-1, keepdim=True))
    return weights @ value, weights
