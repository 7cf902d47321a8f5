"""Attention patterns: what self-attention looks at, by name. Most divide the heads among layouts; two are of a kind of their own.

A pattern sees queries, keys and values that are projected and split, all at once (`attend`) or one
query at a time with a cache that it defines itself (`step`).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

import torch
from torch import Tensor, nn

from mt.attention.masks import Visibility
from mt.attention.transformer import linear
from mt.attention.transformer.layouts import (
    DotProductAttention,
    FullLayout,
    StridedLayout,
    WindowLayout,
    repeat_heads,
)
from mt.attention.transformer.positions import ALL_HEADS
from mt.config.schema import TransformerConfig

Cache = tuple[Tensor, ...]  # batch first
MASKED_SCORE = -1e4  # a score whose weight is 0, and whose gradient too


class Pattern(nn.Module):
    """Groups of heads with a layout each. One group with the full layout is ordinary attention."""

    def __init__(self, *groups: tuple[slice, FullLayout]) -> None:
        super().__init__()
        self.groups = groups

    def attend(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        visibility: Visibility,
        attention: DotProductAttention,
    ) -> tuple[Tensor, Tensor | None]:
        """query [B, H, T, D], key and value [B, G, S, D] where G divides H -> context [B, H, T, D], weights [B, H, T, S] or None."""
        key, value = (repeat_heads(x, query.shape[1]) for x in (key, value))
        if len(self.groups) == 1:
            return self.groups[0][1].attend(query, key, value, visibility, attention)
        found = [
            layout.attend(
                query[:, heads],
                key[:, heads],
                value[:, heads],
                visibility,
                replace(attention, heads=heads),
            )
            for heads, layout in self.groups
        ]
        contexts, weights = zip(*found, strict=True)
        return torch.cat(contexts, 1), None if weights[0] is None else torch.cat(weights, 1)

    def step(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        cache: Cache | None,
        at: Tensor,
        attention: DotProductAttention,
    ) -> tuple[Tensor, Tensor | None, Cache]:
        """The newest token, T = 1, at position [1]: as `attend` to all tokens so far, and the cache with it at its end."""
        if cache is not None:
            key, value = torch.cat((cache[0], key), dim=2), torch.cat((cache[1], value), dim=2)
        visibility = Visibility(
            at, torch.arange(key.shape[2], device=at.device)
        )  # no key is later than the newest
        return *self.attend(query, key, value, visibility, attention), (key, value)

    def losses(self) -> Tensor | None:
        """What it adds to the training loss, per target token."""
        return None

    def monitored_values(self) -> dict[str, float]:
        """What is worth watching in training, by name."""
        return {}


class AdaptiveSpan(Pattern):
    """Each head learns how far it looks (Sukhbaatar et al. 2019, equations 4 and 5).

    A key at distance d counts by m(d) = clamp((R + z - d) / R, 0, 1), with the head's span z up to
    `longest`, in tokens, and a ramp of R tokens; weights are m(d) exp(e), normalised. `cost` times
    the mean span is added to the loss. Spans begin long.
    """

    RAMP = 4

    def __init__(self, heads: int, longest: int, cost: float) -> None:
        super().__init__()
        self.longest, self.cost = longest, cost
        self.share = nn.Parameter(
            torch.ones(heads)
        )  # of `longest`; AdamW then moves it as fast as other weights

    @property
    def span(self) -> Tensor:
        """z [H] in tokens."""
        return self.longest * cast(Tensor, ClampWithInwardGradient.apply(self.share))

    def attend(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        visibility: Visibility,
        attention: DotProductAttention,
    ) -> tuple[Tensor, Tensor | None]:
        key, value = (repeat_heads(x, query.shape[1]) for x in (key, value))
        layout: FullLayout = WindowLayout(self.longest + self.RAMP)
        if (
            query.shape[2] > 1 and query.device.type == "cpu"
        ):  # where reading the spans waits for nothing: only what they reach
            layout = WindowLayout(int(self.span.max()) + self.RAMP)
        return layout.attend(query, key, value, visibility, replace(attention, span=self.bias))

    def bias(
        self,
        query: Tensor,
        query_positions: Tensor,
        key_positions: Tensor,
        heads: slice = ALL_HEADS,
    ) -> Tensor:
        """log m(d), [..., H, T, S]: within softmax it multiplies what is exponentiated."""
        distance = (key_positions[..., None, :] - query_positions[..., :, None]).abs()[
            ..., None, :, :
        ]
        share = (self.RAMP + self.span[heads, None, None] - distance) / self.RAMP
        return torch.where(share > 0, torch.log(share.clamp(1e-6, 1)), MASKED_SCORE)

    def losses(self) -> Tensor:
        return self.cost * self.span.mean()

    def monitored_values(self) -> dict[str, float]:
        return {"mean span": self.span.mean().item(), "longest span": self.span.max().item()}


class ClampWithInwardGradient(torch.autograd.Function):
    """clamp(x, 0, 1), with the gradient of clamp except that it can always lead back: a plain clamp would hold for good what
    has once stepped over an end."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x.clamp(0, 1)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        (x,), grad = ctx.saved_tensors, grads[0]
        outward = ((x >= 1) & (grad < 0)) | ((x <= 0) & (grad > 0))
        return grad.masked_fill(outward, 0)


class LinearAttention(Pattern):
    """Time linear in the length, and a cache that does not grow (Katharopoulos et al. 2020; see `linear.py`).

    All in float32, because of sums over a whole sentence. There are no scores: no bias, selection,
    cap or dropout acts on them.
    """

    def attend(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        visibility: Visibility,
        attention: DotProductAttention,
    ) -> tuple[Tensor, Tensor | None]:
        with torch.autocast(query.device.type, enabled=False):
            query, key, value = self._features(query, key, value)
            if visibility.valid is not None:
                key = key * visibility.valid[:, None, :, None]
            if attention.need_weights:
                return linear.pairwise(query, key, value, visibility)
            return (linear.causal if visibility.causal else linear.bidirectional)(
                query, key, value
            ), None

    def step(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        cache: Cache | None,
        at: Tensor,
        attention: DotProductAttention,
    ) -> tuple[Tensor, Tensor | None, Cache]:
        """The cache is the two sums, so there are no weights of single tokens to give."""
        with torch.autocast(query.device.type, enabled=False):
            query, key, value = self._features(query, key, value)
            states, norms = key.mT @ value, key.sum(-2)
            if cache is not None:
                states, norms = cache[0] + states, cache[1] + norms
            return (
                linear.safe_divide(query @ states, query @ norms[..., None]),
                None,
                (states, norms),
            )

    def _features(self, query: Tensor, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        heads = query.shape[1]
        return (
            linear.feature_map(query),
            linear.feature_map(repeat_heads(key, heads)),
            repeat_heads(value, heads).float(),
        )


def multiscale(config: TransformerConfig) -> Pattern:
    """A window for each head, their reaches growing by one factor from 1 to `window` (after Guo et al. 2020)."""
    last = max(1, config.heads - 1)
    reaches = (
        [round(config.window ** (h / last)) for h in range(config.heads)]
        if config.heads > 1
        else [config.window]
    )
    return Pattern(*((slice(h, h + 1), WindowLayout(reach)) for h, reach in enumerate(reaches)))


def strided(config: TransformerConfig) -> Pattern:
    """Half of the heads look at a window, half at every `stride`-th token (Child et al. 2019): two steps lead anywhere."""
    half = config.heads // 2
    return Pattern(
        (slice(0, half), WindowLayout(config.stride)),
        (slice(half, config.heads), StridedLayout(config.stride)),
    )


# Name -> pattern of one layer.
PATTERNS = {
    "full": lambda config: Pattern((ALL_HEADS, FullLayout())),
    "window": lambda config: Pattern((ALL_HEADS, WindowLayout(config.window))),
    "strided": strided,
    "multiscale": multiscale,
    "adaptive_span": lambda config: AdaptiveSpan(config.heads, config.window, config.span_cost),
    "linear": lambda config: LinearAttention(),
}


def build_pattern(name: str, config: TransformerConfig) -> Pattern:
    """The attention pattern of that name."""
    return PATTERNS[name](config)
