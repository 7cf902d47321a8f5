"""Transformer encoder and decoder of Vaswani et al. 2017, with a choice of norm placements."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

from mt.attention.masks import Visibility, position_range
from mt.attention.transformer.kernels import to_cache_layout
from mt.attention.transformer.multihead import KeyValue, MultiHeadAttention
from mt.attention.transformer.patterns import Cache
from mt.attention.transformer.position_scheme import PositionScheme
from mt.config.schema import ModelConfig
from mt.layers.norm import to_autocast_dtype
from mt.models.seq2seq import Decoder, DecoderOutput, DecodingState, Encoder, Memory
from mt.models.transformer.stack import Stack, pattern_losses, pattern_monitored_values
from mt.models.transformer.sublayers import DeepNorm, FeedForward, Sublayer


class EncoderLayer(nn.Module):
    """Self-attention, then feed-forward."""

    def __init__(self, config: ModelConfig, deep_norm: DeepNorm) -> None:
        super().__init__()
        transformer = config.transformer
        pattern = transformer.encoder_pattern or transformer.pattern
        self.attention = MultiHeadAttention(transformer, config.dim, pattern=pattern)
        self.feed_forward = FeedForward(config)
        self.around_attention, self.around_feed_forward = (
            Sublayer(config, deep_norm.residual) for _ in range(2)
        )
        deep_norm.scale(self)

    def forward(
        self, x: Tensor, visibility: Visibility, scheme: PositionScheme, need_weights: bool
    ) -> tuple[Tensor, Tensor | None]:
        """Transform x [B, S, D]; return it with the weights [B, H, S, S] or None."""
        residual, x = self.around_attention.split(x)
        x, weights = self.attention.self_attend(x, visibility, scheme, need_weights)
        x = self.around_attention.merge(residual, x)
        return self.around_feed_forward(x, self.feed_forward), weights


class TransformerEncoder(Encoder):
    """A stack of self-attention layers. The summary is the mean of the states."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.dim = self.summary_dim = config.dim
        self.stack = Stack(config, decoder=False)
        deep_norm = DeepNorm(config, decoder=False)
        self.layers = nn.ModuleList(
            EncoderLayer(config, deep_norm) for _ in range(config.transformer.encoder_layers)
        )

    def forward(self, embedded: Tensor, mask: Tensor, need_weights: bool = False) -> Memory:
        positions = position_range(0, embedded.shape[1], embedded.device)
        visibility = Visibility(positions, positions, mask)
        x = self.stack.add_positions(embedded, positions)
        layer_weights = []
        for number, layer in enumerate(self.layers):
            scheme = self.stack.positions.for_layer(number)
            x, weights = self.stack.run_layer(layer, x, visibility, scheme, need_weights)
            layer_weights.append(weights)
        x = self.stack.norm(x)
        real = mask[..., None].to(x.dtype)
        summary = (x * real).sum(1) / real.sum(1).clamp(min=1)
        attention = {"encoder": torch.stack(layer_weights, 1)} if need_weights else {}
        losses = pattern_losses(self._attentions) if self.training else []
        return Memory(x, mask, summary, attention, losses)

    def monitored_values(self) -> dict[str, float]:
        return pattern_monitored_values(self._attentions)

    @property
    def _attentions(self) -> list[MultiHeadAttention]:
        return [layer.attention for layer in cast(Sequence[EncoderLayer], self.layers)]


class DecoderLayer(nn.Module):
    """Causal self-attention, cross-attention to the memory, feed-forward.

    In training, x [B, T, D] holds all target tokens. In incremental decoding, x [B * K, 1, D] holds
    one token of each hypothesis, and the K hypotheses of a sentence become K queries to its memory.
    """

    def __init__(self, config: ModelConfig, memory_dim: int, deep_norm: DeepNorm) -> None:
        super().__init__()
        transformer = config.transformer
        pattern = transformer.decoder_pattern or transformer.pattern
        self.self_attention = MultiHeadAttention(transformer, config.dim, pattern=pattern)
        self.cross_attention = MultiHeadAttention(transformer, config.dim, memory_dim)
        self.feed_forward = FeedForward(config)
        self.around_self, self.around_cross, self.around_feed_forward = (
            Sublayer(config, deep_norm.residual) for _ in range(3)
        )
        deep_norm.scale(self)

    def project(self, states: Tensor) -> KeyValue:
        """Project the memory [B, S, M] to keys and values of cross-attention; once per sentence."""
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
        """Transform x [B, T, D]; return it with the weights by name, empty unless requested."""
        residual, x = self.around_self.split(x)
        x, weights = self.self_attention.self_attend(x, visibility, scheme, need_weights)
        x = self.around_self.merge(residual, x)
        x, cross_weights = self._cross_attend(x, memory, cross_visibility, need_weights)
        x = self.around_feed_forward(x, self.feed_forward)
        return x, present(decoder=weights, cross=cross_weights)

    def step(
        self,
        x: Tensor,
        cache: Cache | None,
        position: Tensor,
        scheme: PositionScheme,
        memory: KeyValue,
        cross_visibility: Visibility,
        need_weights: bool,
    ) -> tuple[Tensor, Cache, dict[str, Tensor]]:
        """Transform the newest token x [B * K, 1, D] at position [1].

        Returns it with the new cache of self-attention, and the weights as `forward` does.
        """
        residual, x = self.around_self.split(x)
        x, weights, cache = self.self_attention.step(x, cache, position, scheme, need_weights)
        x = self.around_self.merge(residual, x)
        x, cross_weights = self._cross_attend(x, memory, cross_visibility, need_weights)
        x = self.around_feed_forward(x, self.feed_forward)
        return x, cache, present(decoder=weights, cross=cross_weights)

    def _cross_attend(
        self, x: Tensor, memory: KeyValue, visibility: Visibility, need_weights: bool
    ) -> tuple[Tensor, Tensor | None]:
        """Run the cross-attention sublayer; return x and the weights [B * K, H, T, S] or None."""
        sentences, (_, length, dim) = memory[0].shape[0], x.shape
        residual, x = self.around_cross.split(x)
        query = x.reshape(sentences, -1, dim)
        attended, weights = self.cross_attention(query, memory, visibility, need_weights)
        if weights is not None:  # [B, H, K * T, S] -> [B * K, H, T, S]
            weights = weights.unflatten(2, (-1, length)).transpose(1, 2).flatten(0, 1)
        return self.around_cross.merge(residual, attended.reshape(x.shape)), weights


def present(**weights: Tensor | None) -> dict[str, Tensor]:
    """Return the weights that are not None, by name."""
    return {name: tensor for name, tensor in weights.items() if tensor is not None}


class TransformerDecoder(Decoder):
    """A stack of causal layers.

    The decoding state holds keys and values of the memory, computed once, and the cache of each
    layer's self-attention.
    """

    query_reads_input = True

    def __init__(self, config: ModelConfig, memory_dim: int) -> None:
        super().__init__()
        self.dim = config.dim
        self.stack = Stack(config, decoder=True)
        deep_norm = DeepNorm(config, decoder=True)
        layers = config.transformer.decoder_layers
        self.layers = nn.ModuleList(
            DecoderLayer(config, memory_dim, deep_norm) for _ in range(layers)
        )

    def forward(
        self, embedded: Tensor, memory: Memory, need_weights: bool = False
    ) -> DecoderOutput:
        positions = position_range(0, embedded.shape[1], embedded.device)
        x = self.stack.add_positions(embedded, positions)
        inputs = Visibility(positions, positions, causal=True)
        source = self._cross_visibility(positions, memory.mask)
        layer_weights = []
        for number, (layer, projected) in enumerate(
            zip(self._layers, self._project(memory), strict=True)
        ):
            scheme = self.stack.positions.for_layer(number)
            x, weights = self.stack.run_layer(
                layer, x, inputs, scheme, projected, source, need_weights
            )
            layer_weights.append(weights)
        losses = pattern_losses(self._self_attentions) if self.training else []
        return DecoderOutput(self.stack.norm(x), stack_layers(layer_weights), losses)

    def monitored_values(self) -> dict[str, float]:
        return pattern_monitored_values(self._self_attentions)

    def init_state(self, memory: Memory, beam: int = 1) -> DecodingState:
        projections = [
            (to_cache_layout(keys), to_cache_layout(values))
            for keys, values in self._project(memory)
        ]
        return DecodingState((projections, memory.mask), [None] * len(self.layers))

    def step(
        self, embedded: Tensor, state: DecodingState, need_weights: bool = False
    ) -> tuple[DecoderOutput, DecodingState]:
        projections, mask = state.memory
        position = position_range(state.step, 1, embedded.device)
        x = self.stack.add_positions(embedded[:, None], position)
        source = self._cross_visibility(position, mask)
        caches, layer_weights = [], []
        for number, (layer, cache, projected) in enumerate(
            zip(self._layers, state.cache, projections, strict=True)
        ):
            scheme = self.stack.positions.for_layer(number)
            x, cache, weights = layer.step(
                x, cache, position, scheme, projected, source, need_weights
            )
            caches.append(cache)
            layer_weights.append(weights)
        output = DecoderOutput(self.stack.norm(x), stack_layers(layer_weights))
        return output, DecodingState(state.memory, caches, state.step + 1)

    @property
    def _layers(self) -> Sequence[DecoderLayer]:
        return cast(Sequence[DecoderLayer], self.layers)

    @property
    def _self_attentions(self) -> list[MultiHeadAttention]:
        return [layer.self_attention for layer in self._layers]

    def _project(self, memory: Memory) -> list[KeyValue]:
        states = to_autocast_dtype(memory.states)
        return [layer.project(states) for layer in self._layers]

    def _cross_visibility(self, positions: Tensor, mask: Tensor) -> Visibility:
        """Let every target token see the whole source."""
        return Visibility(positions, position_range(0, mask.shape[1], positions.device), mask)


def stack_layers(layer_weights: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    """Stack the weights of all layers: name -> [B, layers, H, T, S]."""
    return {
        name: torch.stack([weights[name] for weights in layer_weights], 1)
        for name in layer_weights[0]
    }
