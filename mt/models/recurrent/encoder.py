"""Recurrent encoder: in both directions (Bahdanau, Cho and Bengio 2014), or in one (Luong et al. 2015; Sutskever et al. 2014)."""

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
    """GRU or LSTM. Its summary has read the whole sentence: the last state of the direction that ends where reading began,
    or of the only direction.

    With `reverse_source` the sentence is read from its end, and the states are put back in its
    order: position j of the memory is always token j.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        rnn = config.rnn
        kind = BidirectionalLayer if rnn.bidirectional else UnidirectionalLayer
        self.dim, self.summary_dim = kind.directions * rnn.hidden, rnn.hidden
        self.reverse_source = rnn.reverse_source
        self.dropout = Dropout(config.dropout)
        widths = [config.dim] + [self.dim] * (rnn.encoder_layers - 1)
        self.layers = nn.ModuleList(kind(rnn.cell, width, rnn.hidden) for width in widths)

    def forward(self, embedded: Tensor, mask: Tensor, need_weights: bool = False) -> Memory:
        reverse = reversal_indices(mask)
        x = self.dropout(gather_positions(embedded, reverse) if self.reverse_source else embedded)
        for layer in cast(Sequence[Layer], self.layers):
            states = layer(x, reverse)
            x = self.dropout(states)
        return Memory(
            gather_positions(x, reverse) if self.reverse_source else x,
            mask,
            layer.summary(states, mask),
        )


class Layer(nn.Module):
    """One recurrent layer, in one or two directions of H units each."""

    directions: int

    def forward(self, x: Tensor, reverse: Tensor) -> Tensor:
        """x [B, S, D], `reverse` [B, S] as `reversal` gives it -> states [B, S, directions * H]."""
        raise NotImplementedError

    def summary(self, states: Tensor, mask: Tensor) -> Tensor:
        """States [B, S, directions * H], mask [B, S] -> one that has read everything, [B, H]."""
        raise NotImplementedError


class BidirectionalLayer(Layer):
    """One recurrent layer in both directions; the forward half of the states comes first. The summary is the backward
    state of the first token.

    Both run left to right, the second over the sentence reversed within its length: padding then
    always comes last, after everything that counts, so that neither packing nor a host read of the
    lengths is needed.
    """

    directions = 2

    def __init__(self, cell: str, width: int, hidden: int) -> None:
        super().__init__()
        self.rightward, self.leftward = (
            RNN_CLASSES[cell](width, hidden, batch_first=True) for _ in range(2)
        )
        for direction in (self.rightward, self.leftward):
            init_rnn(direction)

    def forward(self, x: Tensor, reverse: Tensor) -> Tensor:
        return torch.cat(
            (
                run_rnn(self.rightward, x)[0],
                gather_positions(run_rnn(self.leftward, gather_positions(x, reverse))[0], reverse),
            ),
            dim=-1,
        )

    def summary(self, states: Tensor, mask: Tensor) -> Tensor:
        return states[:, 0, states.shape[-1] // 2 :]


class UnidirectionalLayer(Layer):
    """One recurrent layer from left to right. The summary is the state at the last real token."""

    directions = 1

    def __init__(self, cell: str, width: int, hidden: int) -> None:
        super().__init__()
        self.rightward = RNN_CLASSES[cell](width, hidden, batch_first=True)
        init_rnn(self.rightward)

    def forward(self, x: Tensor, reverse: Tensor) -> Tensor:
        return run_rnn(self.rightward, x)[0]

    def summary(self, states: Tensor, mask: Tensor) -> Tensor:
        last = (mask.sum(1) - 1).clamp(min=0)
        return states.gather(1, last[:, None, None].expand(-1, 1, states.shape[-1]))[:, 0]


def reversal_indices(mask: Tensor) -> Tensor:
    """Indices [B, S] that reverse each sentence within its length and leave padding where it is; their own inverse."""
    at = torch.arange(mask.shape[1], device=mask.device)
    length = mask.sum(1, keepdim=True)
    return torch.where(at < length, length - 1 - at, at)


def gather_positions(x: Tensor, indices: Tensor) -> Tensor:
    """x [B, S, D] with the positions of each row in the order of indices [B, S]."""
    return x.gather(1, indices[..., None].expand_as(x))
