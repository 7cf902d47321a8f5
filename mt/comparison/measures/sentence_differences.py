"""Where two texts differ, for highlighting; and the sentences on which two systems differ most."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

import numpy as np
import regex  # type: ignore[import-untyped]

from mt.data.word_counts import WORD, normalise_typography
from mt.errors import MTError
from mt.evaluation.sacrebleu_metrics import Chrf
from mt.evaluation.sentence_statistics import SentenceStatistics

TOKEN = regex.compile(rf"{WORD.pattern}|\S")  # words, and every other visible character alone


@dataclass(frozen=True)
class Segment:
    """A stretch of two texts. `equal`: the same words in both; else what one has in the other's place, "" for nothing.

    The stretches of a text, joined, are the text: its own characters and spaces, nothing
    normalised.
    """

    equal: bool
    hypothesis: str
    reference: str


def diff_words(hypothesis: str, reference: str) -> list[Segment]:
    """The alternation of equal and differing stretches; a space belongs to what it follows.

    Words and punctuation marks are compared after `normalise_typography`, with case.
    The matching is Ratcliff and Obershelp's (difflib): the longest common run first, then left and
    right of it. It may match fewer words than a longest common subsequence, and reads better, since
    that picks up stray articles and commas.
    """
    ours, theirs = _pieces(hypothesis), _pieces(reference)
    matcher = SequenceMatcher(
        None,
        [normalise_typography(piece).strip() for piece in ours],
        [normalise_typography(piece).strip() for piece in theirs],
        autojunk=False,
    )
    return [
        Segment(tag == "equal", "".join(ours[a:b]), "".join(theirs[c:d]))
        for tag, a, b, c, d in matcher.get_opcodes()
    ]


def _pieces(text: str) -> list[str]:
    """The text, cut before each token but the first."""
    starts = [match.start() for match in TOKEN.finditer(text)]
    cuts = [0, *starts[1:], len(text)]
    return [text[a:b] for a, b in zip(cuts, cuts[1:], strict=False) if b > a]


def sentence_chrf(hypotheses: Sequence[str], references: Sequence[str]) -> np.ndarray:
    """[N] chrF2 of each sentence, 0 to 100: unlike BLEU it needs no smoothing to be defined for one."""
    statistics = SentenceStatistics(Chrf(), hypotheses, [references])
    return np.array([statistics.score(np.array([row])).value for row in range(len(hypotheses))])


def most_different(
    scores_a: Sequence[float] | np.ndarray, scores_b: Sequence[float] | np.ndarray, n: int
) -> tuple[list[int], list[int]]:
    """Up to `n` sentences that system a did better, and up to `n` that b did, greatest difference first.

    Scores are of the same sentences, more is better. Of equal differences the earlier sentence
    comes first; where neither is better, a sentence is in neither list. MTError where the scores
    differ in number or one is not a number.
    """
    a, b = np.asarray(scores_a, dtype=np.float64), np.asarray(scores_b, dtype=np.float64)
    if a.shape != b.shape or a.ndim != 1:
        raise MTError(
            f"one system has {a.size} sentence scores and the other {b.size}: score i of each must belong together"
        )
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        raise MTError("a sentence score is not a finite number")
    return _greatest(a - b, n), _greatest(b - a, n)


def _greatest(gains: np.ndarray, n: int) -> list[int]:
    order = np.argsort(-gains, kind="stable")
    return [int(index) for index in order[: max(0, n)] if gains[index] > 0]
