"""All that is measured about a set of translations, by one function for every caller."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from mt.errors import MTError, UsageError
from mt.evaluation import lengths
from mt.evaluation.alignment import AttentionScores
from mt.evaluation.lengths import Bucket, Group
from mt.evaluation.metric import Metric
from mt.evaluation.metrics import build_metrics
from mt.evaluation.resampling import DEFAULT_RESAMPLES
from mt.evaluation.sentence_statistics import Score, SentenceStatistics
from mt.evaluation.tokenizers import bleu_tokenizer


@dataclass(frozen=True)
class Evaluation:
    """Scores of one system on one test set: overall, short against long, and by length."""

    sentences: int
    empty: int  # hypotheses without text
    scores: dict[str, Score]  # keys as in METRICS
    length_by: str  # "source" or "reference": whose length sorts the sentences
    unit: str  # "words" or "characters"
    threshold: int  # longest length that counts as short
    short: Bucket
    long: Bucket
    buckets: list[Bucket]
    lowercase: bool
    notes: list[str]  # what a reader of the scores must know
    constructions: list[Group]  # none where they are not known
    alignment: (
        AttentionScores | None
    )  # of the model's attention; None without gold links, or without a model


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
    alignment: AttentionScores | None = None,
) -> Evaluation:
    """Score translations. `references` holds one list of lines for each reference translation there is.

    Line i of each list belongs together. `edges` and `threshold` are in words, or in characters
    where the text whose length counts is in an unspaced script; with several references the first
    one's length counts. `bootstrap` is the number of resamples for the intervals, 0 for none.
    `metrics` are names in `METRICS`; None: all. `constructions` names for each sentence what it is an example of; `alignment` is
    carried along into the report. Settings as in `build_metrics`.

    Raises MTError where there are no sentences or the lists differ in length, UsageError for
    settings out of range.
    """
    named: dict[str, Sequence[object]] = {
        "hypotheses": hypotheses,
        **{f"references {i}": lines for i, lines in enumerate(references, start=1)},
    }
    named |= {} if sources is None else {"sources": sources}
    check_lines(named if constructions is None else {**named, "constructions": constructions})
    check_settings(edges, threshold, bootstrap)
    length = lengths.measure_lengths(sources, references[0], length_by, edges, threshold)

    built, notes = choose_metrics(references[0], tgt_lang, tokenize, lowercase, metrics)
    statistics = {
        name: SentenceStatistics(metric, hypotheses, references) for name, metric in built.items()
    }
    short, long = lengths.score_buckets(length.counts, [length.threshold], statistics, bootstrap)
    return Evaluation(
        sentences=len(hypotheses),
        empty=sum(not line.strip() for line in hypotheses),
        scores={name: s.score(bootstrap=bootstrap) for name, s in statistics.items()},
        length_by=length.by,
        unit=length.unit,
        threshold=length.threshold,
        short=short,
        long=long,
        buckets=lengths.score_buckets(length.counts, length.edges, statistics, bootstrap),
        lowercase=lowercase,
        notes=notes,
        constructions=[]
        if constructions is None
        else lengths.score_constructions(constructions, statistics, bootstrap),
        alignment=alignment,
    )


def choose_metrics(
    references: Sequence[str],
    tgt_lang: str = "",
    tokenize: str = "",
    lowercase: bool = False,
    names: Collection[str] | None = None,
) -> tuple[dict[str, Metric], list[str]]:
    """Build metrics, with a further note if BLEU would not split these references into words."""
    metrics, notes = build_metrics(tgt_lang, tokenize, lowercase, names)
    if (
        not tokenize
        and bleu_tokenizer(tgt_lang) == "13a"
        and lengths.length_unit(references) == "characters"
    ):
        notes.append(
            "the references are in a script without spaces, which BLEU's 13a does not split: "
            "name the target language (--lang, lang=, or data.tgt_lang of a run)"
        )
    return metrics, notes


def check_lines(sides: Mapping[str, Sequence[object]]) -> None:
    """Raise MTError unless all sides (name -> lines) have the same number of lines, at least one."""
    first, *others = sides
    if not sides[first]:
        raise MTError(f"{first}: no lines, nothing to evaluate")
    for name in others:
        if len(sides[name]) != len(sides[first]):
            raise MTError(
                f"{first} has {len(sides[first])} lines but {name} has {len(sides[name])}: line i of each must belong together"
            )


def check_settings(edges: Sequence[int] | None, threshold: int | None, bootstrap: int) -> None:
    """Raise UsageError for settings of `evaluate_translations` that are out of range."""
    if edges is not None:
        lengths.check_edges(edges)
    if threshold is not None:
        lengths.check_threshold(threshold)
    if bootstrap != 0 and bootstrap < 100:
        raise UsageError(
            f"{bootstrap} resamples give no 95 % interval: use 100 or more, or 0 for none"
        )
