"""Transformer encoder and decoder (Vaswani et al. 2017), pre-norm by default (Xiong et al. 2020)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mt.attention.masks import causal_mask, padding_mask, positions
from mt.attention.multihead import KeyValue, MultiHeadAttention, append
from mt.attention.positions import build_positions
from mt.config import ModelConfig
from mt.models.dropout import Dropout
from mt.models.seq2seq import Decoder, DecoderOutput, DecodingState, Encoder, Memory

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {"relu": F.relu, "gelu": F.gelu}


class Sublayer(nn.Module):
    """Residual connection, dropout and layer norm around a function: the norm comes first or last."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.pre = config.transformer.norm == "pre"
        self.norm = nn.LayerNorm(config.dim)
        self.dropout = Dropout(config.dropout)

    def forward(self, x: Tensor, function: Callable[[Tensor], Tensor]) -> Tensor:
        if self.pre:
            return x + self.dropout(function(self.norm(x)))
        return self.norm(x + self.dropout(function(x)))


class FeedForward(nn.Module):
    """Two linear layers with a non-linearity between, at each position (section 3.3)."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.wide = nn.Linear(config.dim, config.transformer.ff_dim)
        self.narrow = nn.Linear(config.transformer.ff_dim, config.dim)
        self.activation = ACTIVATIONS[config.transformer.activation]
        self.dropout = Dropout(config.transformer.activation_dropout)
        for layer in (self.wide, self.narrow):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.narrow(self.dropout(self.activation(self.wide(x))))


class Stack(nn.Module):
    """What both sides share: positions and dropout before the layers, a last norm after them when pre-norm."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.positions = build_positions(config.transformer.position, config.dim)
        self.dropout = Dropout(config.dropout)
        self.norm = nn.LayerNorm(config.dim) if config.transformer.norm == "pre" else nn.Identity()

    def enter(self, embedded: Tensor, at: Tensor) -> Tensor:
        return self.dropout(self.positions.add(embedded, at))


class EncoderLayer(nn.Module):
    """Self-attention, then feed-forward."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.attention = MultiHeadAttention(config.dim, config.transformer.heads, dropout=config.transformer.attention_dropout)
        self.feed_forward = FeedForward(config)
        self.around_attention = Sublayer(config)
        self.around_feed_forward = Sublayer(config)

    def forward(self, x: Tensor, mask: Tensor, need_weights: bool) -> tuple[Tensor, Tensor | None]:
        weights = None

        def look(x: Tensor) -> Tensor:
            nonlocal weights
            out, weights = self.attention(x, self.attention.project(x), mask, need_weights)
            return out

        x = self.around_attention(x, look)
        return self.around_feed_forward(x, self.feed_forward), weights


class TransformerEncoder(Encoder):
    """A stack of self-attention layers; its summary is the mean of the states."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.dim = self.summary_dim = config.dim
        self.stack = Stack(config)
        self.layers = nn.ModuleList(EncoderLayer(config) for _ in range(config.transformer.encoder_layers))

    def forward(self, embedded: Tensor, mask: Tensor, need_weights: bool = False) -> Memory:
        x = self.stack.enter(embedded, positions(0, embedded.shape[1], embedded.device))
        keys = padding_mask(mask)
        collected = []
        for layer in self.layers:
            x, weights = layer(x, keys, need_weights)
            collected.append(weights)
        x = self.stack.norm(x)
        real = mask[..., None].to(x.dtype)
        summary = (x * real).sum(1) / real.sum(1).clamp(min=1)
        return Memory(x, mask, summary, {"encoder": torch.stack(collected, 1)} if need_weights else {})


class DecoderLayer(nn.Module):
    """Causal self-attention, attention to the memory, feed-forward."""

    def __init__(self, config: ModelConfig, memory_dim: int) -> None:
        super().__init__()
        heads, dropout = config.transformer.heads, config.transformer.attention_dropout
        self.self_attention = MultiHeadAttention(config.dim, heads, dropout=dropout)
        self.cross_attention = MultiHeadAttention(config.dim, heads, memory_dim, dropout)
        self.feed_forward = FeedForward(config)
        self.around_self = Sublayer(config)
        self.around_cross = Sublayer(config)
        self.around_feed_forward = Sublayer(config)

    def project(self, states: Tensor) -> KeyValue:
        """What cross-attention needs of the memory's states [B, S, M]: once a sentence."""
        return self.cross_attention.project(states)

    def forward(self, x, cache, causal, memory, memory_mask, need_weights):
        """x [B, T, D] -> x, the self-attention cache, the weights of both attentions.

        In training all targets come at once, with a causal mask and no cache. Step by step, x holds one token of each
        of B * K hypotheses; the K hypotheses of a sentence then stand side by side as K queries to its one memory.
        """
        found: dict[str, Tensor | None] = {}

        def look_back(x: Tensor) -> Tensor:
            nonlocal cache
            cache = append(cache, self.self_attention.project(x))
            out, found["decoder"] = self.self_attention(x, cache, causal, need_weights)
            return out

        def look_across(x: Tensor) -> Tensor:
            sentences = memory[0].shape[0]
            out, weights = self.cross_attention(x.reshape(sentences, -1, x.shape[-1]), memory, memory_mask, need_weights)
            if weights is not None:  # [B, H, K * T, S] -> [B * K, H, T, S]
                weights = weights.unflatten(2, (-1, x.shape[1])).transpose(1, 2).flatten(0, 1)
            found["cross"] = weights
            return out.reshape(x.shape)

        x = self.around_self(x, look_back)
        x = self.around_cross(x, look_across)
        return self.around_feed_forward(x, self.feed_forward), cache, found


class TransformerDecoder(Decoder):
    """A stack of causal layers. State: keys and values, of the memory once and of the target token by token."""

    query_reads_input = True

    def __init__(self, config: ModelConfig, memory_dim: int) -> None:
        super().__init__()
        self.dim = config.dim
        self.stack = Stack(config)
        self.layers = nn.ModuleList(DecoderLayer(config, memory_dim) for _ in range(config.transformer.decoder_layers))

    def forward(self, embedded: Tensor, memory: Memory, need_weights: bool = False) -> DecoderOutput:
        at = positions(0, embedded.shape[1], embedded.device)
        projected = self._project(memory)
        return self._run(embedded, at, causal_mask(at, at), [None] * len(projected), projected, memory.mask, need_weights)[0]

    def init_state(self, memory: Memory, beam: int = 1) -> DecodingState:
        projected = self._project(memory)
        return DecodingState((projected, memory.mask), [None] * len(projected))

    def step(self, embedded: Tensor, state: DecodingState, need_weights: bool = False) -> tuple[DecoderOutput, DecodingState]:
        projected, mask = state.memory
        at = positions(state.step, 1, embedded.device)
        # The one query is the newest position and may see the whole cache: no causal mask.
        output, cache = self._run(embedded[:, None], at, None, state.cache, projected, mask, need_weights)
        return output, DecodingState(state.memory, cache, state.step + 1)

    def _project(self, memory: Memory) -> list[KeyValue]:
        return [layer.project(memory.states) for layer in cast(Sequence[DecoderLayer], self.layers)]

    def _run(self, embedded, at, causal, caches, projected, memory_mask, need_weights):
        x = self.stack.enter(embedded, at)
        keys = padding_mask(memory_mask)
        new_caches, collected = [], []
        for layer, cache, memory in zip(self.layers, caches, projected, strict=True):
            x, cache, weights = layer(x, cache, causal, memory, keys, need_weights)
            new_caches.append(cache)
            collected.append(weights)
        attention = {name: torch.stack([w[name] for w in collected], 1) for name in ("decoder", "cross")} if need_weights else {}
        return DecoderOutput(self.stack.norm(x), attention), new_caches
