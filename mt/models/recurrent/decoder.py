"""Base class of recurrent decoders. `bahdanau.py` and `luong.py` differ in where they attend."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from mt.attention.recurrent.attention import (
    Attention,
    AttentionOutput,
    NoAttention,
    ProjectedMemory,
)
from mt.layers.repeated import repeated_linear_layers
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


@contextlib.contextmanager
def training_loop(
    module: nn.Module, attention: Attention | NoAttention, memory: ProjectedMemory
) -> Iterator[ProjectedMemory]:
    """Speed up a block that applies `module` at every step of training; yield the memory for it.

    The gradients of weights and values are computed once for all steps. On a CPU, operations on
    small tensors take longer in bfloat16, except for products with weights: all others leave
    autocast. Without gradients, the block changes nothing.
    """
    if not torch.is_grad_enabled():
        yield memory
        return
    on_cpu = memory.values.device.type == "cpu"
    with (
        repeated_linear_layers(module),
        torch.autocast("cpu", enabled=False) if on_cpu else contextlib.nullcontext(),
    ):
        if on_cpu:
            memory = ProjectedMemory(memory.values.float(), memory.keys.float(), memory.mask)
        yield attention.training_memory(memory)
