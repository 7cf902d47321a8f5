"""Recurrent cells: the updates of GRU and LSTM, their kernels over whole sentences, and initial weights."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

GATE_COUNTS = {"gru": 3, "lstm": 4}
RecurrentState = tuple[Tensor, ...]  # [N, H] each: the state, and the cell of an LSTM


def gru_update(
    input_gates: Tensor, state_gates: Tensor, state: tuple[Tensor, ...]
) -> tuple[Tensor, ...]:
    """Cho et al. 2014: h' = (1 - z) n + z h."""
    hidden = state_gates.shape[1] // 3
    reset, update = (
        (input_gates[:, : 2 * hidden] + state_gates[:, : 2 * hidden]).sigmoid().chunk(2, dim=1)
    )
    new = torch.tanh(input_gates[:, 2 * hidden :] + reset * state_gates[:, 2 * hidden :])
    return (torch.lerp(new, state[0], update),)


def lstm_update(
    input_gates: Tensor, state_gates: Tensor, state: tuple[Tensor, ...]
) -> tuple[Tensor, ...]:
    """Hochreiter and Schmidhuber 1997, with forget gate: c' = f c + i g, h' = o tanh(c')."""
    take, forget, new, show = (input_gates + state_gates).chunk(4, dim=1)
    cell = forget.sigmoid() * state[1] + take.sigmoid() * new.tanh()
    return show.sigmoid() * cell.tanh(), cell


CELL_UPDATES = {"gru": gru_update, "lstm": lstm_update}
RNN_CLASSES = {"gru": nn.GRU, "lstm": nn.LSTM}  # the same over whole sentences


def run_rnn(
    rnn: nn.RNNBase, x: Tensor, state: RecurrentState | None = None
) -> tuple[Tensor, RecurrentState]:
    """x [N, T, D] -> all states [N, T, H] and the last, from `state` (None: zeros). In float32, but for products on a CPU under
    autocast; on a GPU cuDNN would compute everything in float16, which overflows.
    """
    if state is None:
        zeros = x.new_zeros(x.shape[0], rnn.hidden_size, dtype=torch.float32)
        state = (zeros,) * (2 if isinstance(rnn, nn.LSTM) else 1)
    if x.device.type == "cpu" and torch.is_autocast_enabled("cpu"):
        return run_stepwise(rnn, x, state)
    with torch.autocast(x.device.type, enabled=False):
        if isinstance(rnn, nn.GRU):
            states, last = rnn(x.float(), state[0][None])
            return states, (last[0],)
        states, (last, cell) = rnn(x.float(), tuple(each[None] for each in state))
        return states, (last[0], cell[0])


def run_stepwise(
    rnn: nn.RNNBase, x: Tensor, state: RecurrentState
) -> tuple[Tensor, RecurrentState]:
    """The kernel step by step: its products as autocast has them, states in float32. On a CPU in bfloat16 it takes half the time."""
    of_input, of_state, input_bias, state_bias = rnn.all_weights[0]
    update, states = CELL_UPDATES["gru" if isinstance(rnn, nn.GRU) else "lstm"], []
    for input_gates in F.linear(x, of_input, input_bias).unbind(1):
        state = update(input_gates.float(), F.linear(state[0], of_state, state_bias).float(), state)
        states.append(state[0])
    return torch.stack(states, 1), state


def init_rnn(rnn: nn.RNNBase) -> None:
    """Our initial weights for a kernel of one layer and direction."""
    of_input, of_state, input_bias, state_bias = rnn.all_weights[0]
    init_input_weights(of_input, input_bias)
    init_recurrent_weights(of_state, state_bias)


def init_recurrent_weights(weight: Tensor, bias: Tensor) -> None:
    """What reads the state: orthogonal (Bahdanau et al. 2014, appendix B.1), gate by gate; weight [G * H, H]."""
    for gate in weight.split(weight.shape[1]):
        nn.init.orthogonal_(gate)
    nn.init.zeros_(bias)


def init_input_weights(weight: Tensor, bias: Tensor | None = None) -> None:
    """What reads an input: Xavier (Glorot and Bengio 2010) for all gates as one; weight [G * H, D]."""
    nn.init.xavier_uniform_(weight)
    if bias is not None:
        nn.init.zeros_(bias)
