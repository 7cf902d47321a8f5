"""Recurrent encoder, bidirectional (Bahdanau et al. 2014) or unidirectional (Luong et al. 2015)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

from mt.config.schema import ModelConfig
from mt.layers.dropout import Dropout
from mt.models.recurrent.cells import RNN_CLASSES, init_rnn, run_rnn
from mt.models.seq2seq import Encoder, Memory


class RNNEncoder(Encoder):
    """A stack of GRU or LSTM layers with dropout.

    The summary is a state of the last layer that has read the whole sentence: the backward state at
    the first token, or the last state of a unidirectional encoder.

    With `reverse_source`, the encoder reads the sentence from its end (Sutskever et al. 2014). The
    states are put back in order: position j of the memory always belongs to token j.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        rnn = config.rnn
        layer_class = BidirectionalLayer if rnn.bidirectional else UnidirectionalLayer
        self.dim, self.summary_dim = layer_class.directions * rnn.hidden, rnn.hidden
        self.reverse_source = rnn.reverse_source
        self.dropout = Dropout(config.dropout)
        input_dims = [config.dim] + [self.dim] * (rnn.encoder_layers - 1)
        self.layers = nn.ModuleList(layer_class(rnn.cell, dim, rnn.hidden) for dim in input_dims)

    def forward(self, embedded: Tensor, mask: Tensor, need_weights: bool = False) -> Memory:
        reverse = reversal_indices(mask)
        x = self.dropout(gather_positions(embedded, reverse) if self.reverse_source else embedded)
        for layer in cast(Sequence[Layer], self.layers):
            states = layer(x, reverse)
            x = self.dropout(states)
        summary = layer.summary(states, mask)
        return Memory(gather_positions(x, reverse) if self.reverse_source else x, mask, summary)


class Layer(nn.Module):
    """One recurrent layer with one or two directions of H units each."""

    directions: int

    def forward(self, x: Tensor, reverse: Tensor) -> Tensor:
        """Compute the states [B, S, directions * H] of x [B, S, D].

        `reverse` [B, S] comes from `reversal_indices`.
        """
        raise NotImplementedError

    def summary(self, states: Tensor, mask: Tensor) -> Tensor:
        """Return the state that has read the whole sentence, [B, H]; mask [B, S]."""
        raise NotImplementedError


class BidirectionalLayer(Layer):
    """A forward and a backward RNN whose states are concatenated, forward first.

    The backward RNN reads each sentence reversed within its length. Padding then comes last in both
    directions, so that neither packing nor a host read of the lengths is needed.
    """

    directions = 2

    def __init__(self, cell: str, input_dim: int, hidden: int) -> None:
        super().__init__()
        # Saved models have these names: the forward and the backward direction.
        self.rightward, self.leftward = (
            RNN_CLASSES[cell](input_dim, hidden, batch_first=True) for _ in range(2)
        )
        for rnn in (self.rightward, self.leftward):
            init_rnn(rnn)

    def forward(self, x: Tensor, reverse: Tensor) -> Tensor:
        forward_states, _ = run_rnn(self.rightward, x)
        backward_states, _ = run_rnn(self.leftward, gather_positions(x, reverse))
        return torch.cat((forward_states, gather_positions(backward_states, reverse)), dim=-1)

    def summary(self, states: Tensor, mask: Tensor) -> Tensor:
        return states[:, 0, states.shape[-1] // 2 :]


class UnidirectionalLayer(Layer):
    """A forward RNN. The summary is the state at the last real token."""

    directions = 1

    def __init__(self, cell: str, input_dim: int, hidden: int) -> None:
        super().__init__()
        self.rightward = RNN_CLASSES[cell](input_dim, hidden, batch_first=True)
        init_rnn(self.rightward)

    def forward(self, x: Tensor, reverse: Tensor) -> Tensor:
        return run_rnn(self.rightward, x)[0]

    def summary(self, states: Tensor, mask: Tensor) -> Tensor:
        last = (mask.sum(1) - 1).clamp(min=0)
        return states.gather(1, last[:, None, None].expand(-1, 1, states.shape[-1]))[:, 0]


def reversal_indices(mask: Tensor) -> Tensor:
    """Return indices [B, S] that reverse each sentence within its length and keep padding in place.

    They are their own inverse.
    """
    positions = torch.arange(mask.shape[1], device=mask.device)
    length = mask.sum(1, keepdim=True)
    return torch.where(positions < length, length - 1 - positions, positions)


def gather_positions(x: Tensor, indices: Tensor) -> Tensor:
    """Reorder the positions of x [B, S, D] by indices [B, S]."""
    return x.gather(1, indices[..., None].expand_as(x))
