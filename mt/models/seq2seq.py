"""The model as everything else sees it: an encoder plug, a decoder plug, embeddings and an output layer.

Shapes: B sentences, S source and T target positions, K hypotheses a sentence, D width, V
vocabulary. Masks are boolean and True marks a real token, everywhere.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn

from mt.layers.losses import ExtraLoss


@dataclass
class Memory:
    """What an encoder hands to a decoder."""

    states: Tensor  # [B, S, D]
    mask: Tensor  # [B, S] bool
    summary: Tensor  # [B, D']: one vector a sentence, for decoders that start from one
    attention: dict[str, Tensor] = field(
        default_factory=dict
    )  # name -> weights, only where asked for
    losses: list[ExtraLoss] = field(
        default_factory=list
    )  # what this encoder adds to the training loss


@dataclass
class DecoderOutput:
    """Teacher-forced decoder states, one for each target position."""

    hidden: Tensor  # [B, T, D]
    attention: dict[str, Tensor] = field(
        default_factory=dict
    )  # name -> [B, layers or 1, heads, T, S or T]
    losses: list[ExtraLoss] = field(
        default_factory=list
    )  # what this decoder adds to the training loss, in training


@dataclass
class DecodingState:
    """Everything that incremental decoding carries from one step to the next.

    `memory` holds tensors with one row a sentence (B rows), which the hypotheses of a sentence
    share; `cache` holds tensors with one row a hypothesis (B * K rows, those of a sentence side by
    side). Both are nested tuples, lists and dicts of batch-first tensors; `step` is how many target
    tokens have been read.
    """

    memory: Any
    cache: Any
    step: int = 0

    def select(self, rows: Tensor) -> DecodingState:
        """Reorder hypotheses (`rows` [B * K] indices), each within its sentence."""
        return replace(self, cache=select_rows(self.cache, rows))

    def select_sentences(self, sentences: Tensor, rows: Tensor) -> DecodingState:
        """Keep some sentences ([B'] indices) and the hypothesis rows that belong to them ([B' * K])."""
        return replace(
            self, memory=select_rows(self.memory, sentences), cache=select_rows(self.cache, rows)
        )


def select_rows(tree: Any, rows: Tensor) -> Any:
    """Index the first dimension of every tensor in a nested structure."""
    if isinstance(tree, Tensor):
        return tree.index_select(0, rows)
    if isinstance(tree, dict):
        return {key: select_rows(value, rows) for key, value in tree.items()}
    if isinstance(tree, tuple | list):
        return type(tree)(select_rows(value, rows) for value in tree)
    if tree is None:
        return None
    raise TypeError(
        f"decoding state may hold tensors, dicts, tuples, lists and None, not {type(tree).__name__}"
    )


class Encoder(nn.Module):
    """Embedded source -> memory. `dim` is the width of its states, `summary_dim` that of its summary."""

    dim: int
    summary_dim: int

    def forward(self, embedded: Tensor, mask: Tensor, need_weights: bool = False) -> Memory:
        """embedded [B, S, E], mask [B, S] bool -> Memory."""
        raise NotImplementedError

    def monitored_values(self) -> dict[str, float]:
        """What is worth watching in training, by name; reported at each validation."""
        return {}


class Decoder(nn.Module):
    """Embedded target prefix and memory -> hidden states that the output layer projects (`dim` wide)."""

    dim: int
    # Whether the query that makes row t of the cross weights has read the decoder's input at step
    # t, or only those before it. Where it has, alignments of a word may be read from the step at
    # which it is the input (`mt/inspection/weights.py`).
    query_reads_input: bool
    attends: bool = True  # False: it gives no cross weights

    def forward(
        self, embedded: Tensor, memory: Memory, need_weights: bool = False
    ) -> DecoderOutput:
        """embedded [B, T, E] (target shifted right, begins with BOS) -> DecoderOutput with hidden [B, T, dim].

        Target padding is on the right, where a left-to-right decoder cannot see it: no target mask
        is needed.
        """
        raise NotImplementedError

    def monitored_values(self) -> dict[str, float]:
        """As `Encoder.monitored_values`."""
        return {}

    def init_state(self, memory: Memory, beam: int = 1) -> DecodingState:
        """State before the first token, for `beam` hypotheses a sentence; memory projections are computed here, once."""
        raise NotImplementedError

    def step(
        self, embedded: Tensor, state: DecodingState, need_weights: bool = False
    ) -> tuple[DecoderOutput, DecodingState]:
        """embedded [B * K, E] of the last token -> output with hidden [B * K, 1, dim], and the next state."""
        raise NotImplementedError


class Seq2Seq(nn.Module):
    """Encoder-decoder over token ids."""

    def __init__(
        self,
        source_embedding: nn.Module,
        target_embedding: nn.Module,
        encoder: Encoder,
        decoder: Decoder,
        output: nn.Linear,
    ) -> None:
        super().__init__()
        self.source_embedding = source_embedding
        self.target_embedding = target_embedding
        self.encoder = encoder
        self.decoder = decoder
        self.output = output

    def encode(self, source: Tensor, mask: Tensor, need_weights: bool = False) -> Memory:
        """source [B, S] ids, mask [B, S] bool -> Memory."""
        return self.encoder(self.source_embedding(source), mask, need_weights)

    def forward(
        self, source: Tensor, mask: Tensor, target_input: Tensor, need_weights: bool = False
    ) -> DecoderOutput:
        """Teacher forcing. target_input [B, T] ids beginning with BOS -> hidden [B, T, D]; `self.output` makes logits.

        The output layer is left to the caller because the training loss never needs all logits at
        once.
        """
        memory = self.encode(source, mask, need_weights)
        output = self.decoder(self.target_embedding(target_input), memory, need_weights)
        output.attention.update(memory.attention)
        output.losses.extend(memory.losses)
        return output

    def init_state(self, memory: Memory, beam: int = 1) -> DecodingState:
        """State before the first target token, for `beam` hypotheses a sentence."""
        return self.decoder.init_state(memory, beam)

    def step(
        self, tokens: Tensor, state: DecodingState, need_weights: bool = False
    ) -> tuple[Tensor, DecodingState, dict[str, Tensor]]:
        """tokens [B * K] (BOS first) -> logits [B * K, V] in float32, the next state, attention where asked for.

        Attention weights have T = 1: name -> [B * K, layers or 1, heads, 1, S or step + 1].
        """
        output, state = self.decoder.step(self.target_embedding(tokens), state, need_weights)
        return self.output(output.hidden[:, 0]).float(), state, output.attention

    def monitored_values(self) -> dict[str, float]:
        """What is worth watching in training: name -> value."""
        sides = {
            "encoder": self.encoder.monitored_values(),
            "decoder": self.decoder.monitored_values(),
        }
        return {
            f"{side} {name}": value
            for side, found in sides.items()
            for name, value in found.items()
        }

    @property
    def device(self) -> torch.device:
        return self.output.weight.device
