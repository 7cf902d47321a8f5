"""How well each part of a model's attention aligns words: error rates by layer, head, reading and rule.

The first question about an attention map is whether it shows which word translates which; with gold alignments it has an answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mt.errors import MTError
from mt.evaluation.alignment import READINGS, AlignmentScore, Links, argmax_links, score_alignments, threshold_links

if TYPE_CHECKING:  # scoring files need not wait for PyTorch
    from mt.decoding.attention import PairAttention

# Of a word's attention, above which it counts as linked. An even share of a short sentence's attention is below it.
THRESHOLD = 0.25


@dataclass(frozen=True)
class AttentionScore:
    """The error rate of the links that are read from one place in one way."""

    layer: int  # from 0 at the bottom
    head: int | None  # None: the mean of all heads
    reading: str  # as in `mt.decoding.attention`
    rule: str  # "argmax": each target word to its best source word; "threshold": all above THRESHOLD
    score: AlignmentScore


@dataclass(frozen=True)
class AttentionScores:
    """`default`: of the links that `mt-translate --alignments` would give for these pairs; `all`: every place and way."""

    default: AlignmentScore
    all: list[AttentionScore]

    def at(self, layer: int, head: int | None, reading: str, rule: str = "argmax") -> AlignmentScore:
        return next(s.score for s in self.all if (s.layer, s.head, s.reading, s.rule) == (layer, head, reading, rule))

    def best_head(self, layer: int, reading: str) -> AttentionScore:
        """The head with the lowest error rate by argmax."""
        heads = [s for s in self.all if s.layer == layer and s.head is not None and s.reading == reading and s.rule == "argmax"]
        return min(heads, key=lambda s: s.score.aer)

    @property
    def layers(self) -> int:
        return 1 + max(s.layer for s in self.all)

    @property
    def readings(self) -> list[str]:
        return [reading for reading in READINGS if any(s.reading == reading for s in self.all)]


def score_attention(pairs: Sequence[PairAttention], golds: Sequence[Links]) -> AttentionScores:
    """Score the attention in pairs of sources and references against gold links of the same pairs.

    Pairs without gold links are left out: their alignment is not known. MTError where no pair is left. The gold links fit
    their pairs (see `check_gold`).
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
                scores += [AttentionScore(layer, head, reading, rule, score_alignments(found, golds)) for rule, found in links.items()]
    return AttentionScores(score_alignments([argmax_links(pair.word_weights()) for pair in pairs], golds), scores)
