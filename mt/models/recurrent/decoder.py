"""Base class of recurrent decoders. `bahdanau.py` and `luong.py` differ in where they attend."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mt.attention.recurrent.attention import AttentionOutput
from mt.models.recurrent.cells import RecurrentState
from mt.models.seq2seq import Decoder


class RecurrentDecoder(Decoder):
    """GRU or LSTM decoder whose initial state is computed from the encoder's summary.

    Without attention, the initial state is all that it knows of the source.
    """

    cell_type: str  # gru or lstm
    start: nn.Linear

    def initial_rnn_state(self, summary: Tensor) -> RecurrentState:
        """Compute s_0 = tanh(W_s summary), [N, D'] -> [N, H]; the cell state of an LSTM is 0."""
        hidden = self.start(summary).tanh().float()
        return (hidden,) if self.cell_type == "gru" else (hidden, torch.zeros_like(hidden))

    def cross_weights(self, output: AttentionOutput, need_weights: bool) -> dict[str, Tensor]:
        """Return the weights as every decoder does, here with one layer: [N, 1, H, T, S]."""
        return {"cross": output.weights[:, None]} if need_weights and self.attends else {}


def affine(in_dim: int, out_dim: int) -> nn.Linear:
    """Return a linear layer with Xavier initialisation and a bias of zero."""
    linear = nn.Linear(in_dim, out_dim)
    nn.init.xavier_uniform_(linear.weight)
    nn.init.zeros_(linear.bias)
    return linear
