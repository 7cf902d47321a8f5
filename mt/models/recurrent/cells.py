"""Recurrent cells: the updates of GRU and LSTM, their kernels over whole sentences, and initial weights."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

GATES = {"gru": 3, "lstm": 4}
State = tuple[Tensor, ...]  # [N, H] each: the state, and the cell of an LSTM


def gru(gates_input: Tensor, gates_state: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """Cho et al. 2014: h' = (1 - z) n + z h."""
    hidden = gates_state.shape[1] // 3
    reset, update = (
        (gates_input[:, : 2 * hidden] + gates_state[:, : 2 * hidden]).sigmoid().chunk(2, dim=1)
    )
    new = torch.tanh(gates_input[:, 2 * hidden :] + reset * gates_state[:, 2 * hidden :])
    return (torch.lerp(new, state[0], update),)


def lstm(gates_input: Tensor, gates_state: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """Hochreiter and Schmidhuber 1997, with forget gate: c' = f c + i g, h' = o tanh(c')."""
    take, forget, new, show = (gates_input + gates_state).chunk(4, dim=1)
    cell = forget.sigmoid() * state[1] + take.sigmoid() * new.tanh()
    return show.sigmoid() * cell.tanh(), cell


UPDATES = {"gru": gru, "lstm": lstm}
KERNELS = {"gru": nn.GRU, "lstm": nn.LSTM}  # the same over whole sentences


def run(rnn: nn.RNNBase, x: Tensor, state: State | None = None) -> tuple[Tensor, State]:
    """x [N, T, D] -> all states [N, T, H] and the last, from `state` (None: zeros). In float32, but for products on a CPU under
    autocast; on a GPU cuDNN would compute everything in float16, which overflows.
    """
    if state is None:
        zeros = x.new_zeros(x.shape[0], rnn.hidden_size, dtype=torch.float32)
        state = (zeros,) * (2 if isinstance(rnn, nn.LSTM) else 1)
    if x.device.type == "cpu" and torch.is_autocast_enabled("cpu"):
        return scan(rnn, x, state)
    with torch.autocast(x.device.type, enabled=False):
        if isinstance(rnn, nn.GRU):
            states, last = rnn(x.float(), state[0][None])
            return states, (last[0],)
        states, (last, cell) = rnn(x.float(), tuple(each[None] for each in state))
        return states, (last[0], cell[0])


def scan(rnn: nn.RNNBase, x: Tensor, state: State) -> tuple[Tensor, State]:
    """The kernel step by step: its products as autocast has them, states in float32. On a CPU in bfloat16 it takes half the time."""
    of_input, of_state, input_bias, state_bias = rnn.all_weights[0]
    update, states = UPDATES["gru" if isinstance(rnn, nn.GRU) else "lstm"], []
    for gates_input in F.linear(x, of_input, input_bias).unbind(1):
        state = update(gates_input.float(), F.linear(state[0], of_state, state_bias).float(), state)
        states.append(state[0])
    return torch.stack(states, 1), state


def init_kernel(rnn: nn.RNNBase) -> None:
    """Our initial weights for a kernel of one layer and direction."""
    of_input, of_state, input_bias, state_bias = rnn.all_weights[0]
    init_input_gates(of_input, input_bias)
    init_state_gates(of_state, state_bias)


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
