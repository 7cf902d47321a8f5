"""Diagnostics of the attention of a model on a test set.

The decoder reads the reference (teacher forcing). Maps are held in memory for one batch only.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from mt.data.sampling import SPACE
from mt.errors import UsageError
from mt.evaluation.lengths import default_threshold, length_unit, sentence_lengths
from mt.inspection.diagnostics.map_statistics import REPORTED_KINDS, PairStatistics, measure_maps
from mt.inspection.diagnostics.summary import Diagnostics, summarise
from mt.inspection.pair_attention import PairAttention
from mt.inspection.teacher_forcing import attention_shapes, map_pair_attention
from mt.progress_display import Progress

if TYPE_CHECKING:
    from mt.decoding.translator import Translator


def diagnose(
    translator: Translator,
    sources: Sequence[str],
    references: Sequence[str],
    threshold: int | None = None,
    tags: Sequence[str] | None = None,
) -> Diagnostics:
    """Compute statistics of the attention of the translator's (first) model on pairs of texts.

    Pairs are left out if a side is blank or has more pieces than `data.max_pieces`. `threshold` is
    the longest source that counts as short; None: the default of the evaluation. `tags` are those
    of the sources; None: that of the translator. A tag is a piece.

    Raises UsageError if the model has no attention, MTError if no pair is left.
    """
    rows, statistics = measure_pairs(translator, sources, references, tags)
    unit = length_unit(sources)
    threshold = default_threshold(unit) if threshold is None else threshold
    lengths = sentence_lengths([sources[row] for row in rows])
    return summarise(statistics, lengths, threshold, unit, len(sources) - len(rows))


def measure_pairs(
    translator: Translator,
    sources: Sequence[str],
    references: Sequence[str],
    tags: Sequence[str] | None = None,
) -> tuple[list[int], list[PairStatistics]]:
    """Return the indices of the pairs that are measured, and the statistics of each.

    Pairs are left out as by `diagnose`; there may be none. Raises UsageError if the model has no
    attention.
    """
    tokenizer, limit = translator.tokenizer, translator.max_pieces
    lines = ([translator.normaliser(line) for line in side] for side in (sources, references))
    all_pairs = tokenizer.encode_pairs(zip(*lines, strict=True))
    rows = [
        row
        for row, pair in enumerate(all_pairs)
        if all(0 < len(side) <= limit for side in (pair.source, pair.target))
    ]
    tags = [translator.tag] * len(sources) if tags is None else tags
    prefixes = [[tokenizer.tags[tag]] if tag else [] for tag in tags]
    model = translator.models[0]
    kinds = tuple(attention_shapes(model))
    if not kinds:
        raise UsageError("the model has no attention for --diagnostics to measure")
    tagged_pairs = [
        all_pairs[row]._replace(source=[*prefixes[row], *all_pairs[row].source]) for row in rows
    ]

    def measure(members: list[PairAttention]) -> PairStatistics:
        progress.add()
        return measure_pair(members[0])

    with Progress("measuring attention", len(rows), "pairs of sentences measured") as progress:
        # In float32, whatever the translator's precision: rows of bfloat16 weights sum to 1 only
        # within 0.002.
        statistics = map_pair_attention(
            [model],
            tokenizer,
            tagged_pairs,
            translator.budget,
            measure,
            "fp32",
            kinds,
            loss=True,
        )
    return rows, statistics


def measure_pair(pair: PairAttention) -> PairStatistics:
    """Compute the statistics of all maps of a pair, whose loss must be known."""
    source, target = (
        np.array([is_punctuation(piece) for piece in pieces])
        for pieces in (pair.source_pieces, pair.target_pieces)
    )
    with_eos, with_bos = np.append(source, False), np.append(False, target)
    keys = {"encoder": with_eos, "decoder": with_bos, "cross": with_eos}
    assert pair.loss is not None
    kinds = {}
    for kind in REPORTED_KINDS:
        weights = pair.piece_weights(kind)
        if weights is not None:
            kinds[kind] = measure_maps(weights, kind, keys[kind])
    return PairStatistics(kinds, pair.loss)


def is_punctuation(piece: str) -> bool:
    """Return whether a piece has only punctuation (Unicode categories P)."""
    text = piece.strip(SPACE)
    return bool(text) and all(unicodedata.category(character).startswith("P") for character in text)
