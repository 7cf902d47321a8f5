"""The parts of an encoder or decoder stack around its layers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from mt.attention.transformer.multihead import MultiHeadAttention
from mt.attention.transformer.positions import build_positions
from mt.config.schema import ModelConfig
from mt.layers.dropout import Dropout
from mt.layers.losses import ExtraLoss
from mt.models.transformer.sublayers import build_norm


class Stack(nn.Module):
    """Positions and dropout before the layers, and a final norm after them.

    The final norm follows pre-norm and sandwich layers only, whose output is not normalised.
    """

    def __init__(self, config: ModelConfig, decoder: bool) -> None:
        super().__init__()
        transformer = config.transformer
        if decoder:
            position, layers = transformer.decoder_position, transformer.decoder_layers
        else:
            position, layers = transformer.encoder_position, transformer.encoder_layers
        self.positions = build_positions(
            position or transformer.position, transformer, config.dim, layers, causal=decoder
        )
        self.dropout = Dropout(config.dropout)
        self.norm = build_norm(config) if transformer.norm in ("pre", "sandwich") else nn.Identity()
        self.recompute = transformer.recompute

    def add_positions(self, embedded: Tensor, positions: Tensor) -> Tensor:
        """Add position information to the embeddings [B, T, D], then apply dropout."""
        return self.dropout(self.positions.add(embedded, positions))

    def run_layer(self, layer: nn.Module, *inputs: Any) -> Any:
        """Run a layer. With `recompute`, use activation checkpointing (Chen et al. 2016)."""
        if self.recompute and self.training and torch.is_grad_enabled():
            return checkpoint(layer, *inputs, use_reentrant=False)
        return layer(*inputs)


def pattern_losses(attentions: Sequence[MultiHeadAttention]) -> list[ExtraLoss]:
    """Return the loss of a stack's patterns: the mean over its layers, times the target tokens."""
    losses = [loss for attention in attentions if (loss := attention.pattern.loss()) is not None]
    if not losses:
        return []
    mean = torch.stack(losses).mean()
    return [lambda nll, real: mean * real.sum()]


def pattern_monitored_values(attentions: Sequence[MultiHeadAttention]) -> dict[str, float]:
    """Collect the monitored values of a stack's patterns; layers count from 0."""
    return {
        f"layer {number} {name}": value
        for number, attention in enumerate(attentions)
        for name, value in attention.pattern.monitored_values().items()
    }
