"""The kinds of attention, and which layer to look at first. Apart, because showing weights need not wait for PyTorch."""

from __future__ import annotations

KINDS = {
    "cross": "attention to the source",
    "encoder": "self-attention of the encoder",
    "decoder": "self-attention of the decoder",
}


def default_layer(layers: int) -> int:
    """The layer that links are made from: the last but one, whose weights are most like alignments (Garg et al. 2019, "Jointly
    Learning to Align and Translate with Transformer Models"), or the only one."""
    return max(0, layers - 2)
