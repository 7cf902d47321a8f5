"""Scores by sentence length: does a system keep up on long sentences (Bahdanau et al. 2014, figure 2)?

A length counts words, or characters where the script writes no spaces. An edge belongs to the
bucket below it: edges 10, 20 make 1-10, 11-20 and 21+. Blank lines have length 0 and are in the
first bucket.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from mt.data.scripts import count_units, is_unspaced
from mt.errors import UsageError
from mt.evaluation.metrics import HEADLINE
from mt.evaluation.sentence_statistics import Score, SentenceStatistics

# In words. An unspaced script takes about two characters where another takes a word, so its
# defaults are twice these.
EDGES = (10, 20, 30, 40, 50, 60)
THRESHOLD = 20

# Measured on WMT22 en-de (BLEU 36): the 95 % interval of a system's BLEU is +-8 at 20 sentences,
# +-6 at 50, +-4.3 at 100, +-3 at 200, +-1.3 at 1000. Under 100, two good systems cannot be told
# from each other.
SMALL = 100


@dataclass(frozen=True)
class Group:
    """Some of the sentences of a test set."""

    label: str
    count: int
    scores: dict[str, Score]  # as in Evaluation; empty where count is 0

    @property
    def small(self) -> bool:
        """Too few sentences for the scores to mean much."""
        return self.count < SMALL

    @property
    def length_ratio(self) -> float | None:
        """Length of the output over that of the reference, in BLEU's tokens."""
        return self.scores[HEADLINE].extra["length_ratio"] if self.scores else None

    @property
    def brevity_penalty(self) -> float | None:
        """BLEU's factor for output that is too short: apart from the precisions, it shows a system that stops early."""
        return self.scores[HEADLINE].extra["brevity_penalty"] if self.scores else None


@dataclass(frozen=True)
class Bucket(Group):
    """The sentences whose length is from `low` to `high`, both included."""

    low: int
    high: int | None  # None: no upper end


def length_unit(texts: Sequence[str]) -> str:
    """What the lengths of these texts count: "characters" where most of them are in an unspaced script, else "words"."""
    return "characters" if 2 * sum(map(is_unspaced, texts)) > len(texts) else "words"


def default_edges(unit: str) -> tuple[int, ...]:
    return tuple(2 * edge for edge in EDGES) if unit == "characters" else EDGES


def default_threshold(unit: str) -> int:
    return 2 * THRESHOLD if unit == "characters" else THRESHOLD


def lengths_of(texts: Sequence[str]) -> np.ndarray:
    """[N] lengths in words or characters."""
    return np.array([count_units(text) for text in texts], dtype=np.int64)


@dataclass(frozen=True)
class Lengths:
    """The sentences of a test set, sorted by length."""

    by: str  # "source" or "reference": whose length counts
    unit: str  # "words" or "characters"
    threshold: int  # longest length that counts as short
    counts: np.ndarray  # [N]
    edges: tuple[int, ...]

    @property
    def short(self) -> np.ndarray:
        """Indices of the short sentences."""
        return np.flatnonzero(self.counts <= self.threshold)

    @property
    def long(self) -> np.ndarray:
        return np.flatnonzero(self.counts > self.threshold)


def measure_lengths(
    sources: Sequence[str] | None,
    references: Sequence[str],
    by: str = "",
    edges: Sequence[int] | None = None,
    threshold: int | None = None,
) -> Lengths:
    """How long each sentence is: its source, where it is known, or its reference; `by` chooses, "" takes what there is.

    `edges` and `threshold` are in words, or in characters where the text whose length counts is in
    an unspaced script. UsageError for settings out of range, and for lengths of sources that are
    not there.
    """
    check_by(by, sources is not None)
    by = by or ("reference" if sources is None else "source")
    measured = references if by == "reference" or sources is None else sources
    unit = length_unit(measured)
    edges = default_edges(unit) if edges is None else tuple(edges)
    check_edges(edges)
    threshold = default_threshold(unit) if threshold is None else threshold
    check_threshold(threshold)
    return Lengths(by, unit, threshold, lengths_of(measured), tuple(edges))


def check_by(by: str, sources: bool) -> None:
    """Raise UsageError unless lengths can be taken by that side; `sources`: whether there are any."""
    if by not in ("", "source", "reference"):
        raise UsageError(f"lengths are by source or by reference, not by {by!r}")
    if by == "source" and not sources:
        raise UsageError("no sources are given, so lengths can only be by reference")


def check_threshold(threshold: int) -> None:
    """Raise UsageError unless it can divide short from long."""
    if threshold < 1:
        raise UsageError(f"the length threshold must be at least 1, not {threshold}")


def check_edges(edges: Sequence[int]) -> None:
    """Raise UsageError unless the edges are positive and ascending."""
    if not edges or edges[0] < 1 or any(a >= b for a, b in zip(edges, edges[1:], strict=False)):
        raise UsageError(
            f"length edges must be positive and ascending, such as 10,20,30; not {','.join(map(str, edges)) or 'none'}"
        )


def split_by_length(
    lengths: np.ndarray, edges: Sequence[int]
) -> list[tuple[str, int, int | None, np.ndarray]]:
    """lengths [N] -> of each bucket its label, least and greatest length (None: no end), and the indices of its sentences."""
    check_edges(edges)
    membership = np.searchsorted(
        np.asarray(edges), lengths, side="left"
    )  # how many edges are below the length
    lowest = 1 if (lengths > 0).all() else 0  # 0 only where there are blank lines
    lows, highs = [lowest, *(edge + 1 for edge in edges)], [*edges, None]
    return [
        (
            f"{low}+" if high is None else f"{low}-{high}",
            low,
            high,
            np.flatnonzero(membership == index),
        )
        for index, (low, high) in enumerate(zip(lows, highs, strict=True))
    ]


def score_buckets(
    lengths: np.ndarray,
    edges: Sequence[int],
    statistics: dict[str, SentenceStatistics],
    bootstrap: int = 0,
) -> list[Bucket]:
    """Scores of the sentences in each bucket; `lengths` [N] as `statistics` has rows. Empty buckets are there, without scores."""
    return [
        Bucket(label, len(sentences), score_group(sentences, statistics, bootstrap), low, high)
        for label, low, high, sentences in split_by_length(lengths, edges)
    ]


def score_group(
    sentences: np.ndarray, statistics: dict[str, SentenceStatistics], bootstrap: int
) -> dict[str, Score]:
    """Scores of some sentences, given by their rows in `statistics`; none where there are none."""
    return (
        {name: s.score(sentences, bootstrap) for name, s in statistics.items()}
        if len(sentences)
        else {}
    )


def score_constructions(
    constructions: Sequence[Collection[str]],
    statistics: dict[str, SentenceStatistics],
    bootstrap: int = 0,
) -> list[Group]:
    """Scores of the sentences that show each construction (a sentence counts for each that it shows), in alphabetical order."""
    groups = []
    for name in sorted(set().union(*constructions)):
        sentences = np.flatnonzero([name in shown for shown in constructions])
        groups.append(Group(name, len(sentences), score_group(sentences, statistics, bootstrap)))
    return groups
