"""BLEU by construction, for test sets that label the constructions of each sentence."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from mt.comparison.report.blocks import Block, Details, Paragraph, Section
from mt.comparison.report.queries import (
    column_titles,
    describe_test,
    find_entry,
    is_distinguishable,
    is_small,
    system_names,
)
from mt.comparison.report.sections.scores import score_cell
from mt.comparison.report.text import format_p, format_signed_interval
from mt.comparison.schema.results import Results
from mt.comparison.schema.scores import ConstructionResult, ScoreDifference, TestResult
from mt.comparison.table import Cell, Table
from mt.evaluation.lengths import MIN_SENTENCES

INTRODUCTION = (
    "BLEU kept: BLEU on the sentences with a construction in per cent of BLEU on sentences without "
    "it, weighted to have the same lengths. Below 100: the construction is harder than other "
    "sentences of that length."
)
NOTE = (
    "p (Holm) is corrected for the variants, not for the number of constructions; bold: p < 0.05."
)


def constructions(results: Results) -> Section:
    """Show how much of their BLEU systems keep with each construction, and BLEU itself."""
    blocks: list[Block] = []
    for test in results.tests:
        described = describe_test(test, results)
        suffix = f", {described}" if described else ""
        for title, tables in (
            ("BLEU kept by construction", (kept_table, kept_differences_table)),
            ("BLEU by construction", (bleu_table, bleu_differences_table)),
        ):
            blocks.append(Details(title + suffix, [table(results, test) for table in tables]))
    has_rows = any(test.constructions for test in results.tests)
    introduction = [Paragraph(INTRODUCTION)] if has_rows else []
    return Section(
        "constructions", "By construction", [*introduction, *blocks], short_title="Constructions"
    )


def kept_table(results: Results, test: TestResult) -> Table:
    """Return the share of BLEU that systems keep, hardest construction first."""
    kept = [each for each in by_difficulty(test) if each.retention]

    def cell(each: ConstructionResult, name: str) -> Cell:
        return score_cell(find_entry(each.retention.scores, name)) if each.retention else Cell("")

    return _table(results, kept, system_names(results), cell, controls=True)


def kept_differences_table(results: Results, test: TestResult) -> Table:
    """Return the differences from the baseline in the share of BLEU kept."""
    kept = [each for each in by_difficulty(test) if each.retention]

    def cell(each: ConstructionResult, name: str) -> Cell:
        return _difference_cell(each.retention.pairs, name) if each.retention else Cell("")

    note = f"BLEU kept minus that of {results.baseline}, in percentage points. {NOTE}"
    return _table(results, kept, _variants(results), cell, controls=True, note=note)


def bleu_table(results: Results, test: TestResult) -> Table:
    """Return BLEU on the sentences with each construction."""
    return _table(
        results,
        by_difficulty(test),
        system_names(results),
        lambda each, name: score_cell(find_entry(each.group.scores, name)),
    )


def bleu_differences_table(results: Results, test: TestResult) -> Table:
    """Return the differences from the baseline in BLEU."""
    return _table(
        results,
        by_difficulty(test),
        _variants(results),
        lambda each, name: _difference_cell(each.group.differences, name),
        note=f"BLEU minus that of {results.baseline}. {NOTE}",
    )


def by_difficulty(test: TestResult) -> list[ConstructionResult]:
    """Order constructions by the mean share of BLEU that systems keep, lowest first."""

    def mean_kept(each: ConstructionResult) -> float:
        scores = each.retention.scores if each.retention else []
        return sum(score.mean for score in scores) / len(scores) if scores else float("inf")

    return sorted(test.constructions, key=mean_kept)


def _variants(results: Results) -> list[str]:
    return [name for name in system_names(results) if name != results.baseline]


def _difference_cell(differences: Sequence[ScoreDifference], name: str) -> Cell:
    difference = find_entry(differences, name)
    if difference is None:
        return Cell("")
    p = format_p(difference.p_holm, difference.p_is_bound)
    detail = f"{format_signed_interval(difference.interval, 1)}; p {p if p[0] == '<' else f'= {p}'}"
    return Cell(f"{difference.effect:+.1f}", detail, strong=is_distinguishable(difference))


def _table(
    results: Results,
    groups: Sequence[ConstructionResult],
    names: Sequence[str],
    cell: Callable[[ConstructionResult, str], Cell],
    controls: bool = False,
    note: str = "",
) -> Table:
    """Return a row for each construction and a column for each system; none without systems."""
    rows: list[list[Cell | str]] = []
    small = set()
    for each in groups if names else ():
        if is_small(each.group) or (controls and each.controls < MIN_SENTENCES):
            small.add(len(rows))
        counts = [f"{each.group.sentences:,}", *([f"{each.controls:,.0f}"] if controls else [])]
        rows.append([each.group.label, *counts, *(cell(each, name) for name in names)])
    header = ["construction", "sentences", *(["controls"] if controls else [])]
    return Table(
        [*header, *column_titles(results, names)], rows, small_rows=frozenset(small), note=note
    )
