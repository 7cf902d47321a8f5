"""Recurrent encoder and decoder with attention (Bahdanau, Cho and Bengio 2014)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mt.attention.scores import AdditiveScore, GlobalAttention, NoAttention, PreparedMemory
from mt.config import ModelConfig
from mt.models.dropout import Dropout
from mt.models.seq2seq import Decoder, DecoderOutput, DecodingState, Encoder, Memory

GATES = {"gru": 3, "lstm": 4}


class RNNEncoder(Encoder):
    """Bidirectional GRU or LSTM. Its summary is the backward state of the first token, which has read the whole sentence."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        hidden = config.rnn.hidden
        self.dim, self.summary_dim = 2 * hidden, hidden
        self.dropout = Dropout(config.dropout)
        widths = [config.dim] + [self.dim] * (config.rnn.encoder_layers - 1)
        self.layers = nn.ModuleList(BidirectionalLayer(config.rnn.cell, width, hidden) for width in widths)

    def forward(self, embedded: Tensor, mask: Tensor, need_weights: bool = False) -> Memory:
        reverse = reversal(mask)
        x = self.dropout(embedded)
        for layer in self.layers:
            states = layer(x, reverse)
            x = self.dropout(states)
        return Memory(x, mask, states[:, 0, self.summary_dim :])


class BidirectionalLayer(nn.Module):
    """One recurrent layer in both directions; states [B, S, 2 * H], the forward half first.

    Both run left to right, the second over the sentence reversed within its length: padding then always comes last, after
    everything that counts, so that neither packing nor a host read of the lengths is needed.
    """

    def __init__(self, cell: str, width: int, hidden: int) -> None:
        super().__init__()
        kind = {"gru": nn.GRU, "lstm": nn.LSTM}[cell]
        self.rightward, self.leftward = (kind(width, hidden, batch_first=True) for _ in range(2))
        for direction in (self.rightward, self.leftward):
            init_input_gates(direction.weight_ih_l0, direction.bias_ih_l0)
            init_state_gates(direction.weight_hh_l0, direction.bias_hh_l0)

    def forward(self, x: Tensor, reverse: Tensor) -> Tensor:
        """x [B, S, D], `reverse` [B, S] as `reversal` gives it."""
        return torch.cat((run(self.rightward, x), reorder(run(self.leftward, reorder(x, reverse)), reverse)), dim=-1)


def run(rnn: nn.RNNBase, x: Tensor) -> Tensor:
    """All states of one direction. Under autocast cuDNN would compute in float16, which overflows: there it stays in float32."""
    if x.device.type != "cuda":
        return rnn(x)[0]
    with torch.autocast("cuda", enabled=False):
        return rnn(x.float())[0]


def reversal(mask: Tensor) -> Tensor:
    """Indices [B, S] that reverse each sentence within its length and leave padding where it is; their own inverse."""
    at = torch.arange(mask.shape[1], device=mask.device)
    length = mask.sum(1, keepdim=True)
    return torch.where(at < length, length - 1 - at, at)


def reorder(x: Tensor, indices: Tensor) -> Tensor:
    """x [B, S, D] with the positions of each row in the order of indices [B, S]."""
    return x.gather(1, indices[..., None].expand_as(x))


def init_state_gates(weight: Tensor, bias: Tensor) -> None:
    """What reads the state: orthogonal (Bahdanau et al. 2014, appendix B.1), gate by gate; weight [G * H, H]."""
    for gate in weight.split(weight.shape[1]):
        nn.init.orthogonal_(gate)
    nn.init.zeros_(bias)


def init_input_gates(weight: Tensor, bias: Tensor | None = None) -> None:
    """What reads an input: Xavier (Glorot and Bengio 2010) for all gates as one; weight [G * H, D]."""
    nn.init.xavier_uniform_(weight)
    if bias is not None:
        nn.init.zeros_(bias)


class AttentionCell(nn.Module):
    """One step of the decoder: attend with the previous state, then update the state with word and context.

    GRU (appendix A.2.2, with PyTorch's reset gate after the product) or LSTM. The word's share of the gates is computed
    for all steps at once and comes in as `gates_word`.
    """

    def __init__(self, config: ModelConfig, memory_dim: int) -> None:
        super().__init__()
        rnn = config.rnn
        self.kind, self.hidden = rnn.cell, rnn.hidden
        self.attention: GlobalAttention | NoAttention
        if rnn.attention == "none":
            self.attention, self.context_dim = NoAttention(), 0
        else:
            self.attention, self.context_dim = GlobalAttention(AdditiveScore(rnn.hidden, memory_dim, rnn.attention_dim)), memory_dim
        self.word = nn.Linear(config.dim, GATES[rnn.cell] * rnn.hidden)
        self.context = nn.Linear(memory_dim, GATES[rnn.cell] * rnn.hidden, bias=False) if self.context_dim else None
        self.state = nn.Linear(rnn.hidden, GATES[rnn.cell] * rnn.hidden)
        init_input_gates(self.word.weight, self.word.bias)
        if self.context is not None:
            init_input_gates(self.context.weight)
        init_state_gates(self.state.weight, self.state.bias)

    def forward(self, gates_word: Tensor, state: tuple[Tensor, ...], memory: PreparedMemory) -> tuple[tuple[Tensor, ...], Tensor, Tensor]:
        """gates_word [N, G], state tensors [N, H] -> new state, context [N, M], weights [N, S].

        N is a multiple of the sentences in memory: the hypotheses of a sentence are its queries.
        """
        sentences = memory.mask.shape[0]
        context, weights = self.attention(state[0].unflatten(0, (sentences, -1)), memory)
        context, weights = context.flatten(0, 1), weights.flatten(0, 1)
        # The state is kept in float32 under autocast too: it adds up small changes over the whole sentence.
        gates_input = (gates_word if self.context is None else gates_word + self.context(context)).float()
        gates_state = self.state(state[0]).float()
        update = gru if self.kind == "gru" else lstm
        return update(gates_input, gates_state, state), context, weights


def gru(gates_input: Tensor, gates_state: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """Cho et al. 2014: h' = (1 - z) n + z h."""
    hidden = gates_state.shape[1] // 3
    reset, update = (gates_input[:, : 2 * hidden] + gates_state[:, : 2 * hidden]).sigmoid().chunk(2, dim=1)
    new = torch.tanh(gates_input[:, 2 * hidden :] + reset * gates_state[:, 2 * hidden :])
    return (torch.lerp(new, state[0], update),)


def lstm(gates_input: Tensor, gates_state: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """Hochreiter and Schmidhuber 1997, with forget gate: c' = f c + i g, h' = o tanh(c')."""
    take, forget, new, show = (gates_input + gates_state).chunk(4, dim=1)
    cell = forget.sigmoid() * state[1] + take.sigmoid() * new.tanh()
    return show.sigmoid() * cell.tanh(), cell


class Readout(nn.Module):
    """Joins state, previous word and context: t_i = U s_i + V E y_{i-1} + C c_i, then maxout over pairs, or tanh.

    The paper's equation has s_{i-1}; the new state has also read what the other two bring.
    """

    def __init__(self, config: ModelConfig, memory_dim: int) -> None:
        super().__init__()
        self.maxout = config.rnn.readout == "maxout"
        self.join = nn.Linear(config.rnn.hidden + config.dim + memory_dim, config.dim * (2 if self.maxout else 1))
        self.dropout = Dropout(config.dropout)
        nn.init.xavier_uniform_(self.join.weight)
        nn.init.zeros_(self.join.bias)

    def forward(self, state: Tensor, word: Tensor, context: Tensor) -> Tensor:
        joined = self.join(torch.cat((state, word.to(state.dtype), context.to(state.dtype)), dim=-1))
        return self.dropout(joined.unflatten(-1, (-1, 2)).amax(-1) if self.maxout else joined.tanh())


class RNNDecoder(Decoder):
    """GRU or LSTM whose previous state queries the memory and whose context enters the recurrence.

    Without attention, the initial state is all that it knows of the source.
    """

    query_reads_input = False

    def __init__(self, config: ModelConfig, memory_dim: int, summary_dim: int) -> None:
        super().__init__()
        self.dim = config.dim
        self.cell = AttentionCell(config, memory_dim)
        self.readout = Readout(config, self.cell.context_dim)
        self.attends = self.cell.context_dim > 0
        self.start = nn.Linear(summary_dim, config.rnn.hidden)  # s_0 = tanh(W_s summary)
        self.dropout = Dropout(config.dropout)
        nn.init.xavier_uniform_(self.start.weight)
        nn.init.zeros_(self.start.bias)

    def forward(self, embedded: Tensor, memory: Memory, need_weights: bool = False) -> DecoderOutput:
        words = self.dropout(embedded)
        prepared = self.cell.attention.prepare(memory.states, memory.mask)
        state = self._start(memory.summary)
        states, contexts, weights = [], [], []
        # unbind, not indexing: the gradient of T slices is one stack instead of T tensors of the full size.
        for gates_word in self.cell.word(words).unbind(1):
            state, context, weight = self.cell(gates_word, state, prepared)
            states.append(state[0])
            contexts.append(context)
            weights.append(weight)
        hidden = self.readout(torch.stack(states, 1), words, torch.stack(contexts, 1))
        return DecoderOutput(hidden, self._weights(torch.stack(weights, 1), need_weights))

    def init_state(self, memory: Memory, beam: int = 1) -> DecodingState:
        prepared = self.cell.attention.prepare(memory.states, memory.mask)
        state = tuple(x.repeat_interleave(beam, 0) for x in self._start(memory.summary))
        return DecodingState(prepared.rows(), state)

    def step(self, embedded: Tensor, state: DecodingState, need_weights: bool = False) -> tuple[DecoderOutput, DecodingState]:
        words = self.dropout(embedded)
        cache, context, weights = self.cell(self.cell.word(words), state.cache, PreparedMemory(*state.memory))
        hidden = self.readout(cache[0], words, context)[:, None]
        return DecoderOutput(hidden, self._weights(weights[:, None], need_weights)), DecodingState(state.memory, cache, state.step + 1)

    def _weights(self, weights: Tensor, wanted: bool) -> dict[str, Tensor]:
        """[N, T, S] -> the form of all models: one layer, one head."""
        return {"cross": weights[:, None, None]} if wanted and self.attends else {}

    def _start(self, summary: Tensor) -> tuple[Tensor, ...]:
        hidden = self.start(summary).tanh().float()
        return (hidden,) if self.cell.kind == "gru" else (hidden, torch.zeros_like(hidden))
