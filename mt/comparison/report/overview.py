"""The first screen: the answer in words, a ranking with groups, and BLEU by length."""

from __future__ import annotations

from dataclasses import dataclass

from mt.comparison.report.blocks import Figure
from mt.comparison.report.conclusions import conclusions, warnings
from mt.comparison.report.queries import (
    by_score,
    find_entry,
    group_letters,
    headline_test,
    metric_title,
    system_cell,
)
from mt.comparison.report.sections.lengths import bleu_chart, bleu_table
from mt.comparison.report.sections.scores import score_cell
from mt.comparison.schema.results import Results
from mt.comparison.table import Cell, Table
from mt.evaluation.metrics import HEADLINE


@dataclass(frozen=True)
class Overview:
    """The first screen of the report."""

    conclusions: list[str]
    warnings: list[str]
    ranking: Table
    figure: Figure | None


def overview(results: Results) -> Overview:
    """Return the first screen."""
    test = headline_test(results)
    chart = bleu_chart(results, test)
    figure = Figure(chart, bleu_table(results, test), table_in="page") if chart else None
    return Overview(conclusions(results), warnings(results), ranking_table(results), figure)


def ranking_table(results: Results) -> Table:
    """Return the systems by BLEU, with the letters of the groups that cannot be told apart."""
    test = headline_test(results)
    letters = group_letters(results, test)
    rows: list[list[Cell | str]] = [
        [
            system_cell(system),
            score_cell(find_entry(test.overall.scores, system.name)),
            letters[system.name],
        ]
        for system in by_score(results, test)
    ]
    note = "Systems with a letter in common cannot be told apart."
    header = ["system", metric_title(HEADLINE), "group"]
    return Table(header, rows, note=note if len(rows) > 1 else "")
