"""The scores of each system on whole test sets."""

from __future__ import annotations

from mt.comparison.report.blocks import Block, Heading, Note, Section
from mt.comparison.report.queries import (
    describe_test,
    find_entry,
    group_letters,
    metric_names,
    metric_title,
    system_cell,
)
from mt.comparison.report.text import format_interval
from mt.comparison.schema.results import Results
from mt.comparison.schema.scores import SystemScore, TestResult
from mt.comparison.table import Cell, Table

NOTE = (
    "Mean over runs with its 95 % interval, over sentences and, for systems with several runs, "
    "over seeds."
)
COLUMN_NOTES = {
    "group": "Group: systems with a letter in common cannot be told apart by BLEU.",
    "SD of runs": "SD of runs: standard deviation of BLEU.",
    "precision": "Precision: geometric mean of the four n-gram precisions of BLEU.",
    "BP": "BP: brevity penalty.",
    "length ratio": "Length ratio: output to reference.",
}


def scores(results: Results) -> Section:
    """Show the scores on each test set."""
    blocks: list[Block] = []
    columns: set[str] = set()
    for test in results.tests:
        title = describe_test(test, results)
        blocks += [Heading(title[0].upper() + title[1:])] if title else []
        table = scores_table(results, test)
        columns.update(table.header)
        blocks.append(table)
    notes = [NOTE, *(note for column, note in COLUMN_NOTES.items() if column in columns)]
    return Section("scores", "Scores", [*blocks, Note(" ".join(notes))], printed=True)


def scores_table(results: Results, test: TestResult) -> Table:
    """Return a row for each system: all metrics, and what BLEU is made of."""
    rows: list[list[Cell | str]] = []
    letters = group_letters(results, test) if len(results.systems) > 2 else {}
    for system in results.systems:
        entries = test.overall.scores
        metric_cells = [
            score_cell(find_entry(entries, system.name, metric)) for metric in metric_names(results)
        ]
        bleu = find_entry(entries, system.name)
        groups = [letters.get(system.name, "")]
        runs = str(len(system.runs))
        rows.append([system_cell(system), runs, *metric_cells, *groups, *_details(bleu)])
    titles = [metric_title(metric) for metric in metric_names(results)]
    header = ["system", "runs", *titles, "group", "SD of runs", "precision", "BP", "length ratio"]
    return Table(header, rows).without_empty_columns()


def score_cell(score: SystemScore | None) -> Cell:
    """Return a mean with its interval."""
    return Cell("") if score is None else Cell(f"{score.mean:.1f}", format_interval(score.interval))


def _details(bleu: SystemScore | None) -> list[str]:
    if bleu is None:
        return [""] * 4
    deviation = "" if bleu.deviation is None else f"{bleu.deviation:.2f}"
    return [
        deviation,
        f"{bleu.precision:.1f}",
        f"{bleu.brevity_penalty:.3f}",
        f"{bleu.length_ratio:.3f}",
    ]
