"""Differences between an output and its reference, and between two systems by sentence."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import SequenceMatcher

import numpy as np
import regex  # type: ignore[import-untyped]

from mt.comparison.schema.results import DiffSegment
from mt.data.word_counts import WORD, normalise_typography
from mt.errors import MTError
from mt.evaluation.sacrebleu_metrics import Chrf
from mt.evaluation.sentence_statistics import SentenceStatistics

TOKEN = regex.compile(rf"{WORD.pattern}|\S")  # words, and every other visible character alone


def diff_words(output: str, reference: str) -> list[DiffSegment]:
    """Split two texts into equal and differing stretches; a space belongs to what follows it.

    The stretches of a text, joined, are the text: nothing is normalised in them. Words and
    punctuation marks are compared after `normalise_typography`, with case. The matching is Ratcliff
    and Obershelp's (difflib): the longest common run first, then left and right of it. It may match
    fewer words than a longest common subsequence, but reads better, because that picks up stray
    articles and commas.
    """
    ours, theirs = _split_before_tokens(output), _split_before_tokens(reference)
    keys = [[normalise_typography(piece).strip() for piece in side] for side in (ours, theirs)]
    matcher = SequenceMatcher(None, keys[0], keys[1], autojunk=False)
    return [
        DiffSegment(tag == "equal", "".join(ours[a:b]), "".join(theirs[c:d]))
        for tag, a, b, c, d in matcher.get_opcodes()
    ]


def _split_before_tokens(text: str) -> list[str]:
    """Split before each token but the first."""
    starts = [match.start() for match in TOKEN.finditer(text)]
    cuts = [0, *starts[1:], len(text)]
    return [text[a:b] for a, b in zip(cuts, cuts[1:], strict=False) if b > a]


def sentence_chrf(hypotheses: Sequence[str], references: Sequence[str]) -> np.ndarray:
    """Return chrF2 of each sentence [N], 0 to 100: unlike BLEU, it needs no smoothing for one."""
    statistics = SentenceStatistics(Chrf(), hypotheses, [references])
    return np.array([statistics.score(np.array([row])).value for row in range(len(hypotheses))])


def most_different(
    scores_a: Sequence[float] | np.ndarray, scores_b: Sequence[float] | np.ndarray, n: int
) -> tuple[list[int], list[int]]:
    """Return up to `n` sentences that system a did better, and up to `n` that b did better.

    The greatest difference comes first; of equal differences, the earlier sentence. A sentence that
    both did equally well is in neither list. Scores are of the same sentences; higher is better.
    Raises MTError if their numbers differ or one is not finite.
    """
    a, b = np.asarray(scores_a, dtype=np.float64), np.asarray(scores_b, dtype=np.float64)
    if a.shape != b.shape or a.ndim != 1:
        raise MTError(
            f"one system has {a.size} sentence scores and the other {b.size}: "
            "score i of each must belong together"
        )
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        raise MTError("a sentence score is not a finite number")
    return _greatest(a - b, n), _greatest(b - a, n)


def _greatest(gains: np.ndarray, n: int) -> list[int]:
    order = np.argsort(-gains, kind="stable")
    return [int(index) for index in order[: max(0, n)] if gains[index] > 0]
