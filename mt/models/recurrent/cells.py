"""GRU and LSTM: updates of one step, runs over whole sequences, and initialisation."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mt.models.recurrent.gru import gru_states, gru_step

RecurrentState = tuple[Tensor, ...]  # the hidden state [N, H], and the cell state [N, H] of an LSTM

GATE_COUNTS = {"gru": 3, "lstm": 4}
RNN_CLASSES = {"gru": nn.GRU, "lstm": nn.LSTM}


def gru_update(input_gates: Tensor, hidden_gates: Tensor, state: RecurrentState) -> RecurrentState:
    """Compute h' = (1 - z) n + z h from the pre-activations of r, z, n (Cho et al. 2014).

    input_gates and hidden_gates [N, 3 H] are the products with the input and with h. As in PyTorch,
    the reset gate applies after the product: n = tanh(W x + r * (U h)).
    """
    (hidden,) = state
    if torch.is_grad_enabled():  # a shorter graph; exported models have the formulas below
        return (gru_step(input_gates, hidden_gates, hidden),)
    size = hidden.shape[1]
    gates = input_gates[:, : 2 * size] + hidden_gates[:, : 2 * size]
    r, z = gates.sigmoid().chunk(2, dim=1)
    n = torch.tanh(input_gates[:, 2 * size :] + r * hidden_gates[:, 2 * size :])
    return (torch.lerp(n, hidden, z),)


def lstm_update(input_gates: Tensor, hidden_gates: Tensor, state: RecurrentState) -> RecurrentState:
    """Compute c' = f c + i g and h' = o tanh(c') (Hochreiter and Schmidhuber 1997, forget gate).

    input_gates and hidden_gates [N, 4 H] are the pre-activations of i, f, g, o.
    """
    i, f, g, o = (input_gates + hidden_gates).chunk(4, dim=1)
    cell = f.sigmoid() * state[1] + i.sigmoid() * g.tanh()
    return o.sigmoid() * cell.tanh(), cell


CELL_UPDATES = {"gru": gru_update, "lstm": lstm_update}


def run_rnn(
    rnn: nn.RNNBase, x: Tensor, state: RecurrentState | None = None
) -> tuple[Tensor, RecurrentState]:
    """Run a GRU or LSTM over x [N, T, D] and return all hidden states [N, T, H] and the last state.

    It starts from `state` (None: zeros). States are float32. Under autocast on a CPU the products
    are in the autocast type; on a GPU autocast is disabled, because cuDNN would compute everything
    in float16, which overflows.
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
        states, (last, cell) = rnn(x.float(), tuple(part[None] for part in state))
        return states, (last[0], cell[0])


def run_stepwise(
    rnn: nn.RNNBase, x: Tensor, state: RecurrentState
) -> tuple[Tensor, RecurrentState]:
    """Run as `run_rnn` does, step by step: products follow autocast, states are float32.

    In bfloat16 on a CPU this takes half as long as PyTorch's kernel.
    """
    weight_ih, weight_hh, bias_ih, bias_hh = rnn.all_weights[0]
    cell = "gru" if isinstance(rnn, nn.GRU) else "lstm"
    return run_gates(cell, F.linear(x, weight_ih, bias_ih), state, weight_hh, bias_hh)


def run_gates(
    cell: str, input_gates: Tensor, state: RecurrentState, weight: Tensor, bias: Tensor
) -> tuple[Tensor, RecurrentState]:
    """Run a recurrence whose products with the input are known, input_gates [N, T, G * H].

    weight [G * H, H] and bias [G * H] are those of the product with the state. Returns all hidden
    states [N, T, H] and the last state.
    """
    if cell == "gru" and input_gates.device.type == "cpu":
        states = gru_states(input_gates, state[0], weight, bias)
        return states, (states[:, -1],)
    update, hidden = CELL_UPDATES[cell], []
    for gates in input_gates.unbind(1):
        hidden_gates = F.linear(state[0], weight, bias)
        state = update(gates.float(), hidden_gates.float(), state)
        hidden.append(state[0])
    return torch.stack(hidden, 1), state


def init_rnn(rnn: nn.RNNBase) -> None:
    """Initialise the weights of an RNN with one layer and one direction."""
    weight_ih, weight_hh, bias_ih, bias_hh = rnn.all_weights[0]
    init_input_weights(weight_ih, bias_ih)
    init_recurrent_weights(weight_hh, bias_hh)


def init_recurrent_weights(weight: Tensor, bias: Tensor) -> None:
    """Make weight [G * H, H] orthogonal, gate by gate (Bahdanau et al. 2014, appendix B.1)."""
    for gate in weight.split(weight.shape[1]):
        nn.init.orthogonal_(gate)
    nn.init.zeros_(bias)


def init_input_weights(weight: Tensor, bias: Tensor | None = None) -> None:
    """Initialise weight [G * H, D] as one matrix (Xavier: Glorot and Bengio 2010)."""
    nn.init.xavier_uniform_(weight)
    if bias is not None:
        nn.init.zeros_(bias)
