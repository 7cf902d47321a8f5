"""Attention patterns: what self-attention looks at, by name. Most divide the heads among layouts; two are of a kind of their own.

A pattern sees queries, keys and values that are projected and split, all at once (`attend`) or one query at a time with a
cache that it defines itself (`step`).
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from mt.attention.layouts import FullLayout, Scoring, Strided, Window
from mt.attention.linear import LinearAttention
from mt.attention.masks import Sight
from mt.attention.positions import EVERY
from mt.config import TransformerConfig

Cache = tuple[Tensor, ...]  # batch first
NOTHING = -1e4  # a score whose weight is 0, and whose gradient too


class Pattern(nn.Module):
    """Groups of heads with a layout each. One group with the full layout is ordinary attention."""

    def __init__(self, *groups: tuple[slice, FullLayout]) -> None:
        super().__init__()
        self.groups = groups

    def attend(self, query: Tensor, key: Tensor, value: Tensor, sight: Sight, scoring: Scoring) -> tuple[Tensor, Tensor | None]:
        """query [B, H, T, D], key and value [B, G, S, D] where G divides H -> context [B, H, T, D], weights [B, H, T, S] or None."""
        key, value = (repeat_heads(x, query.shape[1]) for x in (key, value))
        if len(self.groups) == 1:
            return self.groups[0][1].attend(query, key, value, sight, scoring)
        found = [
            layout.attend(query[:, heads], key[:, heads], value[:, heads], sight, replace(scoring, heads=heads))
            for heads, layout in self.groups
        ]
        contexts, weights = zip(*found, strict=True)
        return torch.cat(contexts, 1), None if weights[0] is None else torch.cat(weights, 1)

    def step(
        self, query: Tensor, key: Tensor, value: Tensor, cache: Cache | None, at: Tensor, scoring: Scoring
    ) -> tuple[Tensor, Tensor | None, Cache]:
        """The newest token, T = 1, at position [1]: as `attend` to all tokens so far, and the cache with it at its end."""
        if cache is not None:
            key, value = torch.cat((cache[0], key), dim=2), torch.cat((cache[1], value), dim=2)
        sight = Sight(at, torch.arange(key.shape[2], device=at.device))  # no key is later than the newest
        return *self.attend(query, key, value, sight, scoring), (key, value)

    def losses(self) -> Tensor | None:
        """What it adds to the training loss, per target token."""
        return None

    def figures(self) -> dict[str, float]:
        """What is worth watching in training, by name."""
        return {}


class AdaptiveSpan(Pattern):
    """Each head learns how far it looks (Sukhbaatar et al. 2019, equations 4 and 5).

    A key at distance d counts by m(d) = clamp((R + z - d) / R, 0, 1), with the head's span z up to `longest`, in tokens, and a
    ramp of R tokens; weights are m(d) exp(e), normalised. `cost` times the mean span is added to the loss. Spans begin long.
    """

    RAMP = 4

    def __init__(self, heads: int, longest: int, cost: float) -> None:
        super().__init__()
        self.longest, self.cost = longest, cost
        self.share = nn.Parameter(torch.ones(heads))  # of `longest`; AdamW then moves it as fast as other weights

    @property
    def span(self) -> Tensor:
        """z [H] in tokens."""
        return self.longest * self.share.clamp(0, 1)

    def attend(self, query: Tensor, key: Tensor, value: Tensor, sight: Sight, scoring: Scoring) -> tuple[Tensor, Tensor | None]:
        key, value = (repeat_heads(x, query.shape[1]) for x in (key, value))
        # Only what a head can see is computed: one host read a layer, of the longest span.
        layout = Window(int(self.span.max()) + self.RAMP)
        return layout.attend(query, key, value, sight, replace(scoring, span=self.bias))

    def bias(self, query: Tensor, query_at: Tensor, key_at: Tensor, heads: slice = EVERY) -> Tensor:
        """log m(d), [..., H, T, S]: within softmax it multiplies what is exponentiated."""
        distance = (key_at[..., None, :] - query_at[..., :, None]).abs()[..., None, :, :]
        share = (self.RAMP + self.span[heads, None, None] - distance) / self.RAMP
        return torch.where(share > 0, torch.log(share.clamp(1e-6, 1)), NOTHING)

    def losses(self) -> Tensor:
        return self.cost * self.span.mean()

    def figures(self) -> dict[str, float]:
        return {"mean span": self.span.mean().item(), "longest span": self.span.max().item()}


def repeat_heads(x: Tensor, heads: int) -> Tensor:
    """[B, G, S, D] -> [B, H, S, D]: neighbouring query heads share a key head, the order of torch's `enable_gqa`."""
    return x if x.shape[1] == heads else x.repeat_interleave(heads // x.shape[1], 1)


def multiscale(config: TransformerConfig) -> Pattern:
    """A window for each head, each half as far as the next, up to `window` (after Guo et al. 2020)."""
    heads = range(config.heads)
    return Pattern(*((slice(h, h + 1), Window(max(1, config.window >> (config.heads - 1 - h)))) for h in heads))


def strided(config: TransformerConfig) -> Pattern:
    """Half of the heads look at a window, half at every `stride`-th token (Child et al. 2019): two steps lead anywhere."""
    half = config.heads // 2
    return Pattern((slice(0, half), Window(config.stride)), (slice(half, config.heads), Strided(config.stride)))


# Name -> pattern of one layer.
PATTERNS = {
    "full": lambda config: Pattern((EVERY, FullLayout())),
    "window": lambda config: Pattern((EVERY, Window(config.window))),
    "strided": strided,
    "multiscale": multiscale,
    "adaptive_span": lambda config: AdaptiveSpan(config.heads, config.window, config.span_cost),
    "linear": lambda config: LinearAttention(),
}


def build_pattern(name: str, config: TransformerConfig) -> nn.Module:
    """The attention pattern of that name."""
    return PATTERNS[name](config)
