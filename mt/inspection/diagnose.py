"""Every attention map of a model in figures, pair by pair: from texts to what `mt.inspection.diagnostics` sums up.

Teacher-forced: the decoder reads the reference. Maps are held for one batch only.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from mt.data.cleaning import normalise
from mt.data.sampling import SPACE
from mt.errors import UsageError
from mt.evaluation.lengths import default_threshold, length_unit, sentence_lengths
from mt.inspection.diagnostics import KINDS, Diagnostics, SentenceFigures, measure, summarise
from mt.inspection.weights import PairAttention, attend_pairs, attention_shapes

if TYPE_CHECKING:
    from mt.decoding.translator import Translator


def diagnose(
    translator: Translator,
    sources: Sequence[str],
    references: Sequence[str],
    threshold: int | None = None,
) -> Diagnostics:
    """Figures of the translator's (first) model on pairs of texts.

    Pairs are left out that are blank on a side, or have more pieces than the model is used on
    (`data.max_pieces`). `threshold`: longest source that counts as short, by default as in the
    scores. UsageError for a model without attention; MTError where no pair is left.
    """
    kept, found = measure_pairs(translator, sources, references)
    unit = length_unit(sources)
    threshold = default_threshold(unit) if threshold is None else threshold
    return summarise(
        found,
        sentence_lengths([sources[row] for row in kept]),
        threshold,
        unit,
        len(sources) - len(kept),
    )


def measure_pairs(
    translator: Translator, sources: Sequence[str], references: Sequence[str]
) -> tuple[list[int], list[SentenceFigures]]:
    """The rows of the pairs that are measured, and the figures of each. Pairs and errors as of `diagnose`; there may be none."""
    tokenizer, limit = translator.tokenizer, translator.max_pieces
    texts = [
        [normalise(line, translator.unicode) for line in lines] for lines in (sources, references)
    ]
    pieces = [
        tokenizer.encode_many(lines, side)
        for lines, side in zip(texts, ("src", "tgt"), strict=True)
    ]
    kept = [
        row
        for row, pair in enumerate(zip(*pieces, strict=True))
        if all(0 < len(side) <= limit for side in pair)
    ]
    pairs = [(pieces[0][row], pieces[1][row]) for row in kept]
    model = translator.models[0]
    kinds = tuple(attention_shapes(model))
    if not kinds:
        raise UsageError(
            "this model has no attention, so there is nothing for --diagnostics to measure"
        )
    # In float32, whatever the translator's precision: rows of bfloat16 weights sum to 1 only within
    # 0.002.
    return kept, attend_pairs(
        [model],
        tokenizer,
        pairs,
        translator.budget,
        lambda members: measure_pair(members[0]),
        "fp32",
        kinds,
        loss=True,
    )


def measure_pair(pair: PairAttention) -> SentenceFigures:
    """The figures of all that the pair has; its loss is known."""
    source, target = (
        np.array([is_punctuation(piece) for piece in pieces])
        for pieces in (pair.source_pieces, pair.target_pieces)
    )
    keys = {
        "encoder": np.append(source, False),
        "decoder": np.append(False, target),
        "cross": np.append(source, False),
    }
    maps = {kind: weights for kind in KINDS if (weights := pair.of(kind)) is not None}
    assert pair.loss is not None
    return SentenceFigures(
        {kind: measure(weights, kind, keys[kind]) for kind, weights in maps.items()}, pair.loss
    )


def is_punctuation(piece: str) -> bool:
    """Whether a piece is nothing but punctuation (Unicode's categories P)."""
    text = piece.strip(SPACE)
    return bool(text) and all(unicodedata.category(character).startswith("P") for character in text)
