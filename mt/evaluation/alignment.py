"""Alignment error rate: how well links between words agree with gold links."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mt.data.links import Links
from mt.errors import MTError

READINGS = (
    "output",
    "input",
)  # the decoding step at which attention is read, see `mt.inspection.weights`


@dataclass(frozen=True)
class AlignmentScore:
    """Of a corpus, in percent."""

    aer: float  # alignment error rate: less is better
    precision: float  # links found that are possible, of those found; 0 where none is found
    recall: float  # sure links that are found, of the sure ones
    links: int  # found
    sentences: int


def score_alignments(hypotheses: Sequence[Links], golds: Sequence[Links]) -> AlignmentScore:
    """Och and Ney 2003, section 5.1, with all links of a hypothesis as A, sure S and possible P of the gold standard.

    Precision |A and P| / |A|, recall |A and S| / |S|, AER 1 - (|A and S| + |A and P|) / (|A| +
    |S|), counted over the corpus. MTError where the two differ in length, or where there is no sure
    link.
    """
    if len(hypotheses) != len(golds):
        raise MTError(
            f"there are {len(hypotheses)} lines of alignments but {len(golds)} of gold: line i of each must belong together"
        )
    found = sure = found_sure = found_possible = 0
    for hypothesis, gold in zip(hypotheses, golds, strict=True):
        found += len(hypothesis.possible)
        sure += len(gold.sure)
        found_sure += len(hypothesis.possible & gold.sure)
        found_possible += len(hypothesis.possible & gold.possible)
    if not sure:
        raise MTError("the gold alignments have no sure link: there is nothing to score against")
    return AlignmentScore(
        aer=100 * (1 - (found_sure + found_possible) / (found + sure)),
        precision=100 * found_possible / max(1, found),
        recall=100 * found_sure / sure,
        links=found,
        sentences=len(golds),
    )


@dataclass(frozen=True)
class AttentionScore:
    """The error rate of the links that are read from one place in one way."""

    layer: int  # from 0 at the bottom
    head: int | None  # None: the mean of all heads
    reading: str  # as in `mt.inspection.weights`
    rule: (
        str  # "argmax": each target word to its best source word; "threshold": all above THRESHOLD
    )
    score: AlignmentScore


@dataclass(frozen=True)
class AttentionScores:
    """`default`: of the links that `mt-translate --alignments` would give for these pairs; `all`: every place and way."""

    default: AlignmentScore
    all: list[AttentionScore]

    def at(
        self, layer: int, head: int | None, reading: str, rule: str = "argmax"
    ) -> AlignmentScore:
        return next(
            s.score
            for s in self.all
            if (s.layer, s.head, s.reading, s.rule) == (layer, head, reading, rule)
        )

    def best_head(self, layer: int, reading: str) -> AttentionScore:
        """The head with the lowest error rate by argmax."""
        heads = [
            s
            for s in self.all
            if s.layer == layer
            and s.head is not None
            and s.reading == reading
            and s.rule == "argmax"
        ]
        return min(heads, key=lambda s: s.score.aer)

    @property
    def layers(self) -> int:
        return 1 + max(s.layer for s in self.all)

    @property
    def readings(self) -> list[str]:
        return [reading for reading in READINGS if any(s.reading == reading for s in self.all)]
