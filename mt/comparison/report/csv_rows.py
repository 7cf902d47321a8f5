"""results.csv: one row for each system, test set, group of sentences and metric, to be read by other programs."""

from __future__ import annotations

import csv
import io
from typing import Any

from mt.comparison.report.lookups import Results, find, is_small

COLUMNS = (
    *(
        "test",
        "group",
        "sentences",
        "small",
        "system",
        "metric",
        "runs",
        "mean",
        "low",
        "high",
        "deviation",
    ),
    *(
        "precision",
        "brevity_penalty",
        "length_ratio",
        "baseline",
        "difference",
        "difference_low",
        "difference_high",
        "p",
        "p_holm",
        "verdict",
        "seeds_tested",
    ),
    *("still_improving", "floor"),
)


def csv_text(results: Results) -> str:
    """With a header; numbers in full, booleans as 0 and 1, what is not known or not defined as nothing."""
    file = io.StringIO()
    writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
    writer.writeheader()
    systems = {system["name"]: system for system in results["systems"]}
    for test in results["tests"]:
        for group in (test["overall"], test["short"], test["long"], *test["buckets"]):
            for score in group["scores"]:
                writer.writerow(_row(results, test, group, score, systems[score["system"]]))
    return file.getvalue()


def _row(
    results: Results,
    test: dict[str, Any],
    group: dict[str, Any],
    score: dict[str, Any],
    system: dict[str, Any],
) -> dict[str, Any]:
    row: dict[str, Any] = {
        "test": test["name"],
        "group": group["label"],
        "sentences": group["sentences"],
        "small": int(is_small(group)),
        "runs": len(score["values"]),
        "low": score["interval"][0],
        "high": score["interval"][1],
        "baseline": results["baseline"],
        "seeds_tested": int(score["seeds_tested"]),
        "still_improving": int(system["unfinished"]),
        "floor": int(bool(system.get("floor"))),
    }
    row |= {
        key: score.get(key)
        for key in (
            "system",
            "metric",
            "mean",
            "deviation",
            "precision",
            "brevity_penalty",
            "length_ratio",
        )
    }
    difference = find(group["differences"], score["system"], score["metric"])
    if difference is not None:
        low, high = difference["interval"]
        row |= {"difference": difference["effect"], "difference_low": low, "difference_high": high}
        row |= {key: difference[key] for key in ("p", "p_holm", "verdict")}
    return row
