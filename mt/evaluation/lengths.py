"""Scores by sentence length (as in Bahdanau et al. 2014, figure 2), construction and tag.

A length is a number of words, or of characters if the script writes no spaces. An edge belongs to
the bucket below it: edges 10, 20 make 1-10, 11-20 and 21+. Blank lines have length 0 and are in the
first bucket.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from mt.data.scripts import count_units, mostly_unspaced
from mt.errors import UsageError
from mt.evaluation.metrics import HEADLINE
from mt.evaluation.sentence_statistics import Score, SentenceStatistics

# In words. Two characters of an unspaced script count as one word.
DEFAULT_EDGES = (10, 20, 30, 40, 50, 60)
DEFAULT_THRESHOLD = 20
CHARACTERS_PER_WORD = 2
NO_TAG = "no tag"  # label of the sentences without one

# Measured on WMT22 en-de (BLEU 36): the 95 % interval of a system's BLEU is +-8 with 20 sentences,
# +-6 with 50, +-4.3 with 100, +-3 with 200, +-1.3 with 1000. With fewer than 100, two good systems
# cannot be distinguished.
MIN_SENTENCES = 100


@dataclass(frozen=True)
class Group:
    """The scores of some sentences of a test set."""

    label: str
    count: int
    scores: dict[str, Score]  # keys as in METRICS; empty if count is 0

    @property
    def small(self) -> bool:
        """Return whether there are too few sentences for reliable scores."""
        return self.count < MIN_SENTENCES

    @property
    def length_ratio(self) -> float | None:
        """Return the length of the output over that of the reference, in BLEU's tokens."""
        return self.scores[HEADLINE].extra["length_ratio"] if self.scores else None

    @property
    def brevity_penalty(self) -> float | None:
        """Return BLEU's penalty for short output, which shows a system that stops early."""
        return self.scores[HEADLINE].extra["brevity_penalty"] if self.scores else None


@dataclass(frozen=True)
class Bucket(Group):
    """The scores of the sentences whose length is from `low` to `high`, both included."""

    low: int
    high: int | None  # None: no upper end


@dataclass(frozen=True)
class Lengths:
    """The length of each sentence of a test set, and the groups by length."""

    by: str  # "source" or "reference": the side whose length counts
    unit: str  # "words" or "characters"
    threshold: int  # longest length that counts as short
    counts: np.ndarray  # [N]
    edges: tuple[int, ...]

    @property
    def short(self) -> np.ndarray:
        """Return the indices of the short sentences."""
        return np.flatnonzero(self.counts <= self.threshold)

    @property
    def long(self) -> np.ndarray:
        """Return the indices of the long sentences."""
        return np.flatnonzero(self.counts > self.threshold)


def measure_lengths(
    sources: Sequence[str] | None,
    references: Sequence[str],
    by: str = "",
    edges: Sequence[int] | None = None,
    threshold: int | None = None,
) -> Lengths:
    """Measure the length of each sentence.

    `by` is "source" or "reference"; empty: the source if it is known. `edges` and `threshold` are
    in the unit of the lengths; None: a default.

    Raises UsageError if a setting is out of range, or if `by` is "source" without sources.
    """
    check_length_side(by, sources is not None)
    by = by or ("reference" if sources is None else "source")
    texts = references if by == "reference" or sources is None else sources
    unit = length_unit(texts)
    edges = default_edges(unit) if edges is None else tuple(edges)
    check_edges(edges)
    threshold = default_threshold(unit) if threshold is None else threshold
    check_threshold(threshold)
    return Lengths(by, unit, threshold, sentence_lengths(texts), tuple(edges))


def length_unit(texts: Sequence[str]) -> str:
    """Return "characters" if most texts are in an unspaced script, else "words"."""
    return "characters" if mostly_unspaced(texts) else "words"


def sentence_lengths(texts: Sequence[str]) -> np.ndarray:
    """Count the words of each text, or its characters if its script is unspaced: [N]."""
    return np.array([count_units(text) for text in texts], dtype=np.int64)


def default_edges(unit: str) -> tuple[int, ...]:
    """Return the default upper ends of the buckets for lengths in this unit."""
    factor = CHARACTERS_PER_WORD if unit == "characters" else 1
    return tuple(factor * edge for edge in DEFAULT_EDGES)


def default_threshold(unit: str) -> int:
    """Return the default of the longest length that counts as short, in this unit."""
    return DEFAULT_THRESHOLD * (CHARACTERS_PER_WORD if unit == "characters" else 1)


def check_length_side(by: str, has_sources: bool) -> None:
    """Raise UsageError unless lengths can be measured on the side `by`."""
    if by not in ("", "source", "reference"):
        raise UsageError(f"the side whose length counts must be source or reference, got {by!r}")
    if by == "source" and not has_sources:
        raise UsageError("no sources are given, so lengths can only be by reference")


def check_threshold(threshold: int) -> None:
    """Raise UsageError if the threshold between short and long is not positive."""
    if threshold < 1:
        raise UsageError(f"the length threshold must be >= 1, got {threshold}")


def check_edges(edges: Sequence[int]) -> None:
    """Raise UsageError unless edges are positive and ascending."""
    if not edges or edges[0] < 1 or any(a >= b for a, b in zip(edges, edges[1:], strict=False)):
        raise UsageError(
            "length edges must be positive and ascending, such as 10,20,30, "
            f"got {','.join(map(str, edges)) or 'none'}"
        )


def split_by_length(
    lengths: np.ndarray, edges: Sequence[int]
) -> list[tuple[str, int, int | None, np.ndarray]]:
    """Split sentences of these lengths [N] into buckets.

    Returns for each bucket its label, smallest and largest length (None: no upper end), and the
    indices of its sentences.
    """
    check_edges(edges)
    membership = np.searchsorted(np.asarray(edges), lengths, side="left")  # edges below the length
    lowest = 1 if (lengths > 0).all() else 0
    lows, highs = [lowest, *(edge + 1 for edge in edges)], [*edges, None]
    buckets = []
    for index, (low, high) in enumerate(zip(lows, highs, strict=True)):
        label = f"{low}+" if high is None else f"{low}-{high}"
        buckets.append((label, low, high, np.flatnonzero(membership == index)))
    return buckets


def score_buckets(
    lengths: np.ndarray,
    edges: Sequence[int],
    statistics: dict[str, SentenceStatistics],
    bootstrap: int = 0,
) -> list[Bucket]:
    """Score the sentences of each bucket.

    `lengths` [N] has an entry for each row of `statistics`. Empty buckets are included, without
    scores.
    """
    return [
        Bucket(label, len(sentences), score_group(sentences, statistics, bootstrap), low, high)
        for label, low, high, sentences in split_by_length(lengths, edges)
    ]


def score_group(
    sentences: np.ndarray, statistics: dict[str, SentenceStatistics], bootstrap: int
) -> dict[str, Score]:
    """Score the sentences with these indices by every metric; empty if there are no sentences."""
    if not len(sentences):
        return {}
    return {name: s.score(sentences, bootstrap) for name, s in statistics.items()}


def score_constructions(
    constructions: Sequence[Collection[str]],
    statistics: dict[str, SentenceStatistics],
    bootstrap: int = 0,
) -> list[Group]:
    """Score the sentences of each construction, in alphabetical order.

    A sentence counts for each of its constructions.
    """
    groups = []
    for name in sorted(set().union(*constructions)):
        sentences = np.flatnonzero([name in shown for shown in constructions])
        groups.append(Group(name, len(sentences), score_group(sentences, statistics, bootstrap)))
    return groups


def score_tags(
    tags: Sequence[str], statistics: dict[str, SentenceStatistics], bootstrap: int = 0
) -> list[Group]:
    """Score the sentences of each tag, in alphabetical order; none if there are not several."""
    if len(set(tags)) < 2:
        return []
    return score_constructions([[tag or NO_TAG] for tag in tags], statistics, bootstrap)
