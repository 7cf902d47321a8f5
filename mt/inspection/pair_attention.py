"""The attention weights of one pair of sentences.

S and T are the numbers of source and target pieces, without EOS; W and W' are the numbers of source
and target words.

Row t of the cross-attention and of the decoder self-attention is step t of the decoder. The step
reads target piece t - 1 (BOS at step 0) and predicts piece t. So there are two readings of which
row belongs to piece t:

- "output": row t, the step that predicts the piece (Bahdanau et al. 2014, figure 3).
- "input": row t + 1, the step that reads the piece. Its query depends on the word to be aligned;
  lower layers of a deep decoder attend to the source of this word (Chen et al. 2020, "Accurate Word
  Alignment Induction from Neural Machine Translation"). This reading is defined only if the query
  of a step depends on the input of the step: see `Decoder.query_reads_input`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mt.errors import UsageError
from mt.evaluation.alignment import READINGS
from mt.inspection.attention_kinds import KINDS, alignment_layer
from mt.inspection.piece_merging import merge_pieces


def defined_readings(query_reads_input: bool) -> tuple[str, ...]:
    """Return the readings that are defined for a decoder, see `Decoder.query_reads_input`."""
    return READINGS if query_reads_input else READINGS[:1]


@dataclass(frozen=True)
class PairAttention:
    """The attention of one model in one pair.

    Lists of pieces are without EOS, which is the last row and column of the weights. Weights are
    float32, and None if the model has no such attention or it was not requested.
    """

    source_pieces: list[str]  # [S], as SentencePiece writes them
    target_pieces: list[str]  # [T]
    source_words: list[int]  # [S] index of the word of each piece, from 0; -1 outside words
    target_words: list[int]  # [T]
    cross: np.ndarray | None  # [layers, heads, T + 1, S + 1]
    query_reads_input: bool  # whether the reading "input" is defined for the decoder
    encoder: np.ndarray | None = None  # [layers, heads, S + 1, S + 1]
    # [layers, heads, T + 1, T + 1]; column t is the input of step t: BOS, then piece t - 1.
    decoder: np.ndarray | None = None
    # Mean negative log-likelihood of the target pieces and EOS, in nats; None unless requested.
    loss: float | None = None

    def piece_weights(self, kind: str) -> np.ndarray | None:
        """Return the weights of pieces of this kind of attention, or None if there are none."""
        if kind not in KINDS:
            raise UsageError(f"the kind of attention must be one of {', '.join(KINDS)}: {kind!r}")
        return {"cross": self.cross, "encoder": self.encoder, "decoder": self.decoder}[kind]

    def word_weights(
        self,
        layer: int | None = None,
        head: int | None = None,
        reading: str | None = None,
        kind: str = "cross",
    ) -> np.ndarray:
        """Return the weights [W', W] of words ("encoder": [W, W], "decoder": [W', W']).

        The defaults are those that word alignments are read from: the layer `alignment_layer`, the
        mean of the heads, and the reading "output", because the queries of that layer predict the
        next word. (The error rate of a three-layer Transformer on Hansards is 38, and 72 with
        "input".)

        Weights to BOS and EOS are left out, so rows sum to 1 or less.

        Args:
            layer: Counted from 0 at the bottom; None: `alignment_layer`.
            head: Counted from 0; None: the mean of the heads.
            reading: "output" or "input"; None: "output". It has no effect on the encoder.
            kind: A key of `KINDS`.

        Raises UsageError if there is no such kind, layer, head or reading.
        """
        weights = self.piece_weights(kind)
        layers, heads = (0, 0) if weights is None else weights.shape[:2]
        layer = alignment_layer(layers) if layer is None else layer
        for name, value, size in (("layer", layer, layers), ("head", head or 0, heads)):
            if not 0 <= value < size:
                raise UsageError(
                    f"there is no {name} {value}: the {KINDS[kind]} has {size}, counted from 0"
                )
        assert weights is not None
        chosen = weights[layer].mean(0) if head is None else weights[layer, head]
        return self._merge(chosen, kind, reading)

    def all_word_weights(self, kind: str = "cross", reading: str | None = None) -> np.ndarray:
        """Return `word_weights` of every layer and head: [layers, heads, W', W].

        Raises UsageError if there is no such kind or reading.
        """
        weights = self.piece_weights(kind)
        if weights is None:
            raise UsageError(f"the model has no {KINDS[kind]}, or it was not requested")
        return self._merge(weights, kind, reading)

    def _merge(self, weights: np.ndarray, kind: str, reading: str | None) -> np.ndarray:
        """Merge weights [..., rows, columns] of pieces to weights of words."""
        reading = "output" if reading is None else reading
        if reading not in READINGS:
            raise UsageError(f"the reading must be one of {', '.join(READINGS)}, got {reading!r}")
        source = [*self.source_words, -1]
        if kind == "encoder":
            return merge_pieces(weights, source, source)
        if reading == "input" and not self.query_reads_input:
            raise UsageError(
                "the reading 'input' is not defined for a decoder that attends before it reads its "
                "input: use reading 'output'"
            )
        inputs = [-1, *self.target_words]
        rows = [*self.target_words, -1] if reading == "output" else inputs
        return merge_pieces(weights, source if kind == "cross" else inputs, rows)
