"""Evaluation of a set of translations, by one function for all commands."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from mt.data.normalisation import is_blank
from mt.errors import MTError, UsageError
from mt.evaluation import lengths
from mt.evaluation.alignment import AttentionAlignmentScores
from mt.evaluation.lengths import Bucket, Group
from mt.evaluation.metrics import build_metrics
from mt.evaluation.resampling import DEFAULT_RESAMPLES, MIN_RESAMPLES
from mt.evaluation.sentence_statistics import Score, SentenceStatistics
from mt.evaluation.text_form import empty_notes, first_references, text_notes


@dataclass(frozen=True)
class Evaluation:
    """Scores of one system on one test set: overall, short and long sentences, and by length."""

    sentences: int
    empty: int  # hypotheses without text
    empty_references: int  # sentences without any reference that has text
    scores: dict[str, Score]  # keys as in METRICS
    length_by: str  # "source" or "reference": the side whose length counts
    unit: str  # "words" or "characters"
    threshold: int  # longest length that counts as short
    short: Bucket
    long: Bucket
    buckets: list[Bucket]
    lowercase: bool
    notes: list[str]  # remarks that readers of the scores must see
    constructions: list[Group]  # empty if they are not known
    # Of the attention of the model; None without gold links, or without a model.
    alignment: AttentionAlignmentScores | None
    tags: list[Group] = field(default_factory=list)  # empty unless there are several


def evaluate_translations(
    sources: Sequence[str] | None,
    hypotheses: Sequence[str],
    references: Sequence[Sequence[str]],
    *,
    tgt_lang: str = "",
    length_by: str = "source",
    edges: Sequence[int] | None = None,
    threshold: int | None = None,
    tokenize: str = "",
    lowercase: bool = False,
    bootstrap: int = DEFAULT_RESAMPLES,
    metrics: Collection[str] | None = None,
    constructions: Sequence[Collection[str]] | None = None,
    tags: Sequence[str] | None = None,
    alignment: AttentionAlignmentScores | None = None,
) -> Evaluation:
    """Score translations; line i of each list belongs together.

    Args:
        sources: None if they are not known.
        hypotheses: The translations.
        references: One or more lists of reference translations. Of several, a blank one is none.
            Only the first of each sentence counts for lengths.
        tgt_lang: See `build_metrics`.
        length_by: "source" or "reference": the side whose length counts.
        edges: Upper ends of the length buckets. Lengths are in words, or in characters if the
            text whose length counts is in an unspaced script. None: a default.
        threshold: Longest length that counts as short. None: a default.
        tokenize: See `build_metrics`.
        lowercase: See `build_metrics`.
        bootstrap: Number of resamples for the intervals, 0 for none.
        metrics: Names in `METRICS`; None: all.
        constructions: The constructions that each sentence is an example of.
        tags: The tag of each source, "" for none.
        alignment: Passed on to the result.

    Raises MTError if there are no sentences, if all references are empty or if the lists differ in
    length, UsageError if a setting is out of range.
    """
    sides: dict[str, Sequence[object]] = {"hypotheses": hypotheses}
    sides |= {f"references {i}": lines for i, lines in enumerate(references, start=1)}
    sides |= {} if sources is None else {"sources": sources}
    sides |= {} if constructions is None else {"constructions": constructions}
    sides |= {} if tags is None else {"tags": tags}
    check_line_counts(sides)
    check_settings(edges, threshold, bootstrap)
    first = first_references(references)
    notes = empty_notes(first)
    length = lengths.measure_lengths(sources, first, length_by, edges, threshold)

    built, metric_notes = build_metrics(tgt_lang, tokenize, lowercase, metrics, first)
    notes += metric_notes + text_notes(hypotheses, references, tokenize)
    statistics = {
        name: SentenceStatistics(metric, hypotheses, references) for name, metric in built.items()
    }
    short, long = lengths.score_buckets(length.counts, [length.threshold], statistics, bootstrap)
    return Evaluation(
        sentences=len(hypotheses),
        empty=sum(map(is_blank, hypotheses)),
        empty_references=sum(map(is_blank, first)),
        scores={name: s.score(bootstrap=bootstrap) for name, s in statistics.items()},
        length_by=length.by,
        unit=length.unit,
        threshold=length.threshold,
        short=short,
        long=long,
        buckets=lengths.score_buckets(length.counts, length.edges, statistics, bootstrap),
        lowercase=lowercase,
        notes=notes,
        constructions=lengths.score_constructions(constructions or [], statistics, bootstrap),
        alignment=alignment,
        tags=lengths.score_tags(tags or [], statistics, bootstrap),
    )


def check_line_counts(sides: Mapping[str, Sequence[object]]) -> None:
    """Raise MTError unless all sides (name -> lines) have the same number of lines, at least 1."""
    first, *others = sides
    expected = len(sides[first])
    if not expected:
        raise MTError(f"{first}: no lines, nothing to evaluate")
    for name in others:
        if len(sides[name]) != expected:
            raise MTError(
                f"{first} has {expected} lines but {name} has {len(sides[name])}: "
                "line i of each must belong together"
            )


def check_settings(edges: Sequence[int] | None, threshold: int | None, bootstrap: int) -> None:
    """Raise UsageError if a setting of `evaluate_translations` is out of range."""
    if edges is not None:
        lengths.check_edges(edges)
    if threshold is not None:
        lengths.check_threshold(threshold)
    if bootstrap != 0 and bootstrap < MIN_RESAMPLES:
        raise UsageError(
            f"the number of bootstrap resamples must be >= {MIN_RESAMPLES}, or 0 for no intervals, "
            f"got {bootstrap}"
        )
