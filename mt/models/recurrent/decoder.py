"""What recurrent decoders have in common. `bahdanau.py` and `luong.py` differ in where attention sits."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mt.attention.recurrent.attention import AttentionOutput
from mt.models.recurrent.cells import RecurrentState
from mt.models.seq2seq import Decoder


class RecurrentDecoder(Decoder):
    """A GRU or LSTM that starts from the encoder's summary. Without attention, that is all that it knows of the source."""

    kind: str  # of the cell: gru or lstm
    start: nn.Linear

    def initial_state(self, summary: Tensor) -> RecurrentState:
        """s_0 = tanh(W_s summary); summary [N, D'] -> [N, H] each."""
        hidden = self.start(summary).tanh().float()
        return (hidden,) if self.kind == "gru" else (hidden, torch.zeros_like(hidden))

    def cross_weights(self, found: AttentionOutput, wanted: bool) -> dict[str, Tensor]:
        """In the form of all models, with one layer: [N, 1, H, T, S]."""
        return {"cross": found.weights[:, None]} if wanted and self.attends else {}


def affine(width: int, to: int) -> nn.Linear:
    """A matrix with Xavier's initial weights and a bias of zero."""
    linear = nn.Linear(width, to)
    nn.init.xavier_uniform_(linear.weight)
    nn.init.zeros_(linear.bias)
    return linear
