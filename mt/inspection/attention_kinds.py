"""The kinds of attention, and the layer that alignments are read from; nothing imports PyTorch."""

from __future__ import annotations

KINDS = {
    "cross": "cross-attention",
    "encoder": "encoder self-attention",
    "decoder": "decoder self-attention",
}


def alignment_layer(layers: int) -> int:
    """Return the layer, from 0, whose weights are most like word alignments.

    It is the last but one, or the only one (Garg et al. 2019, "Jointly Learning to Align and
    Translate with Transformer Models").
    """
    return max(0, layers - 2)
