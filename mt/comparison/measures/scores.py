"""Scores of every system on a test set and differences from the baseline, also by length."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from mt.comparison.schema.scores import (
    Interval,
    LengthGrouping,
    ScoreDifference,
    SentenceGroup,
    SystemScore,
    TestResult,
)
from mt.comparison.statistics.bootstrap import ResampledScores, RunStatistics, resample_scores
from mt.comparison.statistics.randomisation import randomisation_p
from mt.comparison.statistics.significance import compare_systems, estimate, holm
from mt.comparison.statistics.verdict import judge
from mt.comparison.systems import TestSet
from mt.evaluation.lengths import Lengths, split_by_length
from mt.evaluation.metric import Metric
from mt.evaluation.sentence_statistics import SentenceStatistics

Statistics = dict[tuple[str, str], list[SentenceStatistics]]  # (system, metric) -> one for each run


def sentence_statistics(test: TestSet, metrics: Mapping[str, Metric]) -> Statistics:
    """Compute the statistics of every sentence, from which all scores follow without the text."""
    statistics: Statistics = {}
    for name, metric in metrics.items():
        references = [test.references]
        prepared = metric.prepare_references(references)
        for system, runs in test.hypotheses.items():
            statistics[system, name] = [
                SentenceStatistics(metric, lines, references, prepared) for lines in runs
            ]
    return statistics


def score_test(
    test: TestSet, statistics: Statistics, length: Lengths, baseline: str, bootstrap: int
) -> TestResult:
    """Score every system on all sentences, on short and long ones, and in length buckets."""
    runs = {key: RunStatistics.of(per_run) for key, per_run in statistics.items()}
    names = list(test.hypotheses)

    def group(label: str, sentences: np.ndarray) -> SentenceGroup:
        result = SentenceGroup(label, len(sentences), [], [])
        if len(sentences):
            scores = resample_scores(runs, sentences, bootstrap)
            for metric in dict.fromkeys(metric for _, metric in scores):
                of_metric = {name: scores[name, metric] for name in names}
                result.differences += score_differences(of_metric, baseline, metric)
                for name in names:
                    per_run = statistics[name, metric]
                    kind = per_run[0].metric
                    score = system_score(of_metric[name], name, metric, kind.max_score)
                    score.details = kind.mean_details(
                        [run.score(sentences).extra for run in per_run]
                    )
                    result.scores.append(score)
        return result

    overall = group("all", np.arange(len(test.references)))
    for difference in overall.differences:
        metric = difference.metric
        variant, reference = runs[difference.system, metric], runs[baseline, metric]
        if len(variant.rows) == len(reference.rows):
            difference.p_randomisation = randomisation_p(variant, reference)
    return TestResult(
        name=test.name,
        length=LengthGrouping(length.by, length.unit, length.threshold),
        overall=overall,
        short=group(f"short 1-{length.threshold}", length.short),
        long=group(f"long {length.threshold + 1}+", length.long),
        buckets=[
            group(label, sentences)
            for label, _, _, sentences in split_by_length(length.counts, length.edges)
        ],
    )


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
    variants = [name for name in systems if name != baseline]
    compared = [compare_systems(systems[name], systems[baseline]) for name in variants]
    corrected = holm([difference.p for difference in compared])
    results = []
    for name, difference, p in zip(variants, compared, corrected, strict=True):
        verdict = judge(difference, p)
        results.append(
            ScoreDifference(
                system=name,
                metric=metric,
                effect=difference.effect,
                interval=difference.interval,
                p=difference.p,
                p_holm=p,
                p_randomisation=None,
                seeds_tested=difference.seeds_tested,
                small=difference.small,
                verdict=verdict.word,
                text=verdict.text,
                needed=verdict.needed,
            )
        )
    return results
