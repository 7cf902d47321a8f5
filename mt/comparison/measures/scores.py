"""Scores of every system on a test set, also by length, and their differences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np

from mt.comparison.schema.scores import (
    Interval,
    LengthGrouping,
    Retention,
    ScoreDifference,
    SentenceGroup,
    SystemScore,
    TestResult,
)
from mt.comparison.statistics.bootstrap import ResampledScores, RunStatistics, resample_scores
from mt.comparison.statistics.randomisation import randomisation_p
from mt.comparison.statistics.significance import compare_systems, correct_p_values, estimate
from mt.comparison.statistics.verdict import judge
from mt.comparison.systems import TestSet
from mt.evaluation.lengths import Lengths, split_by_length
from mt.evaluation.metric import Metric
from mt.evaluation.metrics import HEADLINE
from mt.evaluation.sentence_statistics import SentenceStatistics

RESAMPLES_PER_PAIR = 100  # the least corrected p of the whole family is then 0.02

Statistics = dict[tuple[str, str], list[SentenceStatistics]]  # (system, metric) -> one for each run


def sentence_statistics(test: TestSet, metrics: Mapping[str, Metric]) -> Statistics:
    """Compute the statistics of every sentence, from which all scores follow without the text."""
    statistics: Statistics = {}
    for name, metric in metrics.items():
        references = test.scored_references
        prepared = metric.prepare_references(references)
        for system, runs in test.hypotheses.items():
            statistics[system, name] = [
                SentenceStatistics(metric, lines, references, prepared) for lines in runs
            ]
    return statistics


def score_test(
    test: TestSet, statistics: Statistics, length: Lengths, baseline: str, bootstrap: int
) -> TestResult:
    """Score every system on all sentences, on short and long ones, and in length buckets.

    On all sentences, all pairs of systems are tested, with at least `RESAMPLES_PER_PAIR` resamples
    for each, so that Holm's correction for all pairs leaves a p below 0.05 within reach.
    """
    runs = {key: RunStatistics.of(per_run) for key, per_run in statistics.items()}
    pairs = system_pairs(list(test.hypotheses), baseline)
    resamples = max(bootstrap, RESAMPLES_PER_PAIR * len(pairs))

    def group(label: str, sentences: np.ndarray) -> SentenceGroup:
        return score_group(label, sentences, statistics, baseline, bootstrap)

    sentences = np.arange(len(test.references))
    is_short = np.isin(sentences, length.short)
    scores = resample_scores(runs, sentences, resamples)
    differences = [
        difference
        for metric, systems in by_metric(scores).items()
        for difference in score_pairs(systems, pairs, metric)
    ]
    for difference in differences:
        metric = difference.metric
        system, other = runs[difference.system, metric], runs[difference.other, metric]
        if difference.other == baseline and len(system.rows) == len(other.rows):
            difference.p_randomisation = randomisation_p(system, other)
    return TestResult(
        name=test.name,
        length=LengthGrouping(length.by, length.unit, length.threshold),
        overall=SentenceGroup(
            "all",
            len(sentences),
            group_scores(scores, statistics, sentences),
            [difference for difference in differences if difference.other == baseline],
        ),
        short=group(f"short 1-{length.threshold}", length.short),
        long=group(f"long {length.threshold + 1}+", length.long),
        buckets=[
            group(label, sentences)
            for label, _, _, sentences in split_by_length(length.counts, length.edges)
        ],
        pairs=differences,
        retention=retention(runs, ~is_short, is_short, pairs, resamples),
        constructions=[],
    )


def score_group(
    label: str, sentences: np.ndarray, statistics: Statistics, baseline: str, bootstrap: int
) -> SentenceGroup:
    """Score every system on a group of sentences, and compare it with the baseline there."""
    result = SentenceGroup(label, len(sentences), [], [])
    if len(sentences):
        runs = {key: RunStatistics.of(per_run) for key, per_run in statistics.items()}
        scores = resample_scores(runs, sentences, bootstrap)
        result.scores = group_scores(scores, statistics, sentences)
        for metric, systems in by_metric(scores).items():
            result.differences += score_differences(systems, baseline, metric)
    return result


def system_pairs(systems: Sequence[str], baseline: str) -> list[tuple[str, str]]:
    """Return every pair of systems once; the baseline is always the second."""
    return list(combinations([*(name for name in systems if name != baseline), baseline], 2))


def by_metric(
    scores: Mapping[tuple[str, str], ResampledScores],
) -> dict[str, dict[str, ResampledScores]]:
    """Return metric -> system -> scores."""
    nested: dict[str, dict[str, ResampledScores]] = {}
    for (system, metric), of_system in scores.items():
        nested.setdefault(metric, {})[system] = of_system
    return nested


def group_scores(
    scores: Mapping[tuple[str, str], ResampledScores], statistics: Statistics, sentences: np.ndarray
) -> list[SystemScore]:
    """Return the score of each system by each metric on a group of sentences."""
    results = []
    for metric, systems in by_metric(scores).items():
        for name, of_system in systems.items():
            per_run = statistics[name, metric]
            kind = per_run[0].metric
            score = system_score(of_system, name, metric, kind.max_score)
            score.details = kind.mean_details([run.score(sentences).extra for run in per_run])
            results.append(score)
    return results


def retention(
    runs: Mapping[tuple[str, str], RunStatistics],
    weights: np.ndarray,
    other_weights: np.ndarray,
    pairs: Sequence[tuple[str, str]],
    bootstrap: int,
) -> Retention | None:
    """Compare how much of their BLEU on other sentences systems keep on some, such as long ones.

    Each sentence counts with its weight [N] for the one and its other weight [N] for the other. It
    is a percentage because in points the system with the lowest score would lose least. Each
    resample is one of all sentences, from which both scores are computed. A system without BLEU on
    the other sentences of some resample is left out. None if all weights of a side are 0.
    """
    if not weights.any() or not other_weights.any():
        return None
    ratios = {
        system: retention_statistics(statistics, weights, other_weights)
        for (system, metric), statistics in runs.items()
        if metric == HEADLINE
    }
    systems = {
        system: scores
        for system, scores in resample_scores(ratios, number=bootstrap).items()
        if np.isfinite(scores.observed).all() and np.isfinite(scores.scores).all()
    }
    known = [pair for pair in pairs if set(pair) <= set(systems)]
    return Retention(
        [system_score(scores, name, HEADLINE, np.inf) for name, scores in systems.items()],
        score_pairs(systems, known, HEADLINE),
    )


def retention_statistics(
    statistics: RunStatistics, weights: np.ndarray, other_weights: np.ndarray
) -> RunStatistics:
    """Return statistics whose score is that by `weights` in per cent of that by `other_weights`."""
    size = statistics.rows[0].shape[1]

    def ratio(totals: np.ndarray) -> np.ndarray:
        score, other = statistics.score(totals[:, :size]), statistics.score(totals[:, size:])
        return 100 * np.divide(score, other, out=np.full(len(totals), np.nan), where=other > 0)

    both = (weights[:, None], other_weights[:, None])
    rows = [np.concatenate([run * each for each in both], axis=1) for run in statistics.rows]
    return RunStatistics(rows, ratio, statistics.higher_is_better)


def system_score(
    scores: ResampledScores, system: str, metric: str, max_score: float
) -> SystemScore:
    """Return the mean over the runs of a system, with its interval."""
    estimated = estimate(scores)
    return SystemScore(
        system=system,
        metric=metric,
        mean=estimated.mean,
        interval=clip_interval(estimated.interval, 0, max_score),
        values=list(estimated.values),
        deviation=estimated.deviation,
        sentences=estimated.sentences,
        seeds_tested=estimated.seeds_tested,
        small=estimated.small,
    )


def clip_interval(interval: Interval, low: float, high: float) -> Interval:
    """Clip an interval to possible scores: with two runs, Student's t reaches far beyond them."""
    return max(low, interval[0]), min(high, interval[1])


def score_differences(
    systems: Mapping[str, ResampledScores], baseline: str, metric: str
) -> list[ScoreDifference]:
    """Subtract the baseline from each system; p-values are corrected by Holm over the systems."""
    return score_pairs(systems, [(name, baseline) for name in systems if name != baseline], metric)


def score_pairs(
    systems: Mapping[str, ResampledScores], pairs: Sequence[tuple[str, str]], metric: str
) -> list[ScoreDifference]:
    """Subtract the second of each pair from the first; p is corrected by Holm over the pairs."""
    compared = [compare_systems(systems[name], systems[other]) for name, other in pairs]
    results = []
    for (name, other), difference, corrected in zip(
        pairs, compared, correct_p_values(compared), strict=True
    ):
        verdict = judge(difference, corrected)
        results.append(
            ScoreDifference(
                system=name,
                other=other,
                metric=metric,
                effect=difference.effect,
                interval=difference.interval,
                p=difference.p,
                p_holm=corrected.p,
                p_is_bound=corrected.is_bound,
                p_randomisation=None,
                seeds_tested=difference.seeds_tested,
                small=difference.small,
                verdict=verdict.word,
                text=verdict.text,
                needed=verdict.needed,
            )
        )
    return results
