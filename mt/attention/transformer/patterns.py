"""Attention patterns: which keys self-attention reads, and how.

A pattern receives projected queries, keys and values, split into heads: all at once in `attend`, or
one token at a time in `step`, with a cache that the pattern defines. Most patterns assign layouts
to groups of heads; adaptive spans and linear attention are classes of their own.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

import torch
from torch import Tensor, nn

from mt.attention.masks import Visibility
from mt.attention.transformer import linear
from mt.attention.transformer.grouping import repeat_heads
from mt.attention.transformer.layouts import (
    DotProductAttention,
    FullLayout,
    Layout,
    StridedLayout,
    WindowLayout,
)
from mt.attention.transformer.position_scheme import ALL_HEADS, relative_positions
from mt.config.schema import TransformerConfig

Cache = tuple[Tensor, ...]  # batch first


class Pattern(nn.Module):
    """Layouts for groups of heads. One group with the full layout is ordinary attention."""

    def __init__(self, *groups: tuple[slice, Layout]) -> None:
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
        """Attend with query [B, H, T, D] to key and value [B, G, S, D], where G divides H.

        Returns context [B, H, T, D], and weights [B, H, T, S] if they are requested, else None.
        """
        key, value = (repeat_heads(x, query.shape[1]) for x in (key, value))
        if len(self.groups) == 1:
            return self.groups[0][1].attend(query, key, value, visibility, attention)
        outputs = []
        for heads, layout in self.groups:
            q, k, v = (x[:, heads] for x in (query, key, value))
            outputs.append(layout.attend(q, k, v, visibility, replace(attention, heads=heads)))
        contexts, weights = zip(*outputs, strict=True)
        return torch.cat(contexts, 1), None if weights[0] is None else torch.cat(weights, 1)

    def step(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        cache: Cache | None,
        position: Tensor,
        attention: DotProductAttention,
    ) -> tuple[Tensor, Tensor | None, Cache]:
        """Attend with the newest token (T = 1, position [1]) to all tokens so far.

        Returns context and weights as `attend` does, and the cache with the token appended.
        """
        if cache is not None:
            key, value = torch.cat((cache[0], key), dim=2), torch.cat((cache[1], value), dim=2)
        # Not causal: no key is later than the newest token.
        visibility = Visibility(position, torch.arange(key.shape[2], device=position.device))
        return *self.attend(query, key, value, visibility, attention), (key, value)

    def loss(self) -> Tensor | None:
        """Return the pattern's term of the training loss per target token, or None."""
        return None

    def monitored_values(self) -> dict[str, float]:
        """Return the values that validation reports, by name."""
        return {}


class AdaptiveSpan(Pattern):
    """Heads with trained attention spans (Sukhbaatar et al. 2019, equations 4 and 5).

    The weight of a key at distance d is proportional to m(d) exp(e), with the mask m(d) =
    clamp((R + z - d) / R, 0, 1), the head's span z in [0, max_span] and a ramp of R, all in tokens.
    Keys with m(d) = 0 are hidden. The loss term is `cost` times the mean span. Spans start at
    `max_span`.
    """

    RAMP = 4

    def __init__(self, heads: int, max_span: int, cost: float) -> None:
        super().__init__()
        self.max_span, self.cost = max_span, cost
        # z / max_span: on this scale AdamW moves it as fast as other weights.
        self.share = nn.Parameter(torch.ones(heads))

    @property
    def span(self) -> Tensor:
        """The spans z [H] in tokens."""
        return self.max_span * cast(Tensor, ClampWithInwardGradient.apply(self.share))

    def attend(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        visibility: Visibility,
        attention: DotProductAttention,
    ) -> tuple[Tensor, Tensor | None]:
        key, value = (repeat_heads(x, query.shape[1]) for x in (key, value))
        radius = self.max_span + self.RAMP
        if query.shape[2] > 1 and query.device.type == "cpu":
            # Only as far as the longest span. On a GPU, reading it would synchronise.
            radius = int(self.span.max()) + self.RAMP
        attention = replace(attention, extra_bias=self.bias)
        layout = SpanLayout(radius, self.RAMP + self.span.detach())
        return layout.attend(query, key, value, visibility, attention)

    def bias(
        self,
        query: Tensor,
        query_positions: Tensor,
        key_positions: Tensor,
        heads: slice = ALL_HEADS,
    ) -> Tensor:
        """Return log m(d) [..., H, T, S], which softmax turns into the factor m(d), if m(d) > 0."""
        distance = relative_positions(query_positions, key_positions).abs()[..., None, :, :]
        mask = (self.RAMP + self.span[heads, None, None] - distance) / self.RAMP
        return torch.log(mask.clamp(1e-6, 1))

    def loss(self) -> Tensor:
        return self.cost * self.span.mean()

    def monitored_values(self) -> dict[str, float]:
        return {"mean span": self.span.mean().item(), "longest span": self.span.max().item()}


class SpanLayout(WindowLayout):
    """A window in which each head reads the keys at a distance below its own reach [H]."""

    def __init__(self, radius: int, reach: Tensor) -> None:
        super().__init__(radius)
        self.reach = reach

    def allowed(self, query_positions: Tensor, key_positions: Tensor) -> Tensor:
        """Return which keys each head may attend to, [..., H, T, S] bool."""
        distance = relative_positions(query_positions, key_positions).abs()[..., None, :, :]
        return distance < self.reach[:, None, None]


class ClampWithInwardGradient(torch.autograd.Function):
    """clamp(x, 0, 1) that passes gradients outside [0, 1] if they lead back inside.

    With the gradient of a plain clamp, a value that has left the interval could never return.
    """

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
    """Attention in linear time, with a cache of constant size (Katharopoulos et al. 2020).

    See `linear.py`. Everything is float32, because sums run over a whole sentence. There are no
    scores, and thus no bias, selection, cap or dropout.
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
            log_query, log_key, value = self._log_features(query, key, value)
            if attention.need_weights:
                return linear.pairwise(log_query, log_key, value, visibility)
            if visibility.valid is not None:
                log_key = log_key.masked_fill(~visibility.valid[:, None, :, None], -torch.inf)
            compute = linear.causal if visibility.causal else linear.bidirectional
            return compute(log_query, log_key, value), None

    def step(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        cache: Cache | None,
        position: Tensor,
        attention: DotProductAttention,
    ) -> tuple[Tensor, Tensor | None, Cache]:
        """Attend as `Pattern.step` does, without weights: the cache holds only sums over tokens."""
        with torch.autocast(query.device.type, enabled=False):
            context, cache = linear.step(*self._log_features(query, key, value), cache)
            return context, None, cache

    def _log_features(
        self, query: Tensor, key: Tensor, value: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        key, value = (repeat_heads(x, query.shape[1]) for x in (key, value))
        return linear.log_feature_map(query), linear.log_feature_map(key), value.float()


def multiscale_pattern(config: TransformerConfig) -> Pattern:
    """Return a window for each head, with radii from 1 to `window` in geometric progression.

    After Guo et al. 2020.
    """
    if config.heads == 1:
        return Pattern((ALL_HEADS, WindowLayout(config.window)))
    radii = (round(config.window ** (h / (config.heads - 1))) for h in range(config.heads))
    return Pattern(*((slice(h, h + 1), WindowLayout(radius)) for h, radius in enumerate(radii)))


def strided_pattern(config: TransformerConfig) -> Pattern:
    """Return windows for half of the heads and strides for the others (Child et al. 2019).

    Two layers then connect any two tokens.
    """
    half = config.heads // 2
    return Pattern(
        (slice(0, half), WindowLayout(config.stride)),
        (slice(half, config.heads), StridedLayout(config.stride)),
    )


# Name -> pattern of one layer.
PATTERNS = {
    "full": lambda config: Pattern((ALL_HEADS, FullLayout())),
    "window": lambda config: Pattern((ALL_HEADS, WindowLayout(config.window))),
    "strided": strided_pattern,
    "multiscale": multiscale_pattern,
    "adaptive_span": lambda config: AdaptiveSpan(config.heads, config.window, config.span_cost),
    "linear": lambda config: LinearAttention(),
}


def build_pattern(name: str, config: TransformerConfig) -> Pattern:
    """Build the attention pattern with that name."""
    return PATTERNS[name](config)
