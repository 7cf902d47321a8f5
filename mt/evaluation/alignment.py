"""Alignment error rate: how well links between words agree with gold links."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mt.data.links import Links
from mt.errors import MTError
from mt.evaluation.resampling import resamples

# The decoder step whose attention belongs to a target word, see `mt.inspection.pair_attention`.
READINGS = ("output", "input")


@dataclass(frozen=True)
class AlignmentScore:
    """Agreement with the gold links of a corpus, in per cent."""

    aer: float  # alignment error rate: lower is better
    precision: float  # hypothesis links that are possible; 0 if there are no hypothesis links
    recall: float  # sure links that are in the hypothesis
    links: int  # number of hypothesis links
    sentences: int  # with gold links
    interval: tuple[float, float] | None = None  # 95 % bootstrap interval of aer


def score_alignments(
    hypotheses: Sequence[Links], golds: Sequence[Links], bootstrap: int = 0
) -> AlignmentScore:
    """Compute the alignment error rate over a corpus (Och and Ney 2003, section 5.1).

    With the links A of the hypothesis, and the sure links S and the possible links P of the gold
    standard, precision is |A and P| / |A|, recall is |A and S| / |S|, and AER is
    1 - (|A and S| + |A and P|) / (|A| + |S|). Sentences without gold links are left out, because
    their alignment is not known. `bootstrap` is the number of resamples for the interval, 0 for
    none.

    Raises MTError if the two differ in length, or if there is no sure link.
    """
    if len(hypotheses) != len(golds):
        raise MTError(
            f"there are {len(hypotheses)} lines of alignments but {len(golds)} of gold links: "
            "line i of each must belong together"
        )
    pairs = [pair for pair in zip(hypotheses, golds, strict=True) if pair[1].possible]
    counts = np.array(
        [
            (
                len(hypothesis.possible),
                len(gold.sure),
                len(hypothesis.possible & gold.sure),
                len(hypothesis.possible & gold.possible),
            )
            for hypothesis, gold in pairs
        ]
    ).reshape(-1, 4)
    links, sure, correct_sure, correct_possible = counts.sum(0).tolist()
    if not sure:
        raise MTError("the gold alignments have no sure link, so recall is not defined")
    return AlignmentScore(
        aer=100 * (1 - (correct_sure + correct_possible) / (links + sure)),
        precision=100 * correct_possible / max(1, links),
        recall=100 * correct_sure / sure,
        links=links,
        sentences=len(pairs),
        interval=_interval(counts, bootstrap) if bootstrap else None,
    )


def _interval(counts: np.ndarray, number: int) -> tuple[float, float]:
    """Return the middle 95 % of the error rates of resampled sentences."""
    totals = np.array([times @ counts for times in resamples(len(counts), number)])
    correct, size = totals[:, 2:].sum(1), totals[:, :2].sum(1)
    rates = np.sort(100 * (1 - correct / np.maximum(size, 1)))
    return float(rates[number // 40]), float(rates[-(number // 40) - 1])


@dataclass(frozen=True)
class HeadAlignmentScore:
    """The score of the links that are extracted from one head in one way."""

    layer: int  # from 0 at the bottom
    head: int | None  # None: the mean of all heads
    reading: str  # one of READINGS
    # "argmax": each target word to the source word with the largest weight; "threshold": all links
    # above a threshold.
    rule: str
    score: AlignmentScore


@dataclass(frozen=True)
class AttentionAlignmentScores:
    """Scores of the links that are extracted from the attention of a model.

    `default` scores the links that `mt-translate --alignments` extracts; `all` has every layer,
    head, reading and rule.
    """

    default: AlignmentScore
    all: list[HeadAlignmentScore]

    def get(
        self, layer: int, head: int | None, reading: str, rule: str = "argmax"
    ) -> AlignmentScore:
        """Return one of the scores in `all`."""
        wanted = (layer, head, reading, rule)
        return next(s.score for s in self.all if (s.layer, s.head, s.reading, s.rule) == wanted)

    def best_head(self, layer: int, reading: str) -> HeadAlignmentScore:
        """Return the score of the head with the lowest error rate, by argmax."""
        place = (layer, reading, "argmax")
        scores = [s for s in self.all if (s.layer, s.reading, s.rule) == place]
        return min((s for s in scores if s.head is not None), key=lambda s: s.score.aer)

    @property
    def layers(self) -> int:
        return 1 + max(s.layer for s in self.all)

    @property
    def readings(self) -> list[str]:
        return [reading for reading in READINGS if any(s.reading == reading for s in self.all)]
