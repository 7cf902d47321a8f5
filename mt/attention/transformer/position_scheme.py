"""The interface of position schemes.

A scheme may act in four places: on the embeddings, on queries and keys, on the scores and on the
context. Positions are explicit arguments everywhere, so that incremental decoding and training
agree by construction.

Shapes: H heads, T queries, S keys of width D; `...` are batch dimensions. Positions may lack batch
dimensions: they broadcast.
"""

from __future__ import annotations

from torch import Tensor, nn

ALL_HEADS = slice(None)


class PositionScheme(nn.Module):
    """Base class of position schemes. A scheme overrides the methods for the places it acts in.

    With `distances_only`, scores and contexts do not change if all positions move by the same
    number. Sparse layouts may then give positions that restart in each block, which is faster.
    """

    distances_only = False

    def add(self, x: Tensor, positions: Tensor) -> Tensor:
        """Add position information to the embeddings x [B, T, D] at positions [T]."""
        return x

    def rotate(self, x: Tensor, positions: Tensor) -> Tensor:
        """Rotate queries or keys x [B, H, T, D] at positions [T]."""
        return x

    def bias(
        self,
        query: Tensor,
        query_positions: Tensor,
        key_positions: Tensor,
        heads: slice = ALL_HEADS,
    ) -> Tensor | None:
        """Return a bias for the scores, broadcastable to [..., H, T, S], or None.

        query [..., H, T, D], query_positions [..., T], key_positions [..., S]; `heads` says which
        of the layer's heads `query` holds.
        """
        return None

    def key_products(
        self,
        query: Tensor,
        query_positions: Tensor,
        key_positions: Tensor,
        heads: slice = ALL_HEADS,
    ) -> Tensor | None:
        """Return products of queries with vectors of positions, or None.

        They are added to the products of queries and keys, before the soft cap; `bias` is added
        after it. Arguments and shape are those of `bias`.
        """
        return None

    def context_bias(
        self, weights: Tensor, query_positions: Tensor, key_positions: Tensor
    ) -> Tensor | None:
        """Return a term to add to the context: weights [..., H, T, S] -> [..., H, T, D], or None.

        A scheme that overrides this method cannot use the fused kernel, which gives no weights.
        """
        return None

    def for_layer(self, layer: int) -> PositionScheme:
        """Return the scheme of one layer, for schemes that differ between layers."""
        return self


def relative_positions(query_positions: Tensor, key_positions: Tensor) -> Tensor:
    """Subtract query from key positions: [..., T] and [..., S] -> [..., T, S]."""
    return key_positions[..., None, :] - query_positions[..., :, None]
