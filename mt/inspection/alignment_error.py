"""How well each part of a model's attention aligns words: error rates by layer, head, reading and rule.

The first question about an attention map is whether it shows which word translates which; with gold
alignments it has an answer.
"""

from __future__ import annotations

from collections.abc import Sequence

from mt.data.links import Links
from mt.errors import MTError
from mt.evaluation.alignment import (
    READINGS,
    AttentionAlignmentScores,
    HeadAlignmentScore,
    score_alignments,
)
from mt.inspection.weights import PairAttention
from mt.inspection.word_links import argmax_links, threshold_links

# Of a word's attention, above which it counts as linked. An even share of a short sentence's
# attention is below it.
THRESHOLD = 0.25


def score_attention(
    pairs: Sequence[PairAttention], golds: Sequence[Links]
) -> AttentionAlignmentScores:
    """Score the attention in pairs of sources and references against gold links of the same pairs.

    Pairs without gold links are left out: their alignment is not known. MTError where no pair is
    left. The gold links fit their pairs (see `check_gold`).
    """
    known = [(pair, gold) for pair, gold in zip(pairs, golds, strict=True) if gold.possible]
    if not known:
        raise MTError("no pairs with gold links to score alignments of")
    pairs, golds = [pair for pair, _ in known], [gold for _, gold in known]
    layers, heads = pairs[0].weights.shape[:2]
    readings = READINGS if pairs[0].query_reads_input else READINGS[:1]
    scores = []
    for layer in range(layers):
        for head in (None, *range(heads)):
            for reading in readings:
                weights = [pair.word_weights(layer, head, reading) for pair in pairs]
                links = {
                    "argmax": [argmax_links(each) for each in weights],
                    "threshold": [threshold_links(each, THRESHOLD) for each in weights],
                }
                scores += [
                    HeadAlignmentScore(layer, head, reading, rule, score_alignments(found, golds))
                    for rule, found in links.items()
                ]
    return AttentionAlignmentScores(
        score_alignments([argmax_links(pair.word_weights()) for pair in pairs], golds), scores
    )
