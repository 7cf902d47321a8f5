"""Transformer encoder and decoder (Vaswani et al. 2017), pre-norm by default (Xiong et al. 2020)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from mt.attention.masks import Visibility, position_range
from mt.attention.transformer.kernels import to_cache_layout
from mt.attention.transformer.multihead import KeyValue, MultiHeadAttention
from mt.attention.transformer.patterns import Cache
from mt.attention.transformer.positions import PositionScheme, build_positions
from mt.config.schema import ModelConfig
from mt.layers.dropout import Dropout
from mt.layers.losses import ExtraLoss
from mt.layers.norm import to_autocast_dtype
from mt.models.seq2seq import Decoder, DecoderOutput, DecodingState, Encoder, Memory
from mt.models.transformer.sublayers import DeepNorm, FeedForward, Sublayer, build_norm


class Stack(nn.Module):
    """What both sides share: positions and dropout before the layers, a last norm after them where they leave x without one."""

    def __init__(self, config: ModelConfig, decoder: bool) -> None:
        super().__init__()
        transformer = config.transformer
        own, layers = (
            (transformer.decoder_position, transformer.decoder_layers)
            if decoder
            else (transformer.encoder_position, transformer.encoder_layers)
        )
        self.positions = build_positions(
            own or transformer.position, transformer, config.dim, layers, causal=decoder
        )
        self.dropout = Dropout(config.dropout)
        self.norm = build_norm(config) if transformer.norm in ("pre", "sandwich") else nn.Identity()
        self.recompute = transformer.recompute

    def enter(self, embedded: Tensor, at: Tensor) -> Tensor:
        return self.dropout(self.positions.add(embedded, at))

    def run(self, layer: nn.Module, *inputs: Any) -> Any:
        """A layer; with `recompute` its inner results are not kept for the backward pass but made again (Chen et al. 2016)."""
        if self.recompute and self.training and torch.is_grad_enabled():
            return checkpoint(layer, *inputs, use_reentrant=False)
        return layer(*inputs)


def pattern_losses(attentions: Sequence[MultiHeadAttention]) -> list[ExtraLoss]:
    """What the patterns of a stack add to the loss: the mean over its layers, for each target token."""
    costs = [cost for attention in attentions if (cost := attention.pattern.loss()) is not None]
    if not costs:
        return []
    mean = torch.stack(costs).mean()
    return [lambda nll, real: mean * real.sum()]


def pattern_monitored_values(attentions: Sequence[MultiHeadAttention]) -> dict[str, float]:
    """What the patterns of a stack report, by layer from 0."""
    return {
        f"layer {n} {name}": value
        for n, a in enumerate(attentions)
        for name, value in a.pattern.monitored_values().items()
    }


class EncoderLayer(nn.Module):
    """Self-attention, then feed-forward."""

    def __init__(self, config: ModelConfig, deep: DeepNorm) -> None:
        super().__init__()
        transformer = config.transformer
        self.attention = MultiHeadAttention(
            transformer, config.dim, pattern=transformer.encoder_pattern or transformer.pattern
        )
        self.feed_forward = FeedForward(config)
        self.around_attention, self.around_feed_forward = (
            Sublayer(config, deep.residual) for _ in range(2)
        )
        deep.scale(self)

    def forward(
        self, x: Tensor, visibility: Visibility, scheme: PositionScheme, need_weights: bool
    ) -> tuple[Tensor, Tensor | None]:
        weights = None

        def look(x: Tensor) -> Tensor:
            nonlocal weights
            out, weights = self.attention.self_attend(x, visibility, scheme, need_weights)
            return out

        x = self.around_attention(x, look)
        return self.around_feed_forward(x, self.feed_forward), weights


class TransformerEncoder(Encoder):
    """A stack of self-attention layers; its summary is the mean of the states."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.dim = self.summary_dim = config.dim
        self.stack = Stack(config, decoder=False)
        deep = DeepNorm(config, decoder=False)
        self.layers = nn.ModuleList(
            EncoderLayer(config, deep) for _ in range(config.transformer.encoder_layers)
        )

    def forward(self, embedded: Tensor, mask: Tensor, need_weights: bool = False) -> Memory:
        at = position_range(0, embedded.shape[1], embedded.device)
        visibility = Visibility(at, at, mask)
        x = self.stack.enter(embedded, at)
        layers = cast(Sequence[EncoderLayer], self.layers)
        collected = []
        for number, layer in enumerate(layers):
            x, weights = self.stack.run(
                layer, x, visibility, self.stack.positions.for_layer(number), need_weights
            )
            collected.append(weights)
        x = self.stack.norm(x)
        real = mask[..., None].to(x.dtype)
        summary = (x * real).sum(1) / real.sum(1).clamp(min=1)
        attention = {"encoder": torch.stack(collected, 1)} if need_weights else {}
        return Memory(
            x,
            mask,
            summary,
            attention,
            pattern_losses([layer.attention for layer in layers]) if self.training else [],
        )

    def monitored_values(self) -> dict[str, float]:
        return pattern_monitored_values(
            [layer.attention for layer in cast(Sequence[EncoderLayer], self.layers)]
        )


class DecoderLayer(nn.Module):
    """Causal self-attention, attention to the memory, feed-forward.

    In training all targets come at once. Step by step, x holds one token of each of B * K
    hypotheses; the K hypotheses of a sentence then stand side by side as K queries to its one
    memory.
    """

    def __init__(self, config: ModelConfig, memory_dim: int, deep: DeepNorm) -> None:
        super().__init__()
        transformer = config.transformer
        self.self_attention = MultiHeadAttention(
            transformer, config.dim, pattern=transformer.decoder_pattern or transformer.pattern
        )
        self.cross_attention = MultiHeadAttention(transformer, config.dim, memory_dim)
        self.feed_forward = FeedForward(config)
        self.around_self, self.around_cross, self.around_feed_forward = (
            Sublayer(config, deep.residual) for _ in range(3)
        )
        deep.scale(self)

    def project(self, states: Tensor) -> KeyValue:
        """What cross-attention needs of the memory's states [B, S, M]: once a sentence."""
        return self.cross_attention.project(states)

    def forward(
        self,
        x: Tensor,
        visibility: Visibility,
        scheme: PositionScheme,
        memory: KeyValue,
        cross_visibility: Visibility,
        need_weights: bool,
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """x [B, T, D] -> x, the weights of both attentions where asked for."""
        found: dict[str, Tensor] = {}

        def self_attend(x: Tensor) -> Tensor:
            return keep(
                found,
                "decoder",
                *self.self_attention.self_attend(x, visibility, scheme, need_weights),
            )

        return self._rest(
            self.around_self(x, self_attend), memory, cross_visibility, need_weights, found
        )

    def step(
        self,
        x: Tensor,
        cache: Cache | None,
        at: Tensor,
        scheme: PositionScheme,
        memory: KeyValue,
        cross_visibility: Visibility,
        need_weights: bool,
    ) -> tuple[Tensor, Cache, dict[str, Tensor]]:
        """x [B * K, 1, D] of the newest token at position [1] -> x, the cache of self-attention, weights as above."""
        found: dict[str, Tensor] = {}
        grown: Cache = ()

        def self_attend(x: Tensor) -> Tensor:
            nonlocal grown
            out, weights, grown = self.self_attention.step(x, cache, at, scheme, need_weights)
            return keep(found, "decoder", out, weights)

        x, found = self._rest(
            self.around_self(x, self_attend), memory, cross_visibility, need_weights, found
        )
        return x, grown, found

    def _rest(
        self,
        x: Tensor,
        memory: KeyValue,
        cross_visibility: Visibility,
        need_weights: bool,
        found: dict[str, Tensor],
    ) -> tuple[Tensor, dict[str, Tensor]]:
        def cross_attend(x: Tensor) -> Tensor:
            sentences = memory[0].shape[0]
            out, weights = self.cross_attention(
                x.reshape(sentences, -1, x.shape[-1]), memory, cross_visibility, need_weights
            )
            if weights is not None:  # [B, H, K * T, S] -> [B * K, H, T, S]
                weights = weights.unflatten(2, (-1, x.shape[1])).transpose(1, 2).flatten(0, 1)
            return keep(found, "cross", out, weights).reshape(x.shape)

        x = self.around_cross(x, cross_attend)
        return self.around_feed_forward(x, self.feed_forward), found


def keep(found: dict[str, Tensor], name: str, out: Tensor, weights: Tensor | None) -> Tensor:
    """Put weights aside, if there are any; the output goes on."""
    if weights is not None:
        found[name] = weights
    return out


class TransformerDecoder(Decoder):
    """A stack of causal layers. State: keys and values of the memory once, and what each layer's pattern keeps of the target."""

    query_reads_input = True

    def __init__(self, config: ModelConfig, memory_dim: int) -> None:
        super().__init__()
        self.dim = config.dim
        self.stack = Stack(config, decoder=True)
        deep = DeepNorm(config, decoder=True)
        self.layers = nn.ModuleList(
            DecoderLayer(config, memory_dim, deep) for _ in range(config.transformer.decoder_layers)
        )

    def forward(
        self, embedded: Tensor, memory: Memory, need_weights: bool = False
    ) -> DecoderOutput:
        at = position_range(0, embedded.shape[1], embedded.device)
        x, visibility, cross_visibility = (
            self.stack.enter(embedded, at),
            Visibility(at, at, causal=True),
            self._cross_visibility(at, memory.mask),
        )
        collected = []
        for number, (layer, projected) in enumerate(
            zip(self._layers, self._project(memory), strict=True)
        ):
            scheme = self.stack.positions.for_layer(number)
            x, weights = self.stack.run(
                layer, x, visibility, scheme, projected, cross_visibility, need_weights
            )
            collected.append(weights)
        losses = (
            pattern_losses([layer.self_attention for layer in self._layers])
            if self.training
            else []
        )
        return DecoderOutput(self.stack.norm(x), stacked(collected), losses)

    def monitored_values(self) -> dict[str, float]:
        return pattern_monitored_values([layer.self_attention for layer in self._layers])

    def init_state(self, memory: Memory, beam: int = 1) -> DecodingState:
        projected = [
            (to_cache_layout(keys), to_cache_layout(values))
            for keys, values in self._project(memory)
        ]
        return DecodingState((projected, memory.mask), [None] * len(self.layers))

    def step(
        self, embedded: Tensor, state: DecodingState, need_weights: bool = False
    ) -> tuple[DecoderOutput, DecodingState]:
        projections, mask = state.memory
        at = position_range(state.step, 1, embedded.device)
        x, cross_visibility = (
            self.stack.enter(embedded[:, None], at),
            self._cross_visibility(at, mask),
        )
        caches, collected = [], []
        for number, (layer, cache, projected) in enumerate(
            zip(self._layers, state.cache, projections, strict=True)
        ):
            x, cache, weights = layer.step(
                x,
                cache,
                at,
                self.stack.positions.for_layer(number),
                projected,
                cross_visibility,
                need_weights,
            )
            caches.append(cache)
            collected.append(weights)
        output = DecoderOutput(self.stack.norm(x), stacked(collected))
        return output, DecodingState(state.memory, caches, state.step + 1)

    @property
    def _layers(self) -> Sequence[DecoderLayer]:
        return cast(Sequence[DecoderLayer], self.layers)

    def _project(self, memory: Memory) -> list[KeyValue]:
        states = to_autocast_dtype(memory.states)
        return [layer.project(states) for layer in self._layers]

    def _cross_visibility(self, at: Tensor, mask: Tensor) -> Visibility:
        """Any target token may see the whole source."""
        return Visibility(at, position_range(0, mask.shape[1], at.device), mask)


def stacked(collected: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    """Weights by layer -> name -> [B, layers, H, T, S]."""
    return {name: torch.stack([found[name] for found in collected], 1) for name in collected[0]}
