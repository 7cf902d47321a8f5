"""Alignment error rates of the attention of a model, by layer, head, reading and rule."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from mt.data.links import Links
from mt.data.tags import map_by_tag
from mt.errors import MTError
from mt.evaluation.alignment import (
    AttentionAlignmentScores,
    HeadAlignmentScore,
    score_alignments,
)
from mt.inspection.alignments import argmax_links, threshold_links
from mt.inspection.inspector import Inspector
from mt.inspection.pair_attention import PairAttention, defined_readings
from mt.progress_display import Progress

# Weight above which words are linked. A uniform weight is below it in all but short sentences.
LINK_THRESHOLD = 0.25


def read_and_score_attention(
    inspector: Inspector,
    pairs: Sequence[tuple[str, str]],
    golds: Sequence[Links],
    tags: Sequence[str] | None = None,
) -> AttentionAlignmentScores:
    """Read the attention in pairs of texts, with progress on standard error, and score it.

    `tags` are those of the sources; None: that of the translator. Otherwise as `score_attention`.
    """
    translator = inspector.translator
    with Progress("aligning", len(pairs), "pairs of sentences aligned") as progress:

        def read(tag: str, rows: list[int]) -> list[PairAttention]:
            attention = []
            tagged = Inspector(translator.with_tag(tag))
            for pair in tagged.attention_stream([pairs[row] for row in rows]):
                attention.append(pair)
                progress.add()
            return attention

        attention = map_by_tag([translator.tag] * len(pairs) if tags is None else tags, read)
    return score_attention(attention, golds)


def score_attention(
    pairs: Sequence[PairAttention], golds: Sequence[Links]
) -> AttentionAlignmentScores:
    """Score the attention in pairs of sources and references against their gold links.

    Pairs without gold links are left out, because their alignment is not known. Gold links must fit
    their pairs (see `check_gold`). Raises MTError if no pair has gold links.
    """
    annotated = [(pair, gold) for pair, gold in zip(pairs, golds, strict=True) if gold.possible]
    if not annotated:
        raise MTError("no pair has gold links, so alignments cannot be scored")
    pairs, golds = [pair for pair, _ in annotated], [gold for _, gold in annotated]
    assert pairs[0].cross is not None
    layers, heads = pairs[0].cross.shape[:2]
    readings = defined_readings(pairs[0].query_reads_input)
    scores = []
    variants = list(itertools.product(range(layers), (None, *range(heads)), readings))
    count = len(variants) * len(pairs)
    with Progress("scoring alignments", count, "matrices of weights scored") as progress:
        for layer, head, reading in variants:
            weights = [pair.word_weights(layer, head, reading) for pair in pairs]
            hypotheses = {
                "argmax": [argmax_links(matrix) for matrix in weights],
                "threshold": [threshold_links(matrix, LINK_THRESHOLD) for matrix in weights],
            }
            scores += [
                HeadAlignmentScore(layer, head, reading, rule, score_alignments(links, golds))
                for rule, links in hypotheses.items()
            ]
            progress.add(len(pairs))
    default = score_alignments([argmax_links(pair.word_weights()) for pair in pairs], golds)
    return AttentionAlignmentScores(default, scores)
