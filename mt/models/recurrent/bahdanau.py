"""Recurrent decoder that attends before each state update (Bahdanau, Cho and Bengio 2014)."""

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
    run_gates,
)
from mt.models.recurrent.decoder import RecurrentDecoder, affine, training_loop
from mt.models.seq2seq import DecoderOutput, DecodingState, Memory


class AttentionCell(nn.Module):
    """One decoder step: attend with the previous state, then update it with word and context.

    The update is a GRU (appendix A.2.2, with PyTorch's reset gate after the product) or an LSTM.
    The word's contribution to the gates does not depend on the state. The caller computes it for
    all steps at once and passes it as `word_gates`.
    """

    def __init__(self, config: ModelConfig, memory_dim: int) -> None:
        super().__init__()
        hidden, gates = config.rnn.hidden, GATE_COUNTS[config.rnn.cell] * config.rnn.hidden
        self.update = CELL_UPDATES[config.rnn.cell]
        self.attention = build_attention(config.rnn, hidden, memory_dim)
        self.word = nn.Linear(config.dim, gates)
        has_context = self.attention.context_dim > 0
        self.context = nn.Linear(memory_dim, gates, bias=False) if has_context else None
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
        step: Tensor,
        attention_state: AttentionState,
    ) -> tuple[RecurrentState, AttentionOutput, AttentionState]:
        """Run one step: word_gates [N, G * H], state [N, H] each, step [1].

        Returns the new state, the attention output with Q = 1 and the new attention state.
        """
        attended, attention_state = self.attention(state[0][:, None], memory, step, attention_state)
        input_gates = word_gates
        if self.context is not None:
            input_gates = input_gates + self.context(attended.context[:, 0])
        # float32 under autocast too: the state accumulates small changes over the whole sentence.
        state = self.update(input_gates.float(), self.state(state[0]).float(), state)
        return state, attended, attention_state


class Readout(nn.Module):
    """t_i = U s_i + V E y_{i-1} + C c_i, followed by maxout over pairs or by tanh.

    The paper has s_{i-1} in place of s_i, which has already read the word and the context.
    """

    def __init__(self, config: ModelConfig, context_dim: int) -> None:
        super().__init__()
        self.maxout = config.rnn.readout == "maxout"
        out_dim = config.dim * (2 if self.maxout else 1)
        self.join = affine(config.rnn.hidden + config.dim + context_dim, out_dim)
        self.dropout = Dropout(config.dropout)

    def forward(self, state: Tensor, word: Tensor, context: Tensor) -> Tensor:
        inputs = (state, word.to(state.dtype), context.to(state.dtype))
        x = self.join(torch.cat(inputs, dim=-1))
        return self.dropout(x.unflatten(-1, (-1, 2)).amax(-1) if self.maxout else x.tanh())


class BahdanauDecoder(RecurrentDecoder):
    """Decoder whose previous state is the query and whose context enters the recurrence."""

    query_reads_input = False

    def __init__(self, config: ModelConfig, memory_dim: int, summary_dim: int) -> None:
        super().__init__()
        self.dim, self.cell_type = config.dim, config.rnn.cell
        self.cell = AttentionCell(config, memory_dim)
        self.attends = self.cell.attention.context_dim > 0
        self.readout = Readout(config, self.cell.attention.context_dim)
        self.start = affine(summary_dim, config.rnn.hidden)
        self.dropout = Dropout(config.dropout)

    def forward(
        self, embedded: Tensor, memory: Memory, need_weights: bool = False
    ) -> DecoderOutput:
        words, attention = self.dropout(embedded), self.cell.attention
        projected = attention.project(memory.states, memory.mask)
        state = self.initial_rnn_state(memory.summary)
        attention_state = attention.initial_state(projected, words.shape[0])
        steps = position_range(0, words.shape[1], words.device)
        word_gates = self.cell.word(words)
        if self.attends:
            states, attended = self._run(word_gates, state, projected, steps, attention_state)
        else:  # nothing else enters the recurrence, so it runs over the whole target at once
            layer = self.cell.state
            states, _ = run_gates(self.cell_type, word_gates, state, layer.weight, layer.bias)
            attended, _ = attention(states, projected, steps, attention_state)
        return DecoderOutput(
            self.readout(states, words, attended.context),
            self.cross_weights(attended, need_weights),
            attention.losses(attended.loss_terms, affects_later_tokens=True),
        )

    def _run(
        self,
        word_gates: Tensor,
        state: RecurrentState,
        memory: ProjectedMemory,
        steps: Tensor,
        attention_state: AttentionState,
    ) -> tuple[Tensor, AttentionOutput]:
        """Run T steps: word_gates [N, T, G * H], steps [T] -> states [N, T, H], the outputs."""
        states, outputs = [], []
        with training_loop(self.cell, self.cell.attention, memory) as memory:
            # unbind, not indexing: its backward pass stacks T gradients, while indexing would
            # allocate T tensors of full size.
            for gates, step in zip(word_gates.float().unbind(1), steps.split(1), strict=True):
                state, attended, attention_state = self.cell(
                    gates, state, memory, step, attention_state
                )
                states.append(state[0])
                outputs.append(attended)
        return torch.stack(states, 1), concat_outputs(outputs)

    def init_state(self, memory: Memory, beam: int = 1) -> DecodingState:
        attention = self.cell.attention
        projected = attention.project(memory.states, memory.mask)
        state = tuple(x.repeat_interleave(beam, 0) for x in self.initial_rnn_state(memory.summary))
        attention_state = attention.initial_state(projected, state[0].shape[0])
        return DecodingState(projected.tensors(), (state, attention_state))

    def step(
        self, embedded: Tensor, state: DecodingState, need_weights: bool = False
    ) -> tuple[DecoderOutput, DecodingState]:
        words, step = self.dropout(embedded), position_range(state.step, 1, embedded.device)
        rnn_state, attention_state = state.cache
        rnn_state, attended, attention_state = self.cell(
            self.cell.word(words), rnn_state, ProjectedMemory(*state.memory), step, attention_state
        )
        hidden = self.readout(rnn_state[0][:, None], words[:, None], attended.context)
        output = DecoderOutput(hidden, self.cross_weights(attended, need_weights))
        return output, DecodingState(state.memory, (rnn_state, attention_state), state.step + 1)
