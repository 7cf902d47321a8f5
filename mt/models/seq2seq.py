"""The interfaces of encoders and decoders, and the encoder-decoder made of them.

Shapes: B sentences, S source and T target positions, K hypotheses per sentence, D width, V
vocabulary. Masks are boolean everywhere; True marks a real token.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn

from mt.layers.losses import ExtraLoss


@dataclass
class Memory:
    """The output of an encoder."""

    states: Tensor  # [B, S, D]
    mask: Tensor  # [B, S] bool
    summary: Tensor  # [B, D'], one vector per sentence: recurrent decoders start from it
    # Name -> weights [B, layers, heads, S, S], only if requested.
    attention: dict[str, Tensor] = field(default_factory=dict)
    losses: list[ExtraLoss] = field(default_factory=list)  # empty in evaluation


@dataclass
class DecoderOutput:
    """The output of a decoder at each target position."""

    hidden: Tensor  # [B, T, D]
    # Name -> weights [B, layers or 1, heads, T, S or T], only if requested.
    attention: dict[str, Tensor] = field(default_factory=dict)
    losses: list[ExtraLoss] = field(default_factory=list)  # empty in evaluation


@dataclass
class DecodingState:
    """The state of incremental decoding between two steps.

    `memory` holds tensors with one row per sentence (B rows), which the hypotheses of a sentence
    share. `cache` holds tensors with one row per hypothesis (B * K rows, those of a sentence
    adjacent). Both are nested tuples, lists and dicts of batch-first tensors. `step` is the number
    of target tokens read so far.
    """

    memory: Any
    cache: Any
    step: int = 0

    def select(self, rows: Tensor) -> DecodingState:
        """Reorder hypotheses by the indices `rows` [B * K], each within its sentence."""
        return replace(self, cache=select_rows(self.cache, rows))

    def select_sentences(self, sentences: Tensor, rows: Tensor) -> DecodingState:
        """Keep the sentences at indices [B'] and their hypotheses at indices `rows` [B' * K]."""
        return replace(
            self, memory=select_rows(self.memory, sentences), cache=select_rows(self.cache, rows)
        )


def select_rows(tree: Any, rows: Tensor) -> Any:
    """Index the first dimension of every tensor in a nested structure.

    Raises TypeError for anything but tensors, dicts, tuples, lists and None.
    """
    if isinstance(tree, Tensor):
        return tree.index_select(0, rows)
    if isinstance(tree, dict):
        return {key: select_rows(value, rows) for key, value in tree.items()}
    if isinstance(tree, tuple | list):
        return type(tree)(select_rows(value, rows) for value in tree)
    if tree is None:
        return None
    raise TypeError(
        "a decoding state must consist of tensors, dicts, tuples, lists and None, "
        f"got {type(tree).__name__}"
    )


class Encoder(nn.Module):
    """Base class of encoders: embedded source -> memory.

    `dim` is the width of the states, `summary_dim` that of the summary.
    """

    dim: int
    summary_dim: int

    def forward(self, embedded: Tensor, mask: Tensor, need_weights: bool = False) -> Memory:
        """Encode embedded [B, S, E] with mask [B, S] bool."""
        raise NotImplementedError

    def monitored_values(self) -> dict[str, float]:
        """Return the values that each validation reports, by name."""
        return {}


class Decoder(nn.Module):
    """Base class of decoders: embedded target prefix and memory -> hidden states of width `dim`."""

    dim: int
    # Whether the query of row t of the cross-attention weights depends on the decoder's input at
    # step t, not only on earlier inputs. If it does, the alignment of a word may be read from the
    # step at which the word is the input (`mt/inspection/pair_attention.py`).
    query_reads_input: bool
    attends: bool = True  # False: without cross-attention

    def forward(
        self, embedded: Tensor, memory: Memory, need_weights: bool = False
    ) -> DecoderOutput:
        """Decode embedded [B, T, E], the target shifted right, with teacher forcing.

        The first input is BOS. There is no target mask: padding is on the right, where no real
        token of a left-to-right decoder sees it.
        """
        raise NotImplementedError

    def monitored_values(self) -> dict[str, float]:
        """Return the values that each validation reports, by name."""
        return {}

    def init_state(self, memory: Memory, beam: int = 1) -> DecodingState:
        """Return the state before the first token, for `beam` hypotheses per sentence.

        It includes the projections of the memory, which are computed only here.
        """
        raise NotImplementedError

    def step(
        self, embedded: Tensor, state: DecodingState, need_weights: bool = False
    ) -> tuple[DecoderOutput, DecodingState]:
        """Decode the last token: embedded [B * K, E] -> hidden [B * K, 1, dim], the new state."""
        raise NotImplementedError


class Seq2Seq(nn.Module):
    """Encoder-decoder on token ids."""

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
        """Encode source ids [B, S] with mask [B, S] bool."""
        return self.encoder(self.source_embedding(source), mask, need_weights)

    def forward(
        self, source: Tensor, mask: Tensor, target_input: Tensor, need_weights: bool = False
    ) -> DecoderOutput:
        """Compute hidden states [B, T, D] with teacher forcing, for target_input ids [B, T].

        target_input begins with BOS. The caller applies `self.output`, because the training loss
        never needs all logits at once.
        """
        embedded = self.source_embedding(source), self.target_embedding(target_input)
        return self.forward_embedded(embedded[0], mask, embedded[1], need_weights)

    def forward_embedded(
        self, source: Tensor, mask: Tensor, target_input: Tensor, need_weights: bool = False
    ) -> DecoderOutput:
        """Do what `forward` does, for embedded source [B, S, E] and target_input [B, T, E]."""
        memory = self.encoder(source, mask, need_weights)
        output = self.decoder(target_input, memory, need_weights)
        output.attention.update(memory.attention)
        output.losses.extend(memory.losses)
        return output

    def init_state(self, memory: Memory, beam: int = 1) -> DecodingState:
        """Return the state before the first target token, for `beam` hypotheses per sentence."""
        return self.decoder.init_state(memory, beam)

    def step(
        self, tokens: Tensor, state: DecodingState, need_weights: bool = False
    ) -> tuple[Tensor, DecodingState, dict[str, Tensor]]:
        """Decode the last tokens [B * K], at first BOS.

        Returns float32 logits [B * K, V], the new state, and attention weights if requested: name
        -> [B * K, layers or 1, heads, 1, S or step + 1].
        """
        output, state = self.decoder.step(self.target_embedding(tokens), state, need_weights)
        return self.output(output.hidden[:, 0]).float(), state, output.attention

    def monitored_values(self) -> dict[str, float]:
        """Return the values that each validation reports, by name."""
        sides: dict[str, Encoder | Decoder] = {"encoder": self.encoder, "decoder": self.decoder}
        return {
            f"{side} {name}": value
            for side, part in sides.items()
            for name, value in part.monitored_values().items()
        }

    @property
    def device(self) -> torch.device:
        return self.output.weight.device
