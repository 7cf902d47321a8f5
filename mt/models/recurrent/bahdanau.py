"""Recurrent decoder that attends before it reads (Bahdanau, Cho and Bengio 2014)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

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
from mt.models.recurrent.cells import (
    CELL_UPDATES,
    GATE_COUNTS,
    RecurrentState,
    init_input_weights,
    init_recurrent_weights,
)
from mt.models.recurrent.decoder import RecurrentDecoder, affine
from mt.models.seq2seq import DecoderOutput, DecodingState, Memory


class AttentionCell(nn.Module):
    """One step of the decoder: attend with the previous state, then update the state with word and context.

    GRU (appendix A.2.2, with PyTorch's reset gate after the product) or LSTM. The word's share of
    the gates is computed for all steps at once and comes in as `word_gates`.
    """

    def __init__(self, config: ModelConfig, memory_dim: int) -> None:
        super().__init__()
        hidden, gates = config.rnn.hidden, GATE_COUNTS[config.rnn.cell] * config.rnn.hidden
        self.update = CELL_UPDATES[config.rnn.cell]
        self.attention = build_attention(config.rnn, hidden, memory_dim)
        self.word = nn.Linear(config.dim, gates)
        self.context = (
            nn.Linear(memory_dim, gates, bias=False) if self.attention.context_dim else None
        )
        self.state = nn.Linear(hidden, gates)
        init_input_weights(self.word.weight, self.word.bias)
        if self.context is not None:
            init_input_weights(self.context.weight)
        init_recurrent_weights(self.state.weight, self.state.bias)

    def forward(
        self,
        word_gates: Tensor,
        state: RecurrentState,
        memory: ProjectedMemory,
        at: Tensor,
        attention_state: AttentionState,
    ) -> tuple[RecurrentState, AttentionOutput, AttentionState]:
        """word_gates [N, G], state tensors [N, H], the step `at` [1] -> new state, what was found with Q = 1, new attention_state."""
        found, attention_state = self.attention(state[0][:, None], memory, at, attention_state)
        # The state is kept in float32 under autocast too: it adds up small changes over the whole
        # sentence.
        input_gates = (
            word_gates if self.context is None else word_gates + self.context(found.context[:, 0])
        ).float()
        return self.update(input_gates, self.state(state[0]).float(), state), found, attention_state


class Readout(nn.Module):
    """Joins state, previous word and context: t_i = U s_i + V E y_{i-1} + C c_i, then maxout over pairs, or tanh.

    The paper's equation has s_{i-1}; the new state has also read what the other two bring.
    """

    def __init__(self, config: ModelConfig, context_dim: int) -> None:
        super().__init__()
        self.maxout = config.rnn.readout == "maxout"
        self.join = affine(
            config.rnn.hidden + config.dim + context_dim, config.dim * (2 if self.maxout else 1)
        )
        self.dropout = Dropout(config.dropout)

    def forward(self, state: Tensor, word: Tensor, context: Tensor) -> Tensor:
        joined = self.join(
            torch.cat((state, word.to(state.dtype), context.to(state.dtype)), dim=-1)
        )
        return self.dropout(
            joined.unflatten(-1, (-1, 2)).amax(-1) if self.maxout else joined.tanh()
        )


class BahdanauDecoder(RecurrentDecoder):
    """The previous state queries the memory, and the context enters the recurrence."""

    query_reads_input = False

    def __init__(self, config: ModelConfig, memory_dim: int, summary_dim: int) -> None:
        super().__init__()
        self.dim, self.kind = config.dim, config.rnn.cell
        self.cell = AttentionCell(config, memory_dim)
        self.attends = self.cell.attention.context_dim > 0
        self.readout = Readout(config, self.cell.attention.context_dim)
        self.start = affine(summary_dim, config.rnn.hidden)
        self.dropout = Dropout(config.dropout)

    def forward(
        self, embedded: Tensor, memory: Memory, need_weights: bool = False
    ) -> DecoderOutput:
        words, attention = self.dropout(embedded), self.cell.attention
        prepared = attention.project(memory.states, memory.mask)
        state, attention_state = (
            self.initial_state(memory.summary),
            attention.initial_state(prepared, words.shape[0]),
        )
        states, parts = [], []
        at = position_range(0, words.shape[1], words.device)
        # unbind, not indexing: the gradient of T slices is one stack instead of T tensors of the
        # full size.
        for word_gates, when in zip(self.cell.word(words).unbind(1), at.split(1), strict=True):
            state, found, attention_state = self.cell(
                word_gates, state, prepared, when, attention_state
            )
            states.append(state[0])
            parts.append(found)
        found = concat_outputs(parts)
        hidden = self.readout(torch.stack(states, 1), words, found.context)
        return DecoderOutput(
            hidden,
            self.cross_weights(found, need_weights),
            attention.losses(found.terms, affects_later_tokens=True),
        )

    def init_state(self, memory: Memory, beam: int = 1) -> DecodingState:
        prepared = self.cell.attention.project(memory.states, memory.mask)
        state = tuple(x.repeat_interleave(beam, 0) for x in self.initial_state(memory.summary))
        return DecodingState(
            prepared.tensors(),
            (state, self.cell.attention.initial_state(prepared, state[0].shape[0])),
        )

    def step(
        self, embedded: Tensor, state: DecodingState, need_weights: bool = False
    ) -> tuple[DecoderOutput, DecodingState]:
        words, at = self.dropout(embedded), position_range(state.step, 1, embedded.device)
        cache, found, attention_state = self.cell(
            self.cell.word(words),
            state.cache[0],
            ProjectedMemory(*state.memory),
            at,
            state.cache[1],
        )
        hidden = self.readout(cache[0][:, None], words[:, None], found.context)
        return DecoderOutput(hidden, self.cross_weights(found, need_weights)), DecodingState(
            state.memory, (cache, attention_state), state.step + 1
        )
