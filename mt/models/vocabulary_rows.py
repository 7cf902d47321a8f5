"""The rows of a model's weights that belong to the pieces of a vocabulary."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from mt.data.vocabulary import SPECIAL_TOKENS

# Parameters with one row for each piece, by the side whose vocabulary it is. Shared ones are
# stored under the first of their names.
ROWS = {
    "source_embedding.weight": "src",
    "target_embedding.weight": "tgt",
    "output.weight": "tgt",
    "output.bias": "tgt",
}


def change_rows(
    tensors: dict[str, Tensor], change: Callable[[Tensor, str], Tensor]
) -> dict[str, Tensor]:
    """Return the tensors of a model; `change` gets those with rows for pieces, and the side.

    A table that both sides share counts as that of the source.
    """
    return {
        name: change(tensor, ROWS[name]) if name in ROWS else tensor
        for name, tensor in tensors.items()
    }


def add_mean_rows(
    tensors: dict[str, Tensor], replaced: Mapping[str, Sequence[Sequence[int]]]
) -> dict[str, Tensor]:
    """Return the tensors of a model with a further row for each new piece.

    Each is the mean of the rows that it replaces, given by side; if there are none, of all ordinary
    rows. So a new piece gets about the mean of their logits: the distribution changes little at
    first (Hewitt 2021, "Initializing New Word Embeddings for Pretrained Language Models", with the
    mean of all rows).
    """

    def extend(tensor: Tensor, side: str) -> Tensor:
        usual = tensor[SPECIAL_TOKENS:].mean(0, keepdim=True)
        new = [
            tensor[list(rows)].mean(0, keepdim=True) if rows else usual for rows in replaced[side]
        ]
        return torch.cat([tensor, *new])

    return change_rows(tensors, extend)
