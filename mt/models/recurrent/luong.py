"""Recurrent decoder that attends after it has read (Luong, Pham and Manning 2015)."""

from __future__ import annotations

import torch
from torch import Tensor

from mt.attention.masks import position_range
from mt.attention.recurrent.attention import (
    AttentionOutput,
    AttentionState,
    ProjectedMemory,
    build_attention,
    concat_outputs,
)
from mt.config.schema import ModelConfig
from mt.layers.dropout import Dropout
from mt.models.recurrent.cells import RNN_CLASSES, RecurrentState, init_rnn, run_rnn
from mt.models.recurrent.decoder import RecurrentDecoder, affine
from mt.models.seq2seq import DecoderOutput, DecodingState, Memory

Cache = tuple[
    RecurrentState, Tensor, AttentionState
]  # recurrent state, the last attentional vector [N, E], the attention's attention_state


class LuongDecoder(RecurrentDecoder):
    """The current state queries the memory; state and context make the attentional vector tanh(W [c_t; h_t]) (equation 5),
    which goes to the output layer.

    With input feeding (section 3.3) it also stands beside the next word at the input of the
    recurrence, which must then go step by step. Without, the recurrence runs over the whole target
    at once, and then all queries attend at once.
    """

    query_reads_input = True

    def __init__(self, config: ModelConfig, memory_dim: int, summary_dim: int) -> None:
        super().__init__()
        self.dim, self.kind, self.feeding = config.dim, config.rnn.cell, config.rnn.input_feeding
        hidden = config.rnn.hidden
        self.attention = build_attention(config.rnn, hidden, memory_dim)
        self.attends = self.attention.context_dim > 0
        self.recurrence = RNN_CLASSES[config.rnn.cell](
            config.dim * (2 if self.feeding else 1), hidden, batch_first=True
        )
        self.combine = affine(self.attention.context_dim + hidden, config.dim)
        self.start = affine(summary_dim, hidden)
        self.dropout = Dropout(config.dropout)
        init_rnn(self.recurrence)

    def forward(
        self, embedded: Tensor, memory: Memory, need_weights: bool = False
    ) -> DecoderOutput:
        prepared = self.attention.project(memory.states, memory.mask)
        cache, length = self._first(memory, prepared, 1), embedded.shape[1]
        together = 1 if self.feeding else max(1, length)
        hidden, parts = [], []
        at = position_range(0, length, embedded.device)
        for words, when in zip(
            self.dropout(embedded).split(together, 1), at.split(together), strict=True
        ):
            vectors, found, cache = self._advance(words, when, prepared, cache)
            hidden.append(vectors)
            parts.append(found)
        found = concat_outputs(parts)
        losses = self.attention.losses(
            found.terms, affects_later_tokens=self.feeding or self.attention.sequential
        )
        return DecoderOutput(torch.cat(hidden, 1), self.cross_weights(found, need_weights), losses)

    def init_state(self, memory: Memory, beam: int = 1) -> DecodingState:
        prepared = self.attention.project(memory.states, memory.mask)
        return DecodingState(prepared.tensors(), self._first(memory, prepared, beam))

    def step(
        self, embedded: Tensor, state: DecodingState, need_weights: bool = False
    ) -> tuple[DecoderOutput, DecodingState]:
        words, at = self.dropout(embedded)[:, None], position_range(state.step, 1, embedded.device)
        hidden, found, cache = self._advance(words, at, ProjectedMemory(*state.memory), state.cache)
        return DecoderOutput(hidden, self.cross_weights(found, need_weights)), DecodingState(
            state.memory, cache, state.step + 1
        )

    def _first(self, memory: Memory, prepared: ProjectedMemory, beam: int) -> Cache:
        state = tuple(x.repeat_interleave(beam, 0) for x in self.initial_state(memory.summary))
        rows = state[0].shape[
            0
        ]  # not len(): a graph that is exported must not take it for a constant
        return (
            state,
            state[0].new_zeros(rows, self.dim),
            self.attention.initial_state(prepared, rows),
        )

    def _advance(
        self, words: Tensor, at: Tensor, memory: ProjectedMemory, cache: Cache
    ) -> tuple[Tensor, AttentionOutput, Cache]:
        """words [N, T, E] at steps `at` [T] (T = 1 with input feeding) -> attentional vectors [N, T, E], what they found."""
        state, fed, attention_state = cache
        states, state = run_rnn(
            self.recurrence,
            torch.cat((words, fed[:, None].to(words.dtype)), -1) if self.feeding else words,
            state,
        )
        together = 1 if self.attention.sequential else states.shape[1]
        parts = []
        for queries, when in zip(states.split(together, 1), at.split(together), strict=True):
            found, attention_state = self.attention(queries, memory, when, attention_state)
            parts.append(found)
        found = concat_outputs(parts)
        vectors = self.dropout(
            self.combine(torch.cat((found.context.to(states.dtype), states), -1)).tanh()
        )
        return vectors, found, (state, vectors[:, -1].float(), attention_state)
