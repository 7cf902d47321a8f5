"""One test set in figures: scores of every system and differences from the baseline, overall and by length."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from mt.comparison.statistics.bootstrap import Resampled, Runs, resample_scores
from mt.comparison.statistics.randomisation import randomisation_p
from mt.comparison.statistics.significance import compare_systems, estimate, holm
from mt.comparison.statistics.verdict import judge
from mt.comparison.systems import TestSet
from mt.evaluation.lengths import Lengths, split_by_length
from mt.evaluation.metric import Metric
from mt.evaluation.sentence_statistics import SentenceStatistics

Statistics = dict[tuple[str, str], list[SentenceStatistics]]  # (system, metric) -> one for each run


def statistics_of(test: TestSet, metrics: Mapping[str, Metric]) -> Statistics:
    """The text is looked at once, here."""
    found: Statistics = {}
    for name, metric in metrics.items():
        references = [test.references]
        prepared = metric.prepare_references(references)
        for system, runs in test.hypotheses.items():
            found[system, name] = [
                SentenceStatistics(metric, lines, references, prepared) for lines in runs
            ]
    return found


def of_test(
    test: TestSet, statistics: Statistics, length: Lengths, baseline: str, bootstrap: int
) -> dict[str, Any]:
    """An entry of `tests` in results.json."""
    runs = {key: Runs.of(found) for key, found in statistics.items()}
    names = list(test.hypotheses)

    def group(label: str, sentences: np.ndarray) -> dict[str, Any]:
        scores = resample_scores(runs, sentences, bootstrap) if len(sentences) else {}
        return {
            "label": label,
            "sentences": len(sentences),
            **group_results(scores, statistics, sentences, names, baseline),
        }

    overall = group("all", np.arange(len(test.references)))
    for found in overall["differences"]:
        sides = runs[found["system"], found["metric"]], runs[baseline, found["metric"]]
        equal = len(sides[0].rows) == len(sides[1].rows)
        found["p_randomisation"] = randomisation_p(*sides) if equal else None
    return {
        "name": test.name,
        "length": {"by": length.by, "unit": length.unit, "threshold": length.threshold},
        "overall": overall,
        "short": group(f"short 1-{length.threshold}", length.short),
        "long": group(f"long {length.threshold + 1}+", length.long),
        "buckets": [
            group(label, sentences)
            for label, _, _, sentences in split_by_length(length.counts, length.edges)
        ],
    }


def group_results(
    scores: dict[tuple[str, str], Resampled],
    statistics: Statistics,
    sentences: np.ndarray,
    names: Sequence[str],
    baseline: str,
) -> dict[str, Any]:
    """Scores and differences on some of the sentences; no entries where there are none."""
    found: dict[str, list[dict[str, Any]]] = {"scores": [], "differences": []}
    if not scores:
        return found
    for metric in dict.fromkeys(metric for _, metric in scores):
        for name in names:
            runs = statistics[name, metric]
            kind = runs[0].metric
            made = asdict(estimate(scores[name, metric]))
            made["interval"] = within(made["interval"], 0, kind.max_score)
            made |= kind.mean_details([each.score(sentences).extra for each in runs])
            found["scores"].append({"system": name, "metric": metric, **made})
        of_metric = {name: scores[name, metric] for name in names}
        found["differences"] += [
            {"system": each["system"], "metric": metric, **each}
            for each in differences(of_metric, baseline)
        ]
    return found


def within(interval: tuple[float, float], low: float, high: float) -> tuple[float, float]:
    """The part of an interval that can be: Student's t, with two runs, reaches far beyond what a score can be."""
    return max(low, interval[0]), min(high, interval[1])


def differences(systems: Mapping[str, Resampled], baseline: str) -> list[dict[str, Any]]:
    """Each system minus the baseline under one measure; p-values corrected by Holm over the systems."""
    variants = [name for name in systems if name != baseline]
    compared = [compare_systems(systems[name], systems[baseline]) for name in variants]
    found = []
    for name, difference, p in zip(
        variants, compared, holm([each.p for each in compared]), strict=True
    ):
        verdict = judge(difference, p)
        found.append(
            {
                "system": name,
                "effect": difference.effect,
                "interval": difference.interval,
                "p": difference.p,
                "p_holm": p,
                "seeds_tested": difference.seeds_tested,
                "small": difference.small,
                "verdict": verdict.word,
                "text": verdict.text,
                "needed": None if verdict.needed is None else asdict(verdict.needed),
            }
        )
    return found
