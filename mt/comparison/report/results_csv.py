"""results.csv: a row for each test set, group of sentences, system and metric."""

from __future__ import annotations

import csv
import io
from typing import Any

from mt.comparison.report.queries import find_entry, is_small
from mt.comparison.schema.results import Results
from mt.comparison.schema.scores import SentenceGroup, SystemScore, TestResult
from mt.comparison.schema.systems import SystemResult

COLUMNS = (
    "test group sentences small system metric runs mean low high deviation precision "
    "brevity_penalty length_ratio baseline difference difference_low difference_high p p_holm "
    "verdict difference_seeds_tested seeds_tested still_improving ignores_source"
).split()


def csv_text(results: Results) -> str:
    """Return all scores: booleans as 0 and 1, unknown values as empty fields."""
    file = io.StringIO()
    writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
    writer.writeheader()
    systems = {system.name: system for system in results.systems}
    for test in results.tests:
        constructions = [construction.group for construction in test.constructions]
        for group in (test.overall, test.short, test.long, *test.buckets, *constructions):
            for score in group.scores:
                row = _row(test, group, score, systems[score.system])
                writer.writerow({**row, "baseline": results.baseline})
    return file.getvalue()


def _row(
    test: TestResult, group: SentenceGroup, score: SystemScore, system: SystemResult
) -> dict[str, Any]:
    row = {
        "test": test.name,
        "group": group.label,
        "sentences": group.sentences,
        "small": int(is_small(group)),
        "system": score.system,
        "metric": score.metric,
        "runs": len(score.values),
        "mean": score.mean,
        "low": score.interval[0],
        "high": score.interval[1],
        "deviation": score.deviation,
        "precision": score.precision,
        "brevity_penalty": score.brevity_penalty,
        "length_ratio": score.length_ratio,
        "seeds_tested": int(score.seeds_tested),
        "still_improving": int(system.still_improving),
        "ignores_source": int(system.ignores_source),
    }
    difference = find_entry(group.differences, score.system, score.metric)
    if difference is None:
        return row
    return row | {
        "difference": difference.effect,
        "difference_low": difference.interval[0],
        "difference_high": difference.interval[1],
        "p": difference.p,
        "p_holm": difference.p_holm,
        "verdict": difference.verdict,
        "difference_seeds_tested": int(difference.seeds_tested),
    }
