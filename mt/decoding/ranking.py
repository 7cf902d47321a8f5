"""Ranking of the hypotheses of a sentence by their texts: distinct ones, or those of least risk.

Minimum-Bayes-risk decoding (Kumar and Byrne 2004, Eikema and Aziz 2020) chooses, among candidates,
the text with the highest expected utility: its mean similarity to all candidates, which stand for
the translations that the model holds possible. Every candidate counts once, so that a text that was
sampled twice counts twice.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from mt.decoding.options import SearchOptions
from mt.decoding.search import Hypothesis

if TYPE_CHECKING:
    from mt.evaluation.pairwise import PairwiseMetric

TextHypothesis = tuple[str, Hypothesis]


@cache
def build_utility(metric: str, language: str) -> PairwiseMetric:
    """Return the utility between all candidates: see `mt.evaluation.pairwise.build_pairwise`."""
    from mt.evaluation.pairwise import build_pairwise  # imports sacreBLEU, which takes a while

    return build_pairwise(metric, language)


def rank(
    hypotheses: Sequence[TextHypothesis], options: SearchOptions, language: str
) -> list[TextHypothesis]:
    """Return the `nbest` hypotheses of a sentence, best first; `language` is that of the texts.

    Without `mbr`, the order is that of the search. No text occurs twice, unless hypotheses are
    samples, which are independent. With `mbr`, scores are expected utilities.
    """
    if options.mbr:
        hypotheses = rank_by_utility(hypotheses, options.mbr_metric, language)
    elif not options.sample:
        hypotheses = distinct(hypotheses)
    return list(hypotheses[: options.nbest])


def distinct(hypotheses: Sequence[TextHypothesis]) -> list[TextHypothesis]:
    """Return the first hypothesis with each text: a text can be segmented in several ways."""
    first: dict[str, Hypothesis] = {}
    for text, hypothesis in hypotheses:
        first.setdefault(text, hypothesis)
    return list(first.items())


def rank_by_utility(
    hypotheses: Sequence[TextHypothesis], metric: str, language: str
) -> list[TextHypothesis]:
    """Return the distinct texts by falling expected utility, which becomes the score.

    Of texts with equal utility, the one that comes first in `hypotheses` stays first.
    """
    counts = Counter(text for text, _ in hypotheses)
    candidates = distinct(hypotheses)
    utilities = build_utility(metric, language)([text for text, _ in candidates])
    expected = utilities @ np.array([counts[text] for text, _ in candidates]) / len(hypotheses)
    order = np.argsort(-expected, kind="stable")
    return [(candidates[i][0], replace(candidates[i][1], score=float(expected[i]))) for i in order]
