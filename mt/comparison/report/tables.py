"""The tables of scores: overall, differences, by length."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from mt.comparison.report.lookups import (
    Results,
    buckets,
    find,
    groups,
    is_small,
    label,
    metric_title,
    metrics,
    p_value,
    signed_span,
    span,
    system_names,
    titles,
)
from mt.comparison.table import Cell, Table

Test = dict[str, Any]


def scores_table(results: Results, test: Test) -> Table:
    """Each system on the whole test set."""
    rows: list[list[Cell | str]] = []
    for system in results["systems"]:
        scores = [
            find(test["overall"]["scores"], system["name"], metric) for metric in metrics(results)
        ]
        bleu = find(test["overall"]["scores"], system["name"])
        deviation = "" if bleu is None or bleu["deviation"] is None else f"{bleu['deviation']:.2f}"
        made_of = ["", "", ""]
        if bleu is not None:
            made_of = [
                f"{bleu['precision']:.1f}",
                f"{bleu['brevity_penalty']:.3f}",
                f"{bleu['length_ratio']:.3f}",
            ]
        rows.append(
            [label(system), str(len(system["runs"])), *map(score_cell, scores), deviation, *made_of]
        )
    titles = [metric_title(metric) for metric in metrics(results)]
    return Table(
        ["system", "runs", *titles, "sd of runs", "precision", "BP", "length ratio"], rows
    ).compact()


def differences_table(results: Results, test: Test) -> Table:
    """Each variant minus the baseline, by every metric."""
    rows = []
    for name in system_names(results):
        for found in (d for d in test["overall"]["differences"] if d["system"] == name):
            chances = [p_value(found["p_holm"]), p_value(found.get("p_randomisation"))]
            effect = [f"{found['effect']:+.2f}", signed_span(*found["interval"])]
            rows.append(
                [
                    name,
                    metric_title(found["metric"]),
                    found["verdict"],
                    *effect,
                    *chances,
                    needed(found),
                ]
            )
    header = [
        f"against {results['baseline']}",
        "metric",
        "verdict",
        "difference",
        "95 % interval",
        "p (Holm)",
        "p (these runs)",
        "needed",
    ]
    return Table(header, rows, labels=3).compact()


def lengths_table(results: Results, test: Test) -> Table:
    """BLEU of short, of long, and of each length."""
    return _by_group(results, test, groups(test), score_cell)


def short_outputs_table(results: Results, test: Test) -> Table:
    """BLEU taken apart by length: does a system stop early (a low brevity penalty) or err (a low precision)?"""

    def cell(score: dict[str, Any] | None) -> Cell:
        if score is None:
            return Cell("")
        return Cell(
            f"{score['brevity_penalty']:.2f}",
            f"{score['precision']:.1f}, {score['length_ratio']:.2f}",
        )

    note = "Brevity penalty (precision, length ratio)."
    return replace(_by_group(results, test, groups(test), cell), note=note)


def gaps_table(results: Results, test: Test) -> Table:
    """Each variant minus the baseline in BLEU, by length."""

    def cell(difference: dict[str, Any] | None) -> Cell:
        if difference is None:
            return Cell("")
        low, high = difference["interval"]
        return Cell(f"{difference['effect']:+.1f}", signed_span(low, high, 1))

    names = [name for name in system_names(results) if name != results["baseline"]]
    shown = [test["overall"], test["short"], test["long"], *buckets(test)]
    return _table(
        results, test, names, [group for group in shown if group["sentences"]], "differences", cell
    )


def _by_group(results: Results, test: Test, shown: list[Test], cell: Any) -> Table:
    return _table(results, test, system_names(results), shown, "scores", cell)


def _table(
    results: Results, test: Test, names: list[str], shown: list[Test], entries: str, cell: Any
) -> Table:
    rows = [
        [
            group["label"],
            f"{group['sentences']:,}",
            *(cell(find(group[entries], name)) for name in names),
        ]
        for group in shown
    ]
    how = test["length"]
    faint = frozenset(number for number, group in enumerate(shown) if is_small(group))
    return Table(
        [f"{how['by']} {how['unit']}", "sentences", *titles(results, names)], rows, faint=faint
    )


def score_cell(score: dict[str, Any] | None) -> Cell:
    """A mean and its interval."""
    return Cell("") if score is None else Cell(f"{score['mean']:.1f}", span(*score["interval"]))


def needed(difference: dict[str, Any]) -> str:
    """What it would take to tell, of a difference that is not distinguishable."""
    wanted = difference["needed"]
    if difference["verdict"] != "not distinguishable" or wanted is None:
        return ""
    if wanted["seeds"] is not None:
        return f"{wanted['seeds']} seeds"
    if wanted["sentences"] is not None:
        return f"{wanted['sentences']:,} sentences"
    return "more than 1,000 seeds" if wanted.get("seeds_tested") else ""
