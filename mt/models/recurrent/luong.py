"""Recurrent decoder that attends after each state update (Luong, Pham and Manning 2015)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

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
from mt.layers.repeated import RepeatedProduct
from mt.models.recurrent.cells import (
    CELL_UPDATES,
    RNN_CLASSES,
    RecurrentState,
    init_rnn,
    run_rnn,
)
from mt.models.recurrent.decoder import RecurrentDecoder, affine, training_loop
from mt.models.seq2seq import DecoderOutput, DecodingState, Memory

# Recurrent state, last attentional vector [N, E], attention state.
Cache = tuple[RecurrentState, Tensor, AttentionState]


class LuongDecoder(RecurrentDecoder):
    """Decoder whose current state is the query.

    The output layer receives the attentional vector tanh(W [c_t; h_t]) (equation 5). With input
    feeding (section 3.3) the vector is also concatenated with the next word at the input of the
    RNN, which must then run step by step. Without it, the RNN runs over the whole target at once;
    so does attention, unless it is sequential.
    """

    query_reads_input = True

    def __init__(self, config: ModelConfig, memory_dim: int, summary_dim: int) -> None:
        super().__init__()
        self.dim, self.cell_type = config.dim, config.rnn.cell
        self.input_feeding = config.rnn.input_feeding
        hidden = config.rnn.hidden
        self.attention = build_attention(config.rnn, hidden, memory_dim)
        self.attends = self.attention.context_dim > 0
        input_dim = config.dim * (2 if self.input_feeding else 1)
        self.recurrence = RNN_CLASSES[config.rnn.cell](input_dim, hidden, batch_first=True)
        self.combine = affine(self.attention.context_dim + hidden, config.dim)
        self.start = affine(summary_dim, hidden)
        self.dropout = Dropout(config.dropout)
        init_rnn(self.recurrence)

    def forward(
        self, embedded: Tensor, memory: Memory, need_weights: bool = False
    ) -> DecoderOutput:
        projected = self.attention.project(memory.states, memory.mask)
        cache = self._initial_cache(memory, projected, 1)
        words, steps = self.dropout(embedded), position_range(0, embedded.shape[1], embedded.device)
        run = self._run_with_feeding if self.input_feeding else self._advance
        hidden, attended, _ = run(words, steps, projected, cache)
        losses = self.attention.losses(
            attended.loss_terms,
            affects_later_tokens=self.input_feeding or self.attention.sequential,
        )
        weights = self.cross_weights(attended, need_weights)
        return DecoderOutput(hidden, weights, losses)

    def init_state(self, memory: Memory, beam: int = 1) -> DecodingState:
        projected = self.attention.project(memory.states, memory.mask)
        return DecodingState(projected.tensors(), self._initial_cache(memory, projected, beam))

    def step(
        self, embedded: Tensor, state: DecodingState, need_weights: bool = False
    ) -> tuple[DecoderOutput, DecodingState]:
        words, step = (
            self.dropout(embedded)[:, None],
            position_range(state.step, 1, embedded.device),
        )
        memory = ProjectedMemory(*state.memory)
        hidden, attended, cache = self._advance(words, step, memory, state.cache)
        output = DecoderOutput(hidden, self.cross_weights(attended, need_weights))
        return output, DecodingState(state.memory, cache, state.step + 1)

    def _initial_cache(self, memory: Memory, projected: ProjectedMemory, beam: int) -> Cache:
        state = tuple(x.repeat_interleave(beam, 0) for x in self.initial_rnn_state(memory.summary))
        rows = state[0].shape[0]  # not len(), which ONNX export would take for a constant
        vector = state[0].new_zeros(rows, self.dim)
        return state, vector, self.attention.initial_state(projected, rows)

    def _advance(
        self, words: Tensor, steps: Tensor, memory: ProjectedMemory, cache: Cache
    ) -> tuple[Tensor, AttentionOutput, Cache]:
        """Run T steps at once (T = 1 with input feeding): words [N, T, E], steps [T].

        Returns the attentional vectors [N, T, E], the attention output and the new cache.
        """
        state, vector, attention_state = cache
        if self.input_feeding:
            words = torch.cat((words, vector[:, None].to(words.dtype)), -1)
        states, state = run_rnn(self.recurrence, words, state)
        chunk = 1 if self.attention.sequential else states.shape[1]
        outputs = []
        for queries, chunk_steps in zip(states.split(chunk, 1), steps.split(chunk), strict=True):
            attended, attention_state = self.attention(
                queries, memory, chunk_steps, attention_state
            )
            outputs.append(attended)
        attended = concat_outputs(outputs)
        vectors = self._combine(states, attended.context)
        return vectors, attended, (state, vectors[:, -1].float(), attention_state)

    def _run_with_feeding(
        self, words: Tensor, steps: Tensor, memory: ProjectedMemory, cache: Cache
    ) -> tuple[Tensor, AttentionOutput, Cache]:
        """Run T steps one by one, as `_advance` would, except for the products with the words."""
        state, vector, attention_state = cache
        weight_ih, weight_hh, bias_ih, bias_hh = self.recurrence.all_weights[0]
        word, fed = weight_ih.split(self.dim, 1)
        feed, recur = RepeatedProduct(fed), RepeatedProduct(weight_hh, bias_hh)
        update, vectors, outputs = CELL_UPDATES[self.cell_type], [], []
        word_gates = F.linear(words, word, bias_ih).float().unbind(1)
        with training_loop(self, self.attention, memory) as memory:
            for gates, step in zip(word_gates, steps.split(1), strict=True):
                state = update(gates + feed(vector), recur(state[0]), state)
                query = state[0][:, None]
                attended, attention_state = self.attention(query, memory, step, attention_state)
                vector = self._combine(query, attended.context)[:, 0].float()
                vectors.append(vector)
                outputs.append(attended)
        attended = concat_outputs(outputs)
        return torch.stack(vectors, 1), attended, (state, vector, attention_state)

    def _combine(self, states: Tensor, context: Tensor) -> Tensor:
        """Compute the attentional vectors [N, T, E] from states [N, T, H] and contexts."""
        combined = self.combine(torch.cat((context.to(states.dtype), states), -1))
        return self.dropout(combined.tanh())
