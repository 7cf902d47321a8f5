"""The rows of a model's weights that belong to the pieces of a vocabulary."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

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
